"""`manage.py sync_roles`: the reviewed table of roles, written into Django's groups or compared with them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from payments.management.reporting import Exit, ReportingCommand
from payments.people import role_groups


class Command(ReportingCommand):
    """Exit codes: 0 as it should be (or mended), 3 drift found by --check."""

    help = "Write the roles of payments/roles.py into Django's groups; with --check, only name each difference."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="change nothing; exit 3 where something differs")
        self.add_json(parser)

    def handle(self, *_: Any, **options: Any) -> None:
        check: bool = options["check"]
        if not check:
            self.record_run(at=timezone.now())
        found = role_groups.drift() if check else role_groups.sync()
        summary = f"{len(found)} {'differences' if check else 'mended'}"
        self.finish(
            {"check": check, "differences": found},
            lines=[*found, summary],
            as_json=options["json"],
            code=Exit.FINDINGS if check and found else Exit.CLEAN,
        )
