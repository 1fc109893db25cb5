"""One real row of everything the back office shows, for the walk of tests/backoffice/test_access.py."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import models

from integrations.models import Breaker, Credential, Destination
from payments.cases import runbooks
from payments.models import AuditSeal, Case, Invitation, Payout
from payments.models.staff import InvitationKind
from payments.people import tokens as staff_tokens
from payments.people.tokens import Scope
from payments.roles import Role
from tests.backoffice import filled
from tests.fake_provider import FakeProvider
from tests.staff import make_staff


class Everything:
    """A filled shop, and rows of its people; what may be the visitor's own is theirs."""

    def __init__(self, fake: FakeProvider, *, visitor: Any, now: datetime) -> None:
        self._filled = filled.fill(fake, now=now)
        self._somebody = make_staff(Role.SUPPORT, name="somebody")
        Credential.objects.create(
            provider="stripe", name="api_key", mode="test", owner="on-call", fingerprint="f" * 16,
            created_by="user:1", created_at=now, reason="For the walk.",
        )  # fmt: skip
        AuditSeal.objects.create(
            number=1, day=now.date(), closes_day=False, sealed_at=now, row_count=0, digest="d" * 64, key_id="local",
            mac="m" * 64,
        )  # fmt: skip
        Breaker.objects.get_or_create(provider="stripe", defaults={"since": now})
        invitation = Invitation.objects.create(
            user=self._somebody,
            kind=InvitationKind.START,
            created_at=now,
            created_by=visitor if visitor.pk else None,
            expires_at=now + timedelta(days=3),
        )
        owner = visitor if visitor.pk else self._somebody
        token = staff_tokens.issue(
            user=owner, name="x", scopes=[Scope.ORDERS_READ], days=30, by=make_staff(Role.ADMIN), at=now
        )
        self._arguments: dict[str, Any] = {
            "action_id": self._filled.action.pk,
            "app_label": "payments",
            "case_id": Case.objects.latest("pk").pk,
            "code": next(iter(runbooks.RUNBOOK_OF.values())),
            "form": "csv",
            "payout_key": Payout.objects.latest("pk").pk,
            "destination_id": Destination.objects.latest("pk").pk,
            "invitation_id": invitation.pk,
            "operation": "cancel_unpaid_order",
            "order_id": self._filled.open.pk,
            "subject_id": self._filled.open.pk,
            "token": "x" * 43,
            "token_id": token.pk,
            "url": "no/such/page/",
        }

    def argument(self, name: str) -> Any:
        """Return a value for a part of an address. A new name needs a line above: say what a real one is."""
        assert name in self._arguments, f"tests/backoffice/everything.py must say what a real {name!r} is"
        return self._arguments[name]

    def row_of(self, model: type[models.Model]) -> models.Model:
        """Return a row that the model's screen shows."""
        if model is get_user_model():
            return self._somebody  # type: ignore[no-any-return]
        if model is Group:
            return Group.objects.get(name=Role.SUPPORT)
        row = model._default_manager.order_by("pk").last()
        assert row is not None, f"tests/backoffice/everything.py must make a {model._meta.label}"
        return row
