"""`manage.py demo_code NAME`: the second factor of one of the demo's people, who have no telephone."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone

from payments.management.demo import people
from payments.management.demo.place import Place
from payments.management.reporting import ReportingCommand, refused
from payments.models import TotpDevice

ENVIRONMENTS = ("demo", "test")


class Command(ReportingCommand):
    """Exit codes: 0 printed; 2 usage; 5 refused: not a demo, or nobody was made yet."""

    help = "Print a code with which one of the demo's people can sign in now. For the demo only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=sorted(people.PEOPLE), metavar="NAME", help=", ".join(people.PEOPLE))
        self.add_json(parser)

    def handle(self, *_: Any, name: str, json: bool, **__: Any) -> None:
        if settings.ENVIRONMENT not in ENVIRONMENTS:
            raise refused(f"ENVIRONMENT is {settings.ENVIRONMENT}: people there have an authenticator of their own.")
        place = Place(settings.BASE_DIR)
        if not place.home.exists():
            raise refused("There is no demo in this checkout yet: start one with make demo.")
        try:
            code = self._code(name, people.sign_ins_of(place)[name])
        except TotpDevice.DoesNotExist:
            raise refused(f"{name} was not made yet: start the demo once with make demo.") from None
        self.finish({"name": name, "code": code}, lines=[code], as_json=json)

    def _code(self, name: str, sign_in: people.SignIn) -> str:
        while (code := people.code_of(name, sign_in, at=timezone.now())) is None:
            self.progress("The last codes are used up; waiting for the next")
            time.sleep(1)
        return code
