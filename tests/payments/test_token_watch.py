"""A staff token that is about to expire is told of once, in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from payments.models import Case, StaffToken
from payments.models.case import CaseKind
from payments.people import token_watch
from payments.people import tokens as staff_tokens
from payments.people.tokens import Scope
from payments.roles import Role
from tests.staff import make_staff

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def owner() -> Any:
    return make_staff(Role.LEAD, name="ann")


def token_of(owner: Any, *, now: datetime, collected: bool = True) -> StaffToken:
    token = staff_tokens.issue(
        user=owner, name="nightly import", scopes=[Scope.ORDERS_READ], days=30, by=make_staff(Role.ADMIN), at=now
    )
    if collected:
        staff_tokens.collect(token_id=token.pk, user=owner, at=now)
    return token


def test_told_seven_days_before_and_once(owner: Any, now: datetime) -> None:
    token = token_of(owner, now=now)
    assert token_watch.watch(now + 22 * DAY) == 0
    assert token_watch.watch(now + 23 * DAY) == 1
    assert token_watch.watch(now + 24 * DAY) == 0
    case = Case.objects.get()
    assert (case.kind, case.subject_kind, case.subject_id) == (CaseKind.TOKEN_EXPIRY, "staff_token", token.pk)
    assert "“nightly import” of ann" in case.ours
    assert f"{token.expires_at:%Y-%m-%d}" in case.theirs


def test_of_what_opens_nothing_nobody_is_told(owner: Any, now: datetime) -> None:
    revoked = token_of(owner, now=now)
    staff_tokens.revoke(token_id=revoked.pk, by=owner, why="x", at=now)
    token_of(owner, now=now, collected=False)
    assert token_watch.watch(now + 29 * DAY) == 0
    token_of(owner, now=now)
    assert token_watch.watch(now + 31 * DAY) == 0
