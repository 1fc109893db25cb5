"""A payout that the bank should have shown and has not is a case, which closes itself once it has."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from integrations.contract import PayoutStatus
from payments.bank import matching as bank_matching
from payments.bank import overdue as bank_overdue
from payments.cases.opening import close_case
from payments.models import Case, Payout
from payments.models.case import Resolution
from payments.monitoring import watch
from payments.payouts.mirror import mirror
from tests.fake_payouts import PAID_OUT_AT
from tests.fake_provider import FakeProvider
from tests.payments.test_bank_matching import ARRIVES, act, booked, pay_out

pytestmark = pytest.mark.django_db

DUE = ARRIVES + timedelta(days=5)


def cases() -> list[tuple[str, str]]:
    """Return each case: open or how it ended, and for which payout."""
    found = Case.objects.filter(kind="payout_unseen").order_by("pk")
    return [(case.resolution or "open", Payout.objects.get(pk=case.subject_id).payout_id) for case in found]


def statement(
    now: datetime, *, first: date = ARRIVES - timedelta(days=9), last: date = DUE + timedelta(days=1)
) -> None:
    """Import the first and the last line of a statement that is about other things."""
    booked(now, -777, day=first, reference="Rent")
    booked(now, -778, day=last, reference="Rent")


class TestNotArrived:
    def test_a_paid_payout_that_no_line_shows(self, fake: FakeProvider, now: datetime) -> None:
        payout = pay_out(fake, now)
        later = now + timedelta(days=8)
        statement(later)
        assert bank_overdue.watch(later) == 1
        case = Case.objects.get(kind="payout_unseen")
        assert (case.subject_kind, case.subject_id, case.amount_minor, case.currency) == (
            "payout", payout.pk, 1941, "EUR",
        )  # fmt: skip
        assert "should have had it by 2026-11-26" in case.ours

        booked(later, day=ARRIVES + timedelta(days=1))
        assert bank_matching.match_open_lines(at=later) == 1
        assert bank_overdue.watch(later + timedelta(minutes=1)) == 1
        assert cases() == [("mended", payout.payout_id)]

    def test_it_is_told_once_and_again_only_after_it_was_closed(self, fake: FakeProvider, now: datetime) -> None:
        pay_out(fake, now)
        later = now + timedelta(days=8)
        statement(later)
        assert [bank_overdue.watch(later + timedelta(hours=hours)) for hours in (0, 0, 1, 2)] == [1, 0, 0, 0]
        assert Case.objects.get(kind="payout_unseen").times_seen == 1

    def test_one_that_a_person_accepted_stays_closed(self, fake: FakeProvider, now: datetime) -> None:
        pay_out(fake, now)
        later = now + timedelta(days=8)
        statement(later)
        bank_overdue.watch(later)
        close_case(Case.objects.get(kind="payout_unseen"), resolution=Resolution.ACCEPTED, at=later)
        assert bank_overdue.watch(later + timedelta(hours=2)) == 0
        assert len(cases()) == 1

    @pytest.mark.parametrize(
        ("first", "last", "told"),
        [
            (-9, 6, True),
            (-4, 6, True),
            (-3, 6, False),  # the bank may have booked it before the first line
            (-9, 5, False),  # or may yet book it
            (None, None, False),
        ],
    )
    def test_only_what_a_statement_covers(
        self, fake: FakeProvider, now: datetime, first: int | None, last: int | None, told: bool
    ) -> None:
        pay_out(fake, now)
        later = now + timedelta(days=40)
        if first is not None and last is not None:
            statement(later, first=ARRIVES + timedelta(days=first), last=ARRIVES + timedelta(days=last))
        assert bank_overdue.watch(later) == told

    def test_a_statement_in_another_currency_covers_nothing(self, fake: FakeProvider, now: datetime) -> None:
        pay_out(fake, now)
        later = now + timedelta(days=8)
        booked(later, -777, day=ARRIVES - timedelta(days=9), currency="USD")
        booked(later, -778, day=DUE + timedelta(days=1), currency="USD")
        assert bank_overdue.watch(later) == 0

    @pytest.mark.parametrize("status", [PayoutStatus.IN_TRANSIT, PayoutStatus.FAILED, PayoutStatus.CANCELLED])
    def test_one_that_is_not_paid_is_not_missed(self, fake: FakeProvider, now: datetime, status: PayoutStatus) -> None:
        pay_out(fake, now, status=status)
        later = now + timedelta(days=40)
        statement(later)
        assert bank_overdue.watch(later) == 0

    def test_a_payout_of_nothing_never_arrives(self, fake: FakeProvider, now: datetime) -> None:
        fake.pay_out([])
        mirror("stripe", clock=lambda: now)
        later = now + timedelta(days=8)
        statement(later)
        assert Payout.objects.get().amount_minor == 0
        assert bank_overdue.watch(later) == 0

    def test_one_that_fails_after_all_is_missed_no_more(self, fake: FakeProvider, now: datetime) -> None:
        payout = pay_out(fake, now)
        later = now + timedelta(days=8)
        statement(later)
        bank_overdue.watch(later)
        fake.move_payout(fake.payouts[payout.payout_id], PayoutStatus.FAILED)
        mirror("stripe", clock=lambda: later)
        bank_overdue.watch(later + timedelta(minutes=1))
        assert cases() == [("mended", payout.payout_id)]

    def test_a_match_that_is_undone_is_missed_again(self, fake: FakeProvider, now: datetime) -> None:
        payout = pay_out(fake, now)
        line = booked(now)
        bank_matching.match_open_lines(at=now)
        later = now + timedelta(days=8)
        statement(later)
        assert bank_overdue.watch(later) == 0
        act("unmatch_bank_line", line, later, reason_code="another_payout")
        assert bank_overdue.watch(later + timedelta(hours=1)) == 1
        assert cases() == [("open", payout.payout_id)]


class TestNotReturned:
    @pytest.fixture
    def failed(self, fake: FakeProvider, now: datetime) -> Payout:
        """A payout that arrived, and failed after that."""
        payout = pay_out(fake, now)
        booked(now)
        bank_matching.match_open_lines(at=now)
        fake.move_payout(fake.payouts[payout.payout_id], PayoutStatus.FAILED)
        mirror("stripe", clock=lambda: now)
        return Payout.objects.get()

    def test_nobody_took_it_back(self, failed: Payout, now: datetime) -> None:
        assert bank_overdue.watch(now + timedelta(days=13)) == 0
        later = now + timedelta(days=14)
        assert bank_overdue.watch(later) == 1
        case = Case.objects.get(kind="payout_unseen")
        assert (case.subject_id, case.amount_minor) == (failed.pk, 1941)
        assert "2026-11-21" in case.ours and "it is failed" in case.theirs

        booked(later, -1941, day=later.date())
        assert bank_matching.match_open_lines(at=later) == 1
        bank_overdue.watch(later + timedelta(minutes=1))
        assert cases() == [("mended", failed.payout_id)]

    def test_a_return_in_time_is_no_case(self, failed: Payout, now: datetime) -> None:
        booked(now, -1941, day=ARRIVES + timedelta(days=3))
        bank_matching.match_open_lines(at=now)
        assert bank_overdue.watch(now + timedelta(days=60)) == 0

    def test_the_arrival_was_another_payouts(self, failed: Payout, now: datetime) -> None:
        later = now + timedelta(days=14)
        bank_overdue.watch(later)
        line = failed.bank_matches.get().line
        act("unmatch_bank_line", line, later, reason_code="another_payout")
        bank_overdue.watch(later + timedelta(minutes=1))
        assert cases() == [("mended", failed.payout_id)]

    def test_one_called_off_after_a_line_was_taken_for_it(self, fake: FakeProvider, now: datetime) -> None:
        payout = pay_out(fake, now, status=PayoutStatus.IN_TRANSIT)
        booked(now)
        assert bank_matching.match_open_lines(at=now) == 1
        fake.move_payout(fake.payouts[payout.payout_id], PayoutStatus.CANCELLED)
        mirror("stripe", clock=lambda: now)
        assert bank_overdue.watch(now + timedelta(days=14)) == 1
        assert "it is cancelled" in Case.objects.get(kind="payout_unseen").theirs


def test_many_are_told_some_at_a_time(fake: FakeProvider, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bank_overdue, "MOST_A_ROUND", 2)
    for hours in range(5):
        pay_out(fake, now, arrives_at=PAID_OUT_AT + timedelta(days=1, hours=hours))
    later = now + timedelta(days=8)
    statement(later)
    assert [bank_overdue.watch(later + timedelta(hours=hours)) for hours in range(4)] == [2, 2, 1, 0]


def test_the_keeper_does_it(fake: FakeProvider, now: datetime) -> None:
    pay_out(fake, now)
    later = now + timedelta(days=8)
    statement(later)
    watch.once_a_minute(later)
    assert [word for word, _ in cases()] == ["open"]


@pytest.mark.parametrize("amount", [-500, 500])
def test_a_debit_of_the_provider_is_missed_too(fake: FakeProvider, now: datetime, amount: int) -> None:
    pay_out(fake, now, amount)
    later = now + timedelta(days=8)
    statement(later)
    assert bank_overdue.watch(later) == 1
