"""Which payout a bank line is: exactly one that fits, or a person's."""

from __future__ import annotations

import uuid
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from integrations.contract import EntryKind, PayoutSnapshot, PayoutStatus
from payments import actions, staff_operations
from payments.bank import acts as bank_acts
from payments.bank import importing as bank_import
from payments.bank import matching as bank_matching
from payments.bank.matching import NoMatch, candidates
from payments.bank.statements import StatementLine
from payments.ledger import check as ledger_check
from payments.models import BankLine, BankMatch, LedgerEntry, LedgerTransaction, Payout, StaffAction
from payments.payouts.mirror import mirror
from payments.roles import Role
from payments.staff_operations import NotPossible
from tests.fake_provider import FakeProvider
from tests.staff import make_staff

pytestmark = pytest.mark.django_db

ARRIVES = date(2026, 11, 21)


def pay_out(fake: FakeProvider, now: datetime, amount: int = 1941, **changes: Any) -> Payout:
    """A payout that is to arrive on the 21st."""
    told = fake.pay_out([fake.entry(EntryKind.ADJUSTMENT, amount)], **changes)
    mirror("stripe", clock=lambda: now)
    return Payout.objects.get(payout_id=told.payout_id)


def booked(now: datetime, amount: int = 1941, *, day: date = ARRIVES, reference: str = "", **more: str) -> BankLine:
    """A line of the statement, imported."""
    line = StatementLine(
        number=2, account="main", booked_on=day, amount_minor=amount, currency=more.get("currency", "EUR"),
        reference=reference, counterparty=more.get("counterparty", ""),
    )  # fmt: skip
    bank_import.store([line], file_digest="f" * 64, at=now)
    return BankLine.objects.latest("pk")


def balance(account: str) -> int:
    return sum(LedgerEntry.objects.filter(account=account).values_list("amount_minor", flat=True))


def test_exactly_one_is_matched_and_posted_once(fake: FakeProvider, now: datetime) -> None:
    payout, line = pay_out(fake, now), booked(now)
    assert bank_matching.match_open_lines(at=now) == 1
    assert bank_matching.match_open_lines(at=now) == 0
    match = BankMatch.objects.get()
    assert (match.line, match.payout, match.matched_by, match.is_return) == (line, payout, None, False)
    assert (balance("bank"), balance("payouts")) == (1941, 0)


def test_the_mirror_matches_what_was_imported_before(fake: FakeProvider, now: datetime) -> None:
    booked(now)
    assert bank_matching.match_open_lines(at=now) == 0
    pay_out(fake, now)
    assert BankMatch.objects.count() == 1


@pytest.mark.parametrize(("days", "fits"), [(-4, False), (-3, True), (0, True), (5, True), (7, False)])
def test_the_day_counts_where_nothing_is_named(fake: FakeProvider, now: datetime, days: int, fits: bool) -> None:
    pay_out(fake, now)
    booked(now, day=ARRIVES + timedelta(days=days))
    assert bank_matching.match_open_lines(at=now + timedelta(days=8)) == fits


@pytest.mark.parametrize("changes", [{"amount": 1940}, {"amount": -1941}, {"currency": "USD"}], ids=str)
def test_another_amount_or_currency_never_fits(fake: FakeProvider, now: datetime, changes: dict[str, object]) -> None:
    payout = pay_out(fake, now)
    line = booked(now, reference=payout.payout_id, **changes)  # type: ignore[arg-type]
    assert bank_matching.match_open_lines(at=now) == 0
    with pytest.raises(NoMatch):
        bank_matching.check(line, payout)


def test_one_that_is_named_wins_whatever_the_day(fake: FakeProvider, now: datetime) -> None:
    first = pay_out(fake, now, bank_reference="TRACE77")
    pay_out(fake, now)
    line = booked(now, day=ARRIVES + timedelta(days=20), reference="STRIPE TRACE77 PAYOUT")
    assert candidates(line) == [first]
    assert bank_matching.match_open_lines(at=now + timedelta(days=21)) == 1


def test_two_that_fit_are_left_to_a_person(fake: FakeProvider, now: datetime) -> None:
    first, second = pay_out(fake, now), pay_out(fake, now)
    line = booked(now)
    assert bank_matching.match_open_lines(at=now) == 0
    assert candidates(line) == [first, second]


