"""What the keeper tells of keys: once, in time, with a runbook, and nothing where all is well."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from integrations import credentials
from integrations.models.keys import Credential, EncryptionKey
from payments import key_watch, working
from payments.cases import runbooks
from payments.cases.opening import close_case
from payments.models import Case
from payments.models.case import Resolution

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
SECRET = "whsec_" + "a" * 32


@pytest.fixture(autouse=True)
def place(settings: Any) -> Any:
    settings.ENVIRONMENT = "test"
    settings.ENCRYPTION_KEYS = {"k1": b"o" * 31 + b"1"}
    settings.ENCRYPTION_KEY_MAX_AGE_DAYS = 90
    return settings


def cases() -> list[tuple[str, str]]:
    return list(Case.objects.filter(closed_at=None).order_by("pk").values_list("kind", "theirs"))


def add(*, at: datetime, days: int) -> Credential:
    return credentials.add(
        provider="stripe",
        name="webhook_secret",
        value=SECRET,
        owner="Ida",
        actor="user:7",
        reason="new at the provider",
        at=at,
        expires_at=at + days * DAY,
    )


def test_the_keeper_does_it(now: datetime) -> None:
    add(at=now, days=5)
    working.keep_house(clock=lambda: now)
    assert [kind for kind, _ in cases()] == ["credential_expiry"]
    assert EncryptionKey.objects.get().key_id == "k1"


def test_an_expiring_key_is_one_case_seen_again_at_30_7_and_1_days(now: datetime) -> None:
    row = add(at=now, days=100)
    for days in (40, 30, 29, 8, 7, 1, 0, -3):
        key_watch.keep_keys(at=now + (100 - days) * DAY)
        key_watch.keep_keys(at=now + (100 - days) * DAY)
    case = Case.objects.get()
    assert (case.subject_kind, case.subject_id, case.times_seen) == ("credential", row.pk, 3)
    assert case.opened_at == now + 70 * DAY
    assert "expires within a day" in case.theirs
    assert "owner is Ida" in case.ours
    assert SECRET not in case.ours + case.theirs


def test_an_old_encryption_key_is_one_case(now: datetime) -> None:
    assert key_watch.keep_keys(at=now) == 0
    key_watch.keep_keys(at=now + 89 * DAY)
    assert cases() == []
    for _ in range(3):
        key_watch.keep_keys(at=now + 90 * DAY)
    case = Case.objects.get()
    assert (case.kind, case.times_seen) == ("encryption_key", 1)
    assert "90 days" in case.ours


def test_a_case_that_was_closed_without_a_new_key_comes_again_after_a_week(now: datetime) -> None:
    key_watch.keep_keys(at=now)
    at = now + 90 * DAY
    key_watch.keep_keys(at=at)
    close_case(Case.objects.get(), resolution=Resolution.NO_ERROR, at=at)
    key_watch.keep_keys(at=at + 6 * DAY)
    assert cases() == []
    key_watch.keep_keys(at=at + 7 * DAY)
    assert len(cases()) == 1


def test_a_key_changed_under_its_id_is_a_case(place: Any, now: datetime) -> None:
    key_watch.keep_keys(at=now)
    place.ENCRYPTION_KEYS = {"k1": b"n" * 31 + b"1"}
    key_watch.keep_keys(at=now + DAY)
    [(kind, theirs)] = cases()
    assert (kind, theirs) == ("encryption_key", "ENCRYPTION_KEYS holds another key under the id k1.")


def test_ended_values_are_erased(now: datetime) -> None:
    row = add(at=now, days=100)
    credentials.rotate(
        provider="stripe",
        name="webhook_secret",
        value="whsec_" + "b" * 32,
        owner="Ida",
        actor="user:7",
        reason="yearly",
        at=now,
        overlap_seconds=60,
    )
    assert key_watch.keep_keys(at=now + DAY) == 1
    assert Credential.objects.get(pk=row.pk).value_sealed is None


def test_each_case_names_a_runbook_that_is_there(place: Any, now: datetime) -> None:
    add(at=now, days=5)
    key_watch.keep_keys(at=now)
    place.ENCRYPTION_KEYS = {"k1": b"n" * 31 + b"1"}
    key_watch.keep_keys(at=now)
    cases = list(Case.objects.all())
    assert len(cases) == 2
    for case in cases:
        assert case.suggested_fix.endswith(f"Runbook: {runbooks.url_of(case.kind)}")
        assert runbooks.text_of(runbooks.RUNBOOK_OF[case.kind])
