"""The second factor: what counts, what is kept, what is never taken twice."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.db import IntegrityError, connection

from payments.models import BackupCode, BackupCodes, TotpDevice
from payments.people import mfa
from payments.roles import Role
from tests.staff import enrol, make_staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def person() -> Any:
    return make_staff(Role.SUPPORT, name="sue")


def step(now: datetime, steps: int) -> datetime:
    return now + timedelta(seconds=30 * steps)


def test_rfc_6238(now: datetime) -> None:
    """The table of appendix B (SHA-1), its last six digits."""
    key = b"12345678901234567890"  # pragma: allowlist secret
    told = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"}
    assert {at: mfa.code_at(key, datetime.fromtimestamp(at, tz=now.tzinfo)) for at in told} == told


def test_an_authenticator_counts_once_a_code_of_it_was_given(person: Any, now: datetime) -> None:
    device = mfa.begin(user=person, at=now)
    key = base64.b32decode(mfa.key_text(device).replace(" ", ""))
    assert not mfa.is_enrolled(person)
    assert mfa.verify(user=person, code=mfa.code_at(key, now), at=now) is None
    assert mfa.finish(user=person, code="000000" if mfa.code_at(key, now) != "000000" else "111111", at=now) is None
    with time_machine.travel(now + timedelta(days=999)):  # the wait after a wrong code, by the real clock
        codes = mfa.finish(user=person, code=mfa.code_at(key, now), at=now)
    assert codes is not None
    assert len(set(codes)) == mfa.backup_codes_left(person) == 10
    assert mfa.is_enrolled(person)
    assert mfa.in_enrolment(person) is None


def test_a_new_one_takes_the_place_of_the_old_when_it_counts(person: Any, now: datetime) -> None:
    old = enrol(person, at=now)
    device = mfa.begin(user=person, at=now)
    assert mfa.verify(user=person, code=mfa.code_at(old, now), at=now) is not None
    new = base64.b32decode(mfa.key_text(device).replace(" ", ""))
    assert mfa.finish(user=person, code=mfa.code_at(new, now), at=now) is not None
    later = step(now, 2)
    assert mfa.verify(user=person, code=mfa.code_at(old, later), at=later) is None
    assert TotpDevice.objects.count() == 1


def test_the_key_is_sealed_and_reads_only_in_its_own_row(person: Any, now: datetime) -> None:
    key = enrol(person, at=now)
    kept = TotpDevice.objects.get()
    assert key not in bytes(kept.key_sealed)
    assert key.hex().encode() not in bytes(kept.key_sealed)
    told = urlsplit(mfa.key_uri(kept))
    assert (told.scheme, told.netloc) == ("otpauth", "totp")
    assert base64.b32decode(parse_qs(told.query)["secret"][0]) == key
    assert told.path.endswith("sue")


@pytest.mark.parametrize(("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_one_step_of_clock_difference_is_forgiven(person: Any, now: datetime, steps: int, accepted: bool) -> None:
    key = enrol(person, at=now)
    assert (mfa.verify(user=person, code=mfa.code_at(key, step(now, steps)), at=now) is not None) is accepted


def test_no_code_is_taken_twice_nor_an_older_one_after_it(person: Any, now: datetime) -> None:
    key = enrol(person, at=now)
    assert mfa.verify(user=person, code=mfa.code_at(key, now), at=now) is not None
    for old in (now, step(now, -1)):
        with time_machine.travel(now + timedelta(days=999)):
            assert mfa.verify(user=person, code=mfa.code_at(key, old), at=now) is None


@pytest.mark.parametrize("code", ["", " ", "12345", "1234567", "٠٠٠٠٠٠", "abc", "\x00", "9" * 5000])
def test_what_is_no_code_is_refused(person: Any, now: datetime, code: str) -> None:
    enrol(person, at=now)
    assert mfa.verify(user=person, code=code, at=now) is None


def test_spaces_do_not_matter(person: Any, now: datetime) -> None:
    code = mfa.code_at(enrol(person, at=now), now)
    assert mfa.verify(user=person, code=f" {code[:3]} {code[3:]} ", at=now) is not None


def test_guessing_makes_the_right_code_wait_too(person: Any, now: datetime) -> None:
    key = enrol(person, at=now)
    with time_machine.travel(now, tick=False) as clock:
        for _ in range(30):
            mfa.verify(user=person, code=mfa.code_at(key, now + timedelta(days=1)), at=now)
            clock.shift(2000)
        assert TotpDevice.objects.get().throttling_failure_count == 11
        mfa.verify(user=person, code=mfa.code_at(key, now + timedelta(days=1)), at=now)
        clock.shift(1000)
        assert mfa.verify(user=person, code=mfa.code_at(key, now), at=now) is None
        clock.shift(50)
        assert mfa.verify(user=person, code=mfa.code_at(key, now), at=now) is not None


class TestBackupCodes:
    def test_each_opens_once(self, person: Any, now: datetime) -> None:
        enrol(person, at=now)
        first, second, *_ = mfa.new_backup_codes(user=person, at=now)
        assert isinstance(mfa.verify(user=person, code=first.upper().replace("-", " "), at=now), BackupCodes)
        assert mfa.verify(user=person, code=first, at=now) is None
        with time_machine.travel(now + timedelta(days=999)):
            assert mfa.verify(user=person, code=second, at=now) is not None
        assert mfa.backup_codes_left(person) == 8

    def test_they_are_kept_as_digests(self, person: Any, now: datetime) -> None:
        enrol(person, at=now)
        codes = mfa.new_backup_codes(user=person, at=now)
        kept = set(BackupCode.objects.values_list("digest", flat=True))
        assert not kept & {code.replace("-", "") for code in codes}
        assert all(len(digest) == 64 for digest in kept)

    def test_new_ones_end_the_old(self, person: Any, now: datetime) -> None:
        enrol(person, at=now)
        old, *_ = mfa.new_backup_codes(user=person, at=now)
        mfa.new_backup_codes(user=person, at=now)
        assert mfa.verify(user=person, code=old, at=now) is None

    def test_somebody_elses_opens_nothing(self, person: Any, now: datetime) -> None:
        enrol(person, at=now)
        other = make_staff(Role.SUPPORT)
        enrol(other, at=now)
        theirs, *_ = mfa.new_backup_codes(user=other, at=now)
        assert mfa.verify(user=person, code=theirs, at=now) is None


def test_removed_is_gone(person: Any, now: datetime) -> None:
    key = enrol(person, at=now)
    mfa.remove(user=person)
    assert not mfa.is_enrolled(person)
    assert mfa.backup_codes_left(person) == 0
    assert mfa.verify(user=person, code=mfa.code_at(key, now), at=now) is None


def test_the_database_holds_one_in_use(person: Any, now: datetime) -> None:
    enrol(person, at=now)
    with pytest.raises(IntegrityError, match="totp_one_in_use"):
        TotpDevice.objects.create(user=person, key_sealed=b"x", confirmed=True, created_at=now, confirmed_at=now)


@pytest.mark.django_db(transaction=True)
def test_the_same_code_at_once_is_taken_once(person: Any, now: datetime) -> None:
    code = mfa.code_at(enrol(person, at=now), now)

    def give(_: int) -> bool:
        try:
            return mfa.verify(user=person, code=code, at=now) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(give, range(8))) == 1