def test_two_lines_for_one_payout_are_left_to_a_person(fake: FakeProvider, now: datetime) -> None:
    payout = pay_out(fake, now)
    booked(now, counterparty="A customer")
    named = booked(now, reference=f"Payout {payout.payout_id}")
    unnamed = BankLine.objects.exclude(pk=named.pk).get()
    assert bank_matching.match_open_lines(at=now) == 1
    assert BankMatch.objects.get().line == named
    assert candidates(unnamed) == []


def test_two_unnamed_lines_of_one_amount_are_not_guessed_at(fake: FakeProvider, now: datetime) -> None:
    pay_out(fake, now)
    booked(now, counterparty="A")
    booked(now, counterparty="B")
    assert bank_matching.match_open_lines(at=now) == 0


@pytest.mark.parametrize("status", [PayoutStatus.PENDING, PayoutStatus.FAILED, PayoutStatus.CANCELLED])
def test_what_never_left_does_not_arrive(fake: FakeProvider, now: datetime, status: PayoutStatus) -> None:
    pay_out(fake, now, status=status)
    booked(now)
    assert bank_matching.match_open_lines(at=now) == 0


@pytest.mark.parametrize("status", [PayoutStatus.PENDING, PayoutStatus.CANCELLED])
def test_nor_by_hand(fake: FakeProvider, now: datetime, status: PayoutStatus) -> None:
    payout, line = pay_out(fake, now, status=status), booked(now)
    with pytest.raises(NoMatch, match="never left"):
        bank_matching.check(line, payout)


def test_a_debit_of_the_provider_is_a_payout_too(fake: FakeProvider, now: datetime) -> None:
    pay_out(fake, now, -500)
    booked(now, -500)
    assert bank_matching.match_open_lines(at=now) == 1
    assert (balance("bank"), balance("payouts")) == (-500, 0)


def test_the_bank_takes_a_failed_payout_back(fake: FakeProvider, now: datetime) -> None:
    told: PayoutSnapshot = fake.pay_out([fake.entry(EntryKind.ADJUSTMENT, 1941)])
    mirror("stripe", clock=lambda: now)
    booked(now)
    assert bank_matching.match_open_lines(at=now) == 1
    fake.move_payout(told, PayoutStatus.FAILED)
    mirror("stripe", clock=lambda: now)
    booked(now, -1941, day=ARRIVES + timedelta(days=3))
    assert bank_matching.match_open_lines(at=now + timedelta(days=3)) == 1
    assert list(BankMatch.objects.order_by("pk").values_list("is_return", flat=True)) == [False, True]
    assert (balance("bank"), balance("payouts"), balance("clearing:stripe")) == (0, 0, 1941)


def act(name: str, line: BankLine, now: datetime, *, reason_code: str, **parameters: Any) -> StaffAction:
    """Do an act as finance does."""
    operation = staff_operations.get(name)
    preview = operation.preview(line.pk, parameters, at=now)
    return actions.request(
        uid=uuid.uuid4(), operation=operation, subject_id=line.pk, parameters=parameters,
        fingerprint=preview.fingerprint, reason_code=reason_code, reason="As the statement says.",
        user=make_staff(Role.FINANCE), via="admin", clock=lambda: now,
    )  # fmt: skip


def test_a_line_that_was_set_aside_by_mistake_is_matched_after_all(fake: FakeProvider, now: datetime) -> None:
    line = booked(now)
    act("set_aside_bank_line", line, now, reason_code="other_business")
    payout = pay_out(fake, now)
    assert (BankMatch.objects.count(), balance("payouts")) == (1, 1941), "the rule leaves it as a person said"

    act("match_bank_line", line, now, reason_code="set_aside_by_mistake", payout=payout.payout_id)
    assert (balance("bank"), balance("payouts")) == (1941, 0)
    told = BankLine.objects.get().match
    assert told is not None
    assert told.payout == payout
    assert BankMatch.objects.count() == 2, "what was said first stays on record"
    assert ledger_check.check().findings == []
    for name, code in (("match_bank_line", "set_aside_by_mistake"), ("set_aside_bank_line", "other_business")):
        with pytest.raises(NotPossible, match="It is said already which payout"):
            act(name, line, now, reason_code=code, payout=payout.payout_id)


