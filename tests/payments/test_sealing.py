"""The daily seal: what it holds, that nothing falls between two of them, and when it is made."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, transaction

from orders.models import Transition
from payments import working
from payments.audit import recording as audit
from payments.audit import sealed_tables, sealing
from payments.audit.digests import Part, canonical, row_digest, seal_digest, seal_mac
from payments.audit.events import Event
from payments.audit.verification import verify
from payments.grants import APPEND_ONLY
from payments.models import AuditRecord, AuditSeal, SealedRows, StaffAction
from payments.models.action import ActionState

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
"""Nothing is overdue by then."""

pytestmark = pytest.mark.django_db


@pytest.fixture
def tomorrow(now: datetime) -> datetime:
    return now + timedelta(days=1)


def record(at: datetime, actor: str = "command:test") -> AuditRecord:
    return audit.record(Event.EXPORTED, actor=actor, at=at)


def part_of(seal: AuditSeal | None, model: type[Any]) -> SealedRows:
    assert seal is not None
    return SealedRows.objects.get(seal=seal, table_name=model._meta.db_table)


def ask(now: datetime) -> StaffAction:
    """Return a requested action: it waits for a second person."""
    person = get_user_model().objects.get_or_create(username="asker")[0]
    return StaffAction.objects.create(
        uid=uuid.uuid4(), operation="test", subject_kind="order", subject_id=1, preview={}, fingerprint="f",
        reason_code="x", reason="because", requested_by=person, requested_at=now, via="admin",
    )  # fmt: skip


class TestDigests:
    """Known values, computed with sha256sum and openssl: whoever checks the chain elsewhere relies on them."""

    def test_a_row(self) -> None:
        columns, values = ("at", "id", "note"), ("2026-11-21 12:00:00+00", "7", None)
        assert canonical(dict(zip(columns, values, strict=True))) == (
            b'{"at":"2026-11-21 12:00:00+00","id":"7","note":null}'
        )
        told = "e421890b717fa425e9ea82b6961911932ed308c357944bedc268a22a1f58bca2"  # pragma: allowlist secret
        assert row_digest(columns, values).hex() == told

    def test_a_seal(self) -> None:
        part = Part(
            table="t", columns=("id",), from_key=0, to_key=7,
            keys=(7,), digests=row_digest(("id",), ("7",)), open_keys=(),
        )  # fmt: skip
        told = "ffc4233f3a8f14fe5d0473b25cda7a8f318f1c82e8f6665d1531cbc811185eaa"  # pragma: allowlist secret
        assert part.digest == told
        digest = seal_digest(
            number=1, day=date(2026, 11, 21), closes_day=True, sealed_at=datetime(2026, 11, 22, tzinfo=UTC),
            previous_digest="", parts=[part],
        )  # fmt: skip
        told = "e05071058bba5f98c4dc7f6532fc4ae5cdafea91f76fefe12a3f5249bfa8248d"  # pragma: allowlist secret
        assert digest == told
        told = "254ca8761c1a2cac6eae894e8cce60efb905a2c5963f80c68defe266dfcb70f3"  # pragma: allowlist secret
        assert seal_mac(b"k" * 32, digest) == told

    def test_what_postgresql_prints_is_what_is_sealed(self, now: datetime) -> None:
        row = audit.record(
            Event.EXPORTED, actor="ünïcode", details={"b": 1, "a": [None, True, "é"]}, at=now, client="203.0.113.9"
        )
        table = sealed_tables.table_named("payments_auditrecord")
        assert table is not None
        (read,) = sealed_tables.rows_between(table, table.columns, above=row.pk - 1, up_to=row.pk)
        assert dict(zip(table.columns, read.values, strict=True)) == {
            "actor": "ünïcode",
            "at": "2026-11-21 12:00:00+00",
            "client": "203.0.113.9/32",
            "correlation_id": "",
            "details": '{"a": [null, true, "é"], "b": 1}',
            "event": "exported",
            "id": str(row.pk),
            "reason": "",
            "reason_code": "",
            "subject_id": "0",
            "subject_kind": "",
        }

    def test_a_roles_own_settings_change_nothing(self, now: datetime) -> None:
        row, table = record(now), sealed_tables.table_named("payments_auditrecord")
        assert table is not None
        plain = sealed_tables.rows_between(table, table.columns, above=row.pk - 1, up_to=row.pk)
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL TimeZone = 'Asia/Tokyo'")
            cursor.execute("SET LOCAL DateStyle = 'German'")
        assert sealed_tables.rows_between(table, table.columns, above=row.pk - 1, up_to=row.pk) == plain


def test_every_append_only_table_is_sealed_or_has_a_reason_not_to_be() -> None:
    sealed = {table.name for table in sealed_tables.SEALED if not table.final}
    assert sealed | set(sealed_tables.NOT_SEALED) == set(APPEND_ONLY)
    assert not sealed & set(sealed_tables.NOT_SEALED)


class TestTheChain:
    def test_each_seal_goes_on_where_the_last_ended(self, now: datetime, tomorrow: datetime) -> None:
        first, second = record(now), record(now)
        one = sealing.seal_day(now=tomorrow)
        third = record(tomorrow)
        two = sealing.seal_day(now=tomorrow + timedelta(days=1))
        assert one is not None
        assert two is not None
        assert (one.number, one.day, one.closes_day, one.previous_digest) == (1, now.date(), True, "")
        assert (two.number, two.day, two.previous_digest) == (2, tomorrow.date(), one.digest)
        assert part_of(one, AuditRecord).keys == [first.pk, second.pk]
        after = part_of(two, AuditRecord)
        assert (after.from_key, after.to_key, after.keys) == (second.pk, third.pk, [third.pk])
        assert {part.table_name for part in two.parts.all()} == {table.name for table in sealed_tables.SEALED}
        assert verify(now=NOW).breaks == []

    def test_an_open_action_is_sealed_once_it_is_final(self, now: datetime, tomorrow: datetime) -> None:
        action = ask(now)
        one = sealing.seal_day(now=tomorrow)
        assert (part_of(one, StaffAction).keys, part_of(one, StaffAction).open_keys) == ([], [action.pk])
        assert verify(now=NOW).breaks == []
        action.state, action.finished_at = ActionState.WITHDRAWN, tomorrow
        action.save()
        assert verify(now=NOW).breaks == []
        two = sealing.seal_day(now=tomorrow + timedelta(days=1))
        assert (part_of(two, StaffAction).keys, part_of(two, StaffAction).open_keys) == ([action.pk], [])
        assert verify(now=NOW).breaks == []

    def test_a_long_day_has_several(self, now: datetime, tomorrow: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sealing, "MOST_ROWS_A_TABLE", 3)
        actions = [ask(now) for _ in range(2)]
        rows = [record(now) for _ in range(7)]
        seals = []
        while sealing.is_due(tomorrow):
            seals.append(sealing.seal_day(now=tomorrow))
        assert [seal.closes_day for seal in seals if seal] == [False, False, True]
        assert [key for seal in seals for key in part_of(seal, AuditRecord).keys] == [row.pk for row in rows]
        assert set(part_of(seals[-1], StaffAction).open_keys) == {action.pk for action in actions}
        assert verify(now=NOW).breaks == []

    def test_a_column_that_comes_later_breaks_no_earlier_seal(
        self, now: datetime, tomorrow: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record(now)
        columns = sealed_tables.SealedTable.columns.fget  # type: ignore[attr-defined]
        monkeypatch.setattr(
            sealed_tables.SealedTable,
            "columns",
            property(lambda table: tuple(c for c in columns(table) if c != "reason")),
        )
        sealing.seal_day(now=tomorrow)
        monkeypatch.undo()
        record(tomorrow)
        sealing.seal_day(now=tomorrow + timedelta(days=1))
        assert verify(now=NOW).breaks == []

    def test_two_keepers_make_one(self, now: datetime, tomorrow: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        record(now)
        stale = sealing._before()
        assert sealing.seal_day(now=tomorrow) is not None
        monkeypatch.setattr(sealing, "_before", lambda: stale)
        assert sealing.seal_day(now=tomorrow) is None
        assert AuditSeal.objects.count() == 1


class TestWhen:
    def test_nothing_is_due_before_there_is_something(self, now: datetime) -> None:
        assert not sealing.is_due(now)
        record(now)
        assert not sealing.is_due(now)
        assert not sealing.is_due(now.replace(hour=23, minute=59))

    def test_once_the_day_is_over(self, now: datetime) -> None:
        record(now)
        midnight = datetime(2026, 11, 22, tzinfo=UTC)
        assert sealing.is_due(midnight)
        sealing.seal_day(now=midnight)
        assert not sealing.is_due(midnight + timedelta(hours=23))
        assert sealing.is_due(midnight + timedelta(days=1))  # a day without rows is sealed, too

    def test_the_keeper_does_it(self, now: datetime, tomorrow: datetime) -> None:
        record(now)
        assert working.keeping_due(tomorrow)
        working.keep_house(clock=lambda: tomorrow)
        assert AuditSeal.objects.get().closes_day
        assert not sealing.is_due(tomorrow)

    def test_a_seal_that_cannot_be_made_does_not_stop_the_house(
        self, now: datetime, tomorrow: datetime, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        record(now)
        settings.ENCRYPTION_KEYS = {}
        working.keep_house(clock=lambda: tomorrow)
        assert not AuditSeal.objects.exists()

    def test_on_demand(self, now: datetime, tomorrow: datetime) -> None:
        record(now)
        seal = sealing.seal_now(now=now)
        assert seal is not None
        assert (seal.day, seal.closes_day) == (now.date(), False)
        assert sealing.is_due(tomorrow)
        assert sealing.seal_day(now=tomorrow) is not None
        assert verify(now=NOW).breaks == []


@pytest.mark.django_db(transaction=True)
class TestLateRows:
    """A key is given out before its row commits."""

    def test_a_row_whose_transaction_is_still_open_is_waited_for(
        self, now: datetime, tomorrow: datetime, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sealed_tables, "SETTLE_SECONDS", 0.2)
        with in_another_connection(lambda: record(now, "late")):
            early = record(now, "early")
            assert sealing.seal_day(now=tomorrow) is None
        assert AuditRecord.objects.get(actor="late").pk < early.pk
        seal = sealing.seal_day(now=tomorrow)
        assert part_of(seal, AuditRecord).keys == sorted(AuditRecord.objects.values_list("pk", flat=True))
        assert len(part_of(seal, AuditRecord).keys) == 2

    def test_one_that_began_later_is_not_waited_for(self, now: datetime, tomorrow: datetime) -> None:
        record(now)
        marks = sealed_tables.settled_marks()
        with in_another_connection(lambda: record(now, "later")):
            assert sealed_tables._writers(["payments_auditrecord"], "default")
        assert AuditRecord.objects.get(actor="later").pk > marks["payments_auditrecord"]

    def test_reading_is_not_waited_for(self, now: datetime, tomorrow: datetime) -> None:
        record(now)
        with in_another_connection(lambda: list(AuditRecord.objects.all())):
            assert sealing.seal_day(now=tomorrow) is not None

    def test_a_key_that_was_rolled_back_is_no_gap(self, now: datetime, tomorrow: datetime) -> None:
        record(now)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            record(now)
            raise ZeroDivisionError
        record(now)
        sealing.seal_day(now=tomorrow)
        assert verify(now=NOW).breaks == []
        assert Transition.objects.count() == 0


class in_another_connection:  # noqa: N801  a context manager
    """Run `work` in a thread and keep its transaction open while the block runs; it commits at the end."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._done, self._commit = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            with transaction.atomic():
                self._work()
                self._done.set()
                assert self._commit.wait(20)
        finally:
            self._done.set()
            connection.close()

    def __enter__(self) -> None:
        self._thread.start()
        assert self._done.wait(20)

    def __exit__(self, *_: object) -> None:
        self._commit.set()
        self._thread.join()
