"""How each payout is explained to the cent, told as stories. Each ends in the ledger.

The provider's entries say what it paid out; our own rows say what that is. Debit is positive, amounts are cents.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.contract import (
    CaptureSnapshot,
    EntryKind,
    InvalidRequest,
)
from payments.ledger import check as ledger_check
from payments.ledger import late_fees
from payments.models import BalanceEntry as BalanceEntryRow
from payments.models import Capture, Case, Dispute, DisputeMovement, LedgerTransaction, Payout, PayoutMirror
from payments.payouts import sources as payout_sources
from payments.payouts.mirror import mirror
from payments.settlement import look
from tests.spec.payouts import bring_in, explained, payment_entry, payout
from tests.world import World

pytestmark = pytest.mark.django_db


def test_a_payment_is_paid_out(paid: World) -> None:
    paid.provider.pay_out([payment_entry(paid)])
    bring_in(paid)

    told = explained()
    assert (told.of(EntryKind.PAYMENT), told.fees_minor, told.remainder_minor) == (2000, 59, 0)
    assert (payout().state, payout().amount_minor, payout().remainder_minor) == ("paid", 1941, 0)
    assert paid.balance() == {"clearing:stripe": 0, "fees": 59, "sales": -2000, "payouts": 1941}
    assert paid.cases() == []


def test_everything_that_can_stand_in_a_payout(paid: World) -> None:
    """Gross − fees − refunds − disputes ± adjustments = what went to the bank."""
    provider = paid.provider
    entries = [
        payment_entry(paid),
        provider.entry(EntryKind.FEE, -100, description="Radar"),
        provider.entry(EntryKind.ADJUSTMENT, 30, description="Credit"),
        provider.entry(EntryKind.PAYOUT_FAILURE, 500, source_id="po_former"),
    ]
    provider.pay_out(entries)
    bring_in(paid)

    told = explained()
    assert [(line.kind, line.net_minor) for line in told.lines] == [
        (EntryKind.PAYMENT, 1941),
        (EntryKind.FEE, -100),
        (EntryKind.PAYOUT_FAILURE, 500),
        (EntryKind.ADJUSTMENT, 30),
    ]
    assert (told.fees_minor, told.total_minor, told.remainder_minor) == (159, 2371, 0)
    assert paid.balance() == {
        "clearing:stripe": -500,  # the former payout, which is not in this story, had left it there
        "fees": 159,
        "sales": -2000,
        "adjustments": -30,
        "payouts": 2371,
    }
    assert paid.cases() == []


def test_a_refund_is_taken_from_the_balance_and_given_back_where_it_fails(paid: World) -> None:
    refund = paid.refund(500)
    taken = paid.provider.entry(EntryKind.REFUND, -500, source_id=refund.refund_id)
    paid.provider.pay_out([payment_entry(paid), taken])
    bring_in(paid)
    told = explained()
    assert (told.of(EntryKind.REFUND), told.total_minor, told.remainder_minor) == (-500, 1441, 0)
    assert paid.balance() == {"clearing:stripe": 0, "fees": 59, "sales": -2000, "refunds": 500, "payouts": 1441}


def test_a_refund_that_no_look_told_of_leaves_a_remainder(paid: World) -> None:
    taken = paid.provider.entry(EntryKind.REFUND, -500, source_id="re_unknown")
    paid.provider.pay_out([payment_entry(paid), taken])
    bring_in(paid)
    assert payout().remainder_minor == -500
    assert "No refund of ours is re_unknown." in Case.objects.get(kind="payout_remainder").ours


def test_a_refund_that_came_back_unheard_is_seen_in_the_balance(paid: World) -> None:
    """The entry that gives the money back is a hint: the look that follows puts our books right."""
    refund = paid.refund(500)
    taken = paid.provider.entry(EntryKind.REFUND, -500, source_id=refund.refund_id)
    bring_in(paid)
    paid.provider.decide_refund(refund.refund_id, "failed")
    back = paid.provider.entry(EntryKind.REFUND_FAILURE, 500, source_id=refund.refund_id)
    paid.provider.pay_out([payment_entry(paid), taken, back])
    paid.wait(minutes=15)
    bring_in(paid)
    (lagging,) = explained().unexplained
    assert lagging.why == f"Refund {refund.refund_id} of ours is succeeded, and the provider has the money back."
    assert paid.cases() == ["payout_remainder"]

    paid.work()
    assert (paid.refund_states(), paid.order.state) == (["failed"], "paid")
    paid.wait(minutes=15)
    bring_in(paid)
    assert (payout().remainder_minor, paid.balance()["clearing:stripe"], paid.cases()) == (0, 0, ["refund_failed"])


def test_a_refund_that_succeeded_unheard_is_seen_in_the_balance(paid: World) -> None:
    paid.provider.refund_status = "pending"
    refund = paid.refund(500)
    paid.wait(hours=30)
    paid.work()
    paid.provider.decide_refund(refund.refund_id, "succeeded")
    taken = paid.provider.entry(EntryKind.REFUND, -500, source_id=refund.refund_id)
    paid.provider.pay_out([payment_entry(paid), taken])
    bring_in(paid)
    assert explained().unexplained[0].why == f"Refund {refund.refund_id} of ours is pending, and the provider has paid."
    paid.work()
    assert paid.refund_states() == ["succeeded"]


def test_a_refund_that_never_left_and_its_two_entries_explain_each_other(paid: World) -> None:
    paid.provider.refund_status = "pending"
    refund = paid.refund(500)
    paid.provider.decide_refund(refund.refund_id, "failed")
    taken = paid.provider.entry(EntryKind.REFUND, -500, source_id=refund.refund_id)
    back = paid.provider.entry(EntryKind.REFUND_FAILURE, 500, source_id=refund.refund_id)
    look(paid.attempt.pk, clock=paid.clock, actor="test")
    paid.provider.pay_out([payment_entry(paid), taken, back])
    bring_in(paid)
    assert (explained().unexplained, payout().remainder_minor) == ((), 0)


def test_the_money_of_a_known_dispute_is_a_hint(paid: World) -> None:
    """Its money moves when nobody told us: the dispute is looked at."""
    dispute_id = paid.provider.dispute(paid.provider.the_payment())
    look(paid.attempt.pk, clock=paid.clock, actor="test")
    paid.provider.decide(dispute_id, "won")
    *_, moved = paid.provider.the_dispute(dispute_id).movements
    paid.provider.entry(
        EntryKind.DISPUTE_REVERSAL, 2000, fee_minor=-1500, entry_id=moved.entry_id, source_id=dispute_id
    )
    bring_in(paid)
    paid.work()
    assert (Dispute.objects.get().state, paid.balance()["disputes"]) == ("won", 0)


def test_a_provider_that_takes_a_fee_for_a_refund(paid: World) -> None:
    refund = paid.refund(500)
    taken = paid.provider.entry(EntryKind.REFUND, -500, fee_minor=25, source_id=refund.refund_id)
    paid.provider.pay_out([payment_entry(paid), taken])
    bring_in(paid)
    assert (explained().fees_minor, payout().remainder_minor) == (84, 0)
    assert (paid.balance()["fees"], paid.balance()["clearing:stripe"]) == (84, 0)


def test_a_dispute_is_paid_for_from_the_balance(paid: World) -> None:
    """More is taken than came in: the bank account is debited."""
    paid.provider.dispute(paid.provider.the_payment())
    paid.tell(paid.provider.the_payment(), "charge.dispute.created")
    paid.work()
    movement = DisputeMovement.objects.get()
    taken = paid.provider.entry(EntryKind.DISPUTE, -2000, fee_minor=1500, entry_id=movement.entry_id)
    paid.provider.pay_out([payment_entry(paid), taken])
    bring_in(paid)

    told = explained()
    assert (told.of(EntryKind.DISPUTE), told.fees_minor, told.remainder_minor) == (-2000, 1559, 0)
    assert payout().amount_minor == -1559
    assert paid.balance() == {"clearing:stripe": 0, "fees": 1559, "sales": -2000, "disputes": 2000, "payouts": -1559}


def test_a_dispute_that_no_look_told_of_leaves_a_remainder(paid: World) -> None:
    taken = paid.provider.entry(EntryKind.DISPUTE, -2000, fee_minor=1500, source_id="du_unknown")
    paid.provider.pay_out([payment_entry(paid), taken])
    bring_in(paid)
    (unknown,) = explained().unexplained
    assert unknown.why == "No dispute of ours is du_unknown."
    assert payout().remainder_minor == -3500
    assert paid.balance()["fees"] == 59, "a dispute posts its own fee"


def test_a_difference_of_one_cent_is_a_case_until_it_is_explained(paid: World) -> None:
    paid.provider.pay_out([payment_entry(paid)], missing_minor=-1)
    bring_in(paid)
    case = Case.objects.get()
    assert (case.kind, case.amount_minor, case.currency) == ("payout_remainder", -1, "EUR")
    assert payout().remainder_minor == -1

    bring_in(paid)
    case.refresh_from_db()
    assert case.times_seen == 1, "it is not told anew each quarter of an hour"

    paid.provider.entries_of[payout().payout_id].append(paid.provider.entry(EntryKind.FEE, -1))
    Payout.objects.update(entries_read_at=None)
    bring_in(paid)
    case.refresh_from_db()
    assert (payout().remainder_minor, case.resolution, paid.cases()) == (0, "mended", [])


def test_a_payment_we_never_heard_of_leaves_a_remainder(paid: World) -> None:
    stray = paid.provider.entry(EntryKind.PAYMENT, 700, fee_minor=50, source_id="ch_stray")
    paid.provider.pay_out([payment_entry(paid), stray])
    bring_in(paid)

    (unknown,) = explained().unexplained
    assert (unknown.entry.source_id, unknown.why) == ("ch_stray", "No payment of ours is ch_stray.")
    assert payout().remainder_minor == 650
    assert "No payment of ours is ch_stray." in Case.objects.get().ours


def test_two_unknown_entries_that_cancel_each_other_out_are_a_case_all_the_same(paid: World) -> None:
    strays = [
        paid.provider.entry(EntryKind.PAYMENT, 700, source_id="ch_stray"),
        paid.provider.entry(EntryKind.REFUND, -700, source_id="re_stray"),
    ]
    paid.provider.pay_out([payment_entry(paid), *strays])
    bring_in(paid)
    assert (payout().remainder_minor, payout().unexplained_entries, payout().is_explained) == (0, 2, False)
    assert paid.cases() == ["payout_remainder"]
    bring_in(paid)
    assert Case.objects.get().times_seen == 1


def test_a_cursor_that_means_nothing_any_more_is_forgotten(paid: World) -> None:
    paid.provider.page_size = 1
    paid.provider.pay_out([payment_entry(paid), paid.provider.entry(EntryKind.ADJUSTMENT, 5)])
    left = iter([True, True])
    mirror("stripe", clock=paid.clock, goes_on=lambda: next(left, False))
    assert PayoutMirror.objects.get().cursor
    paid.provider.fail_next = [InvalidRequest("no such cursor")]
    assert mirror("stripe", clock=paid.clock).error is not None
    assert PayoutMirror.objects.get().cursor == ""
    bring_in(paid)
    assert payout().remainder_minor == 0


def test_another_fee_than_the_look_told_is_named(paid: World) -> None:
    paid.provider.pay_out([payment_entry(paid, fee_minor=61)])
    bring_in(paid)
    (differing,) = explained().unexplained
    assert differing.why == "We know a fee of 0.59 EUR, the provider took 0.61 EUR."
    assert payout().remainder_minor == -2
    assert LedgerTransaction.objects.filter(cause_kind="fee").count() == 1


def test_a_fee_that_no_look_told_is_learnt_from_the_balance_once(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    payment.captures[0] = CaptureSnapshot(
        capture_id=payment.captures[0].capture_id, amount_minor=2000, currency="EUR", captured_at=world.now
    )
    world.tell(payment)
    world.work()
    assert Capture.objects.get().fee_minor is None

    world.provider.pay_out([payment_entry(world)])
    bring_in(world)
    bring_in(world)
    assert Capture.objects.get().fee_minor == 59
    assert world.balance() == {"clearing:stripe": 0, "fees": 59, "sales": -2000, "payouts": 1941}


def test_a_fee_learnt_by_a_host_whose_clock_is_behind(world: World) -> None:
    world.press_pay()
    world.provider.pay(world.provider.the_payment())
    (told,) = world.provider.the_payment().captures
    world.provider.the_payment().captures = [replace(told, fee_minor=None)]
    look(world.attempt.pk, clock=world.clock, actor="test")
    world.provider.pay_out([payment_entry(world)])
    world.wait(minutes=-10)
    bring_in(world)
    assert (world.balance()["fees"], ledger_check.check().findings) == (59, [])


def test_a_look_that_tells_the_fee_meanwhile_is_not_posted_twice(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    told = payment.captures[0]
    payment.captures[0] = replace(told, fee_minor=None)
    world.tell(payment)
    world.work()
    payment_entry(world)
    bring_in(world)
    known = list(payout_sources.checked(BalanceEntryRow.objects.all()))
    payment.captures[0] = told
    world.tell(payment)
    world.work()
    assert late_fees.learn(known, at=world.now) == 0
    assert world.balance() == {"clearing:stripe": 1941, "fees": 59, "sales": -2000}
