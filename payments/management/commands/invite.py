"""`manage.py invite NAME`: the first administrator's way in, and the last resort when nobody can sign in.

Threats: whoever may run it owns the service anyway (it needs the database and the keys). It is recorded like the same
act in the back office, with the operating system's user.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandParser
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from payments.management.reporting import ReportingCommand, usage
from payments.models.staff import Invitation, InvitationKind
from payments.people import accounts as people
from payments.people import invitations
from payments.roles import Role


class Command(ReportingCommand):
    """Exit codes: 0 the link is printed; 2 usage."""

    help = (
        "Make an account with roles, or with --again take password and second factor of an account away, and print the "
        "link by which its owner sets them. Everybody else is invited in the back office, under People."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="what they sign in with")
        parser.add_argument("--email", default="", help="their e-mail address")
        roles = [role.value for role in Role]
        parser.add_argument("--role", action="append", default=[], choices=roles, help="may be given more than once")
        parser.add_argument("--again", action="store_true", help="the account exists: start over with it")
        self.add_json(parser)

    def handle(self, *_: Any, name: str, email: str, role: list[str], again: bool, json: bool, **__: Any) -> None:
        invitation = self._again(name) if again else self._new(name, email, [Role(value) for value in role])
        token = invitations.new_link(invitation_id=invitation.pk, by=None, at=timezone.now())
        link = settings.PUBLIC_BASE_URL + reverse("backoffice:invitation", args=[token])
        summary = f"It opens once, until {invitation.expires_at:%Y-%m-%d %H:%M} UTC. Hand it to {name} alone."
        self.finish({"name": name, "link": link}, lines=[link, summary], as_json=json)

    def _new(self, name: str, email: str, roles: list[Role]) -> Invitation:
        if not roles or not email:
            raise usage("Say who it is: manage.py invite NAME --email ADDRESS --role Admin.")
        if get_user_model().objects.filter(username__iexact=name).exists():
            raise usage(f"There is an account {name} already. With --again it starts over.")
        with transaction.atomic():
            return people.create(username=name, name="", email=email, roles=roles, by=None, at=timezone.now())

    def _again(self, name: str) -> Invitation:
        user = get_user_model().objects.filter(username=name, is_staff=True).first()
        if user is None:
            raise usage(f"There is no account {name} in the back office.")
        with transaction.atomic():
            if not user.is_active:
                people.reactivate(user=user)
            return people.reset(user=user, kind=InvitationKind.START, by=None, at=timezone.now())
