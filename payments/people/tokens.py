"""Staff tokens: what a program of one person shows to the API, as part of what that person may do now.

An administrator issues one for a person; its owner collects the secret, once, in their own session: so an
administrator, who moves no money, never holds a token that could ask for it. A token does what its scopes name *and*
its owner's roles give at that moment; no scope approves anything.

Threats: a read database (SHA-256 of 256 random bits is kept); a secret in a repository (the prefix is for scanners);
one forgotten (90 days at most, last use shown, revoked in one step, dead with its owner's account); one used beyond
its purpose (scopes); guessing (length; the form is checked before the database is asked).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from payments import roles
from payments.audit.events import Event
from payments.models.staff import StaffToken
from payments.people import events as staff_events
from payments.roles import Area, Verb

PREFIX = "spt_"
_SECRET = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{43}}")
USED_EVERY_SECONDS = 60
"""The last use is written down at most this often."""


class Scope(StrEnum):
    """What a token may be for. None of them approves: a second person is a person."""

    ORDERS_READ = "orders:read"
    REFUNDS_REQUEST = "refunds:request"


ALLOWS: dict[Scope, tuple[tuple[Verb, ...], Area]] = {
    Scope.ORDERS_READ: ((Verb.VIEW,), Area.ORDER),
    Scope.REFUNDS_REQUEST: ((Verb.DO, Verb.REQUEST), Area.REFUND),
}
"""Which of its owner's rights, any of these verbs, a scope lends."""


class NotCollectable(Exception):
    """The secret was collected, or the token is revoked or has expired. An administrator can issue a new one."""


def allowed_scopes(user: Any) -> list[Scope]:
    """Return the scopes that a person's roles back now."""
    return [scope for scope in Scope if roles.may_any(user, *ALLOWS[scope])]


def issue(*, user: Any, name: str, scopes: Iterable[Scope], days: int, by: Any, at: datetime) -> StaffToken:
    """Make a token that its owner can collect. `days`: 1 to STAFF_TOKEN_MAX_DAYS, from now."""
    if not 1 <= days <= settings.STAFF_TOKEN_MAX_DAYS:
        raise ValueError(f"A token lives 1 to {settings.STAFF_TOKEN_MAX_DAYS} days.")
    with transaction.atomic():
        token = StaffToken.objects.create(
            user=user,
            name=name,
            scopes=sorted(scope.value for scope in scopes),
            issued_at=at,
            issued_by=by,
            expires_at=at + timedelta(days=days),
        )
        staff_events.record(Event.TOKEN_ISSUED, user=user, by=by, at=at, staff_token=token.pk, scopes=token.scopes)
    return token


def collect(*, token_id: int, user: Any, at: datetime) -> str:
    """Make the secret and return it to the token's owner, once. Raises NotCollectable."""
    secret = PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = StaffToken.objects.select_for_update(of=("self",)).filter(pk=token_id, user=user).first()
        if token is None or token.collected_at or token.revoked_at or at >= token.expires_at:
            raise NotCollectable(
                "This token was collected, revoked, or has expired. An administrator can issue another."
            )
        token.digest, token.hint, token.collected_at = _digest(secret), secret[-4:], at
        token.save()
        staff_events.record(Event.TOKEN_COLLECTED, user=user, at=at, staff_token=token.pk)
    return secret


def revoke(*, token_id: int, by: Any, why: str, at: datetime) -> bool:
    """End a token; return False where it was revoked already."""
    with transaction.atomic():
        token = StaffToken.objects.select_for_update(of=("self",)).select_related("user").get(pk=token_id)
        if token.revoked_at is not None:
            return False
        token.revoked_at, token.revoked_by, token.revoked_why = at, by, why[:200]
        token.save()
        staff_events.record(Event.TOKEN_REVOKED, user=token.user, by=by, at=at, staff_token=token.pk)
    return True


def revoke_all(*, user: Any, by: Any, why: str, at: datetime) -> None:
    """End every token of a person."""
    for token_id in StaffToken.objects.filter(user=user, revoked_at=None).values_list("pk", flat=True):
        revoke(token_id=token_id, by=by, why=why, at=at)


def find(secret: str, *, at: datetime) -> StaffToken | None:
    """Return the live token with this secret, its owner with it, and note that it is used; None for anything else."""
    if not _SECRET.fullmatch(secret):
        return None
    token = (
        StaffToken.objects.select_related("user")
        .filter(digest=_digest(secret), revoked_at=None, expires_at__gt=at, user__is_active=True, user__is_staff=True)
        .first()
    )
    if token is not None:
        before = at - timedelta(seconds=USED_EVERY_SECONDS)
        stale = Q(last_used_at=None) | Q(last_used_at__lte=before)
        StaffToken.objects.filter(stale, pk=token.pk).update(last_used_at=at)
    return token


def may(token: StaffToken, scope: Scope) -> bool:
    """Say whether a token may be used for this now: its scopes name it, and its owner's roles give it."""
    return scope.value in token.scopes and roles.may_any(token.user, *ALLOWS[scope])


def state_of(token: StaffToken, *, at: datetime) -> str:
    """Return in a word how a token stands."""
    if token.revoked_at is not None:
        return "revoked"
    if at >= token.expires_at:
        return "expired"
    return "live" if token.collected_at else "to be collected"


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
