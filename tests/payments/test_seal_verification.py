"""What the database's owner rewrites is found, and the first broken link is named by table and key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from orders.models import Order
from orders.transitions import move
from payments.audit import recording as audit
from payments.audit import sealing
from payments.audit.events import Event
from payments.audit.verification import Break, Verified, verify
from payments.models import AuditSeal, LedgerEntry, LedgerTransaction, SealedRows, StaffAction
from payments.models.action import ActionState
from tests.audit_rows import tamper
from tests.factories import make_product
from tests.payments.test_sealing import ask

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
"""Nothing is overdue by then."""

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sealed(order: Order, now: datetime) -> AuditSeal:
    """Three days of audit rows of every kind, each day sealed; returns the seal of the second."""
    seals = []
    for day in range(3):
        at = now + timedelta(days=day)
        with transaction.atomic():
            for _ in range(2):
                audit.record(Event.EXPORTED, actor="command:test", details={"day": day}, at=at)
            make_product()
            move(order, "reopened" if order.state == "cancelled" else "cancelled", actor="t", cause="t", at=at)
            _post(day, at=at)
            _withdraw(at)
        seal = sealing.seal_day(now=at + timedelta(days=1))
        assert seal is not None
        seals.append(seal)
    assert verify(now=NOW).breaks == []
    return seals[1]


def _post(day: int, *, at: datetime) -> None:
    posting = LedgerTransaction.objects.create(cause_kind="test", cause_id=day, currency="EUR", at=at)
    for account, amount_minor in (("sales", -100), ("clearing:x", 100)):
        LedgerEntry.objects.create(transaction=posting, account=account, amount_minor=amount_minor)


def _withdraw(at: datetime) -> None:
    action = ask(at)
    action.state, action.finished_at = ActionState.WITHDRAWN, at
    action.save()


def first(result: Verified) -> Break:
    assert result.breaks
    return result.breaks[0]


def key_in(seal: AuditSeal, table: str) -> int:
    """Return the first key that a seal holds of a table."""
    keys: list[int] = SealedRows.objects.get(seal=seal, table_name=table).keys
    return keys[0]


CHANGES = {
    "auditlog_logentry": "UPDATE auditlog_logentry SET changes = '{}' WHERE id = %s",
    "payments_auditrecord": "UPDATE payments_auditrecord SET actor = 'user:1' WHERE id = %s",
    "orders_transition": "UPDATE orders_transition SET at = at + interval '1 microsecond' WHERE id = %s",
    "payments_ledgertransaction": "UPDATE payments_ledgertransaction SET note = 'x' WHERE id = %s",
    "payments_ledgerentry": "UPDATE payments_ledgerentry SET account = 'sales2' WHERE id = %s",
    "payments_staffaction": "UPDATE payments_staffaction SET reason = 'another' WHERE id = %s",
}


FORGED = (
    "INSERT INTO payments_auditrecord (id, at, event, actor, subject_kind, subject_id, reason_code, reason, details,"
    " correlation_id) OVERRIDING SYSTEM VALUE"
    " SELECT %s, at, event, 'forged', subject_kind, subject_id, reason_code, reason, details, correlation_id"
    " FROM payments_auditrecord WHERE id = %s"
)
"""Parameters: the key of the new row, and of the one it is like."""


def test_rows_that_were_changed(sealed: AuditSeal) -> None:
    keys = {table: key_in(sealed, table) for table in CHANGES}
    for table, change in CHANGES.items():
        tamper(table, change, keys[table])
    found = verify(now=NOW).breaks
    assert {(each.table, each.key) for each in found} == set(keys.items())
    assert {(each.seal, each.day) for each in found} == {(sealed.number, sealed.day)}
    first_key = keys["auditlog_logentry"]
    assert (
        str(found[0]) == f"seal 2 (2026-11-22), auditlog_logentry {first_key}: the row was changed after it was sealed."
    )


def test_a_row_that_is_gone(sealed: AuditSeal) -> None:
    key = key_in(sealed, "payments_auditrecord")
    tamper("payments_auditrecord", "DELETE FROM payments_auditrecord WHERE id = %s", key)
    (found,) = verify(now=NOW).breaks
    assert (found.seal, found.table, found.key) == (2, "payments_auditrecord", key)
    assert "gone" in found.what


def test_a_row_with_a_key_that_nobody_was_given(sealed: AuditSeal) -> None:
    tamper("payments_auditrecord", FORGED, -5, key_in(sealed, "payments_auditrecord"))
    found = first(verify(now=NOW))
    assert (found.seal, found.table, found.key) == (1, "payments_auditrecord", -5)


def test_a_row_put_in_between_sealed_ones(order: Order, now: datetime) -> None:
    kept = audit.record(Event.EXPORTED, actor="a", at=now)
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        skipped = audit.record(Event.EXPORTED, actor="b", at=now).pk
        raise ZeroDivisionError
    audit.record(Event.EXPORTED, actor="c", at=now)
    sealing.seal_now(now=now)
    assert verify(now=NOW).breaks == []
    tamper("payments_auditrecord", FORGED, skipped, kept.pk)
    found = first(verify(now=NOW))
    assert (found.table, found.key) == ("payments_auditrecord", skipped)
    assert "put in" in found.what


def test_an_action_that_is_gone_while_it_waits(now: datetime) -> None:
    action = ask(now)
    sealing.seal_now(now=now)
    tamper("payments_staffaction", "DELETE FROM payments_staffaction WHERE id = %s", action.pk)
    sealing.seal_now(now=now)
    found = first(verify(now=NOW))
    assert (found.table, found.key) == ("payments_staffaction", action.pk)
    assert StaffAction.objects.count() == 0


class TestSealsThemselves:
    def rewrite(self, statement: str, *values: Any) -> Break:
        table = "payments_sealedrows" if "sealedrows" in statement else "payments_auditseal"
        tamper(table, statement, *values)
        return first(verify(now=NOW))

    def test_content(self, sealed: AuditSeal) -> None:
        found = self.rewrite("UPDATE payments_auditseal SET sealed_at = sealed_at + interval '1 s' WHERE number = 2")
        assert (found.seal, found.what) == (2, "its own content was changed: it does not make its digest.")

    def test_a_tables_digests(self, sealed: AuditSeal) -> None:
        found = self.rewrite(
            "UPDATE payments_sealedrows SET digests = %s WHERE seal_id = %s AND table_name = 'orders_transition'",
            b"x" * 32,
            sealed.pk,
        )
        assert (found.seal, found.what[:23]) == (2, "its own content was cha")

    def test_a_row_and_its_digest_together(self, sealed: AuditSeal) -> None:
        """The part is made right again; the seal that holds it is not."""
        table, key = "payments_auditrecord", key_in(sealed, "payments_auditrecord")
        tamper(table, CHANGES[table], key)
        part = SealedRows.objects.get(seal=sealed, table_name=table)
        forged = _recomputed(part)
        found = self.rewrite(
            "UPDATE payments_sealedrows SET digests = %s, digest = %s WHERE id = %s",
            forged.digests,
            forged.digest,
            part.pk,
        )
        assert (found.seal, found.what[:23]) == (2, "its own content was cha")

    def test_one_that_is_gone(self, sealed: AuditSeal) -> None:
        tamper("payments_sealedrows", "DELETE FROM payments_sealedrows WHERE seal_id = %s", sealed.pk)
        found = self.rewrite("DELETE FROM payments_auditseal WHERE number = 2")
        assert (found.seal, found.what) == (3, "seal 2 is missing.")

    def test_the_whole_chain_written_anew_without_the_key(self, sealed: AuditSeal) -> None:
        """The owner can compute every digest, but no HMAC."""
        table, key = "payments_auditrecord", key_in(sealed, "payments_auditrecord")
        tamper(table, CHANGES[table], key)
        part = SealedRows.objects.get(seal=sealed, table_name=table)
        forged = _recomputed(part)
        tamper(
            "payments_sealedrows",
            "UPDATE payments_sealedrows SET digests = %s, digest = %s WHERE id = %s",
            forged.digests, forged.digest, part.pk,
        )  # fmt: skip
        previous = AuditSeal.objects.get(number=1).digest
        for seal in AuditSeal.objects.filter(number__gte=2).order_by("number"):
            seal.previous_digest = previous
            previous = _digest_of(seal)
            tamper(
                "payments_auditseal",
                "UPDATE payments_auditseal SET previous_digest = %s, digest = %s WHERE id = %s",
                seal.previous_digest, previous, seal.pk,
            )  # fmt: skip
        found = verify(now=NOW).breaks
        assert all("HMAC" in each.what for each in found)
        assert [each.seal for each in found] == [2, 3]

    def test_a_chain_that_says_its_key_is_gone(self, sealed: AuditSeal) -> None:
        found = self.rewrite("UPDATE payments_auditseal SET key_id = 'gone' WHERE number >= 2")
        assert found.seal == 3
        assert "cannot be proved: key gone is not in ENCRYPTION_KEYS" in found.what

    def test_an_old_key_that_is_gone_matters_no_more(self, sealed: AuditSeal, now: datetime, settings: Any) -> None:
        """A seal under a present key proves all before it."""
        settings.ENCRYPTION_KEYS = {"new": b"n" * 32}
        assert "cannot be proved" in first(verify(now=NOW)).what
        sealing.seal_now(now=now + timedelta(days=4))
        assert verify(now=NOW).breaks == []

    def test_the_newest_cut_off(self, sealed: AuditSeal) -> None:
        """Nothing in the database tells it; a digest kept elsewhere does."""
        last = AuditSeal.objects.get(number=3)
        tamper("payments_sealedrows", "DELETE FROM payments_sealedrows WHERE seal_id = %s", last.pk)
        tamper("payments_auditseal", "DELETE FROM payments_auditseal WHERE number = 3")
        assert verify(now=NOW).breaks == []
        found = first(verify(now=NOW, anchors={3: last.digest}))
        assert (found.seal, found.what) == (3, "is not there, though its digest was kept: seals were cut off.")

    def test_one_that_is_overdue(self, sealed: AuditSeal, now: datetime) -> None:
        assert verify(now=now + timedelta(days=3)).breaks == []
        found = first(verify(now=now + timedelta(days=4)))
        assert (found.seal, found.what.partition(":")[0]) == (4, "is overdue")

    def test_an_anchor_that_differs(self, sealed: AuditSeal) -> None:
        assert verify(now=NOW, anchors={2: sealed.digest}).breaks == []
        found = first(verify(now=NOW, anchors={2: "0" * 64}))
        assert (found.seal, "was written anew" in found.what) == (2, True)


class TestHowMuchIsLookedAt:
    def test_all(self, sealed: AuditSeal, now: datetime) -> None:
        result = verify(now=NOW)
        assert (result.seals, result.rows) == (3, sum(AuditSeal.objects.values_list("row_count", flat=True)))
        assert result.until == now + timedelta(days=3)

    def test_from_a_day_on(self, sealed: AuditSeal, now: datetime) -> None:
        tamper("payments_auditrecord", CHANGES["payments_auditrecord"], key_in(sealed, "payments_auditrecord"))
        assert verify(now=NOW, from_day=sealed.day).breaks
        later = verify(now=NOW, from_day=sealed.day + timedelta(days=1))
        assert (later.seals, later.breaks) == (1, [])
        assert verify(now=NOW, from_day=sealed.day + timedelta(days=9)).seals == 0

    def test_until_the_break(self, sealed: AuditSeal, now: datetime) -> None:
        tamper("payments_auditrecord", CHANGES["payments_auditrecord"], key_in(sealed, "payments_auditrecord"))
        assert verify(now=NOW).until == now + timedelta(days=1)

    def test_what_is_not_sealed_yet(self, sealed: AuditSeal, now: datetime) -> None:
        assert verify(now=NOW).unsealed == {}
        audit.record(Event.EXPORTED, actor="a", at=now)
        assert verify(now=NOW).unsealed == {"payments_auditrecord": 1}

    def test_an_empty_shop(self) -> None:
        result = verify(now=NOW)
        assert (result.seals, result.breaks, result.until) == (0, [], None)


def _recomputed(part: SealedRows) -> Any:
    """Return a part as its owner would write it after changing a row."""
    from payments.audit import sealed_tables
    from payments.audit.digests import Part, row_digest

    table = sealed_tables.table_named(part.table_name)
    assert table is not None
    rows = sealed_tables.rows_between(table, part.columns, above=0, up_to=0, also=part.keys)
    digests = b"".join(row_digest(part.columns, row.values) for row in rows)
    return Part(
        table=part.table_name, columns=tuple(part.columns), from_key=part.from_key, to_key=part.to_key,
        keys=tuple(part.keys), digests=digests, open_keys=tuple(part.open_keys),
    )  # fmt: skip


def _digest_of(seal: AuditSeal) -> str:
    from payments.audit.digests import seal_digest
    from payments.audit.verification import _part_of

    return seal_digest(
        number=seal.number, day=seal.day, closes_day=seal.closes_day, sealed_at=seal.sealed_at,
        previous_digest=seal.previous_digest, parts=[_part_of(row) for row in SealedRows.objects.filter(seal=seal)],
    )  # fmt: skip