def test_nobody_sets_a_line_aside_twice(fake: FakeProvider, now: datetime) -> None:
    line = booked(now)
    act("set_aside_bank_line", line, now, reason_code="other_business")
    with pytest.raises(NotPossible, match="It is said already what"):
        act("set_aside_bank_line", line, now, reason_code="other_business")
    for turn in (0, 1):  # not by counting on, either: a turn is what was undone before
        with pytest.raises(IntegrityError), transaction.atomic():
            BankMatch.objects.create(line=line, matched_by=make_staff(Role.FINANCE), at=now, line_turn=turn)


def test_a_person_who_comes_a_moment_too_late_is_told_so(
    fake: FakeProvider, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    pay_out(fake, now)
    line, person = booked(now), make_staff(Role.FINANCE)
    operation = staff_operations.get("set_aside_bank_line")
    preview = operation.preview(line.pk, {}, at=now)

    def somebody_is_quicker(*_: Any, **__: Any) -> BankLine:
        BankMatch.objects.get_or_create(line=line, defaults={"matched_by": person, "at": now})
        return line

    monkeypatch.setattr(bank_acts, "_open_line", somebody_is_quicker)
    monkeypatch.setattr(bank_matching, "write", _without_asking)
    with pytest.raises(NotPossible, match="just been said"):
        actions.request(
            uid=uuid.uuid4(), operation=operation, subject_id=line.pk, parameters={}, fingerprint=preview.fingerprint,
            reason_code="other_business", reason="It is the rent of November.", user=person, via="admin",
            clock=lambda: now,
        )  # fmt: skip
    assert BankMatch.objects.count() == 1


def _without_asking(line: BankLine, payout: Payout | None, *, at: datetime, user: Any, note: str) -> None:
    """Write what a line is, having asked before the other one wrote."""
    BankMatch.objects.create(line=line, payout=payout, matched_by=user, note=note, at=at)


def test_the_database_refuses_a_second_meaning(fake: FakeProvider, now: datetime) -> None:
    payout, line = pay_out(fake, now), booked(now)
    bank_matching.match_open_lines(at=now)
    other = booked(now, counterparty="again")
    with pytest.raises(NoMatch, match="Another bank line"), transaction.atomic():
        bank_matching.write(other, payout, at=now)
    with pytest.raises(NoMatch, match="matched already"), transaction.atomic():
        bank_matching.write(line, None, at=now, user=get_user_model().objects.create(username="x"))
    with pytest.raises(IntegrityError), transaction.atomic():
        BankMatch.objects.create(line=other, payout=payout, at=now)
    assert LedgerTransaction.objects.filter(cause_kind="bank_line").count() == 1


class TestImporting:
    def line(self, **changes: object) -> StatementLine:
        told = {"number": 2, "account": "main", "booked_on": ARRIVES, "amount_minor": 100, "currency": "EUR"}
        return StatementLine(**{**told, **changes})  # type: ignore[arg-type]

    def test_the_same_file_twice_brings_nothing_new(self, now: datetime) -> None:
        lines = [self.line(), self.line(), self.line(reference="other")]
        first = bank_import.store(lines, file_digest="f" * 64, at=now)
        again = bank_import.store(lines, file_digest="f" * 64, at=now)
        assert ((first.new, first.known), (again.new, again.known)) == ((3, 0), (0, 3))
        assert BankLine.objects.count() == 3

    def test_an_overlapping_file_brings_what_is_new(self, now: datetime) -> None:
        bank_import.store([self.line()], file_digest="a" * 64, at=now)
        done = bank_import.store([self.line(), self.line()], file_digest="b" * 64, at=now)
        assert (done.new, done.known) == (1, 1)

    def test_another_account_is_another_line(self, now: datetime) -> None:
        bank_import.store([self.line()], file_digest="a" * 64, at=now)
        assert bank_import.store([self.line(account="second")], file_digest="a" * 64, at=now).new == 1

    def test_a_card_number_in_a_text_is_not_kept(self, now: datetime) -> None:
        bank_import.store([self.line(reference="card 4242424242424242\nx")], file_digest="a" * 64, at=now)
        kept = BankLine.objects.get().reference
        assert "4242424242424242" not in kept
        assert "\n" not in kept

    def test_a_dry_run_writes_nothing(self, now: datetime) -> None:
        assert bank_import.store([self.line()], file_digest="a" * 64, at=now, dry_run=True).new == 1
        assert not BankLine.objects.exists()
