"""Staff tokens: issued by one, collected by another, never more than their owner, dead in time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings

from payments.models import AuditRecord, StaffToken
from payments.people import accounts as people
from payments.people import tokens as staff_tokens
from payments.people.tokens import ALLOWS, NotCollectable, Scope
from payments.roles import Role, Verb
from tests.staff import make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner() -> Any:
    return make_staff(Role.SUPPORT)


@pytest.fixture
def admin() -> Any:
    return make_staff(Role.ADMIN)


@pytest.fixture
def token(owner: Any, admin: Any, now: datetime) -> StaffToken:
    return staff_tokens.issue(user=owner, name="import", scopes=[Scope.REFUNDS_REQUEST], days=30, by=admin, at=now)


@pytest.fixture
def secret(token: StaffToken, owner: Any, now: datetime) -> str:
    return staff_tokens.collect(token_id=token.pk, user=owner, at=now)


def test_no_scope_approves() -> None:
    assert set(ALLOWS) == set(Scope)
    assert not [scope for scope, (verbs, _) in ALLOWS.items() if Verb.APPROVE in verbs]


def test_only_its_digest_is_kept(token: StaffToken, secret: str) -> None:
    token.refresh_from_db()
    assert secret.startswith("spt_")
    assert len(secret) == 4 + 43
    assert secret not in str(vars(token))
    assert token.hint == secret[-4:]


def test_its_owner_collects_it_once(token: StaffToken, owner: Any, admin: Any, now: datetime) -> None:
    with pytest.raises(NotCollectable):
        staff_tokens.collect(token_id=token.pk, user=admin, at=now)
    staff_tokens.collect(token_id=token.pk, user=owner, at=now)
    with pytest.raises(NotCollectable):
        staff_tokens.collect(token_id=token.pk, user=owner, at=now)


def test_nothing_opens_before_it_is_collected(token: StaffToken, now: datetime) -> None:
    assert token.digest is None
    assert staff_tokens.find("", at=now) is None
    assert staff_tokens.find("spt_" + "A" * 43, at=now) is None


def test_it_lives_as_long_as_it_was_given(token: StaffToken, secret: str, now: datetime) -> None:
    assert staff_tokens.find(secret, at=now + timedelta(days=30, seconds=-1)) == token
    assert staff_tokens.find(secret, at=now + timedelta(days=30)) is None


@pytest.mark.parametrize("days", [0, -1, settings.STAFF_TOKEN_MAX_DAYS + 1])
def test_no_longer_than_the_limit(owner: Any, admin: Any, now: datetime, days: int) -> None:
    with pytest.raises(ValueError, match="1 to 90 days"):
        staff_tokens.issue(user=owner, name="x", scopes=[], days=days, by=admin, at=now)


def test_its_use_is_noted_once_a_minute(token: StaffToken, secret: str, now: datetime) -> None:
    seen = []
    for seconds in (0, 59, 60, 61):
        staff_tokens.find(secret, at=now + timedelta(seconds=seconds))
        token.refresh_from_db()
        seen.append(token.last_used_at)
    assert seen == [now, now, now + timedelta(seconds=60), now + timedelta(seconds=60)]


def test_revoked_is_dead_and_says_who_and_why(token: StaffToken, secret: str, admin: Any, now: datetime) -> None:
    assert staff_tokens.revoke(token_id=token.pk, by=admin, why="Leaked.", at=now)
    assert not staff_tokens.revoke(token_id=token.pk, by=admin, why="Again.", at=now)
    token.refresh_from_db()
    assert (token.revoked_by, token.revoked_why, token.revoked_at) == (admin, "Leaked.", now)
    assert staff_tokens.find(secret, at=now) is None


def test_a_deactivated_person_has_dead_tokens(secret: str, owner: Any, admin: Any, now: datetime) -> None:
    owner.is_active = False
    owner.save()
    assert staff_tokens.find(secret, at=now) is None
    owner.is_active = True
    owner.save()
    assert staff_tokens.find(secret, at=now) is not None
    people.deactivate(user=owner, by=admin, at=now)
    people.reactivate(user=owner)
    assert staff_tokens.find(secret, at=now) is None


def test_it_does_what_scope_and_roles_give_at_that_moment(secret: str, owner: Any, now: datetime) -> None:
    def may(scope: Scope) -> bool:
        token = staff_tokens.find(secret, at=now)
        assert token is not None
        return staff_tokens.may(token, scope)

    assert may(Scope.REFUNDS_REQUEST)
    assert not may(Scope.ORDERS_READ)  # the role gives it, the scope does not
    owner.groups.clear()
    assert not may(Scope.REFUNDS_REQUEST)


def test_all_of_it_is_recorded(token: StaffToken, secret: str, owner: Any, admin: Any, now: datetime) -> None:
    staff_tokens.revoke(token_id=token.pk, by=admin, why="x", at=now)
    told = [(row.event, row.actor, row.subject_id) for row in AuditRecord.objects.order_by("pk")]
    me, boss = f"user:{owner.pk}", f"user:{admin.pk}"
    assert told == [
        ("token_issued", boss, owner.pk),
        ("token_collected", me, owner.pk),
        ("token_revoked", boss, owner.pk),
    ]
    assert secret not in str([row.details for row in AuditRecord.objects.all()])


def test_states_in_words(token: StaffToken, owner: Any, admin: Any, now: datetime) -> None:
    assert staff_tokens.state_of(token, at=now) == "to be collected"
    staff_tokens.collect(token_id=token.pk, user=owner, at=now)
    token.refresh_from_db()
    assert staff_tokens.state_of(token, at=now) == "live"
    assert staff_tokens.state_of(token, at=now + timedelta(days=30)) == "expired"
    staff_tokens.revoke(token_id=token.pk, by=admin, why="x", at=now)
    token.refresh_from_db()
    assert staff_tokens.state_of(token, at=now) == "revoked"
