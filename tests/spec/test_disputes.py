"""Disputes, told as stories: a bank takes money back, and we answer it or not. Each ends in the accounting equation.

Debit is positive, amounts are cents; the order is over 20.00 EUR, the provider's fee on it 0.59, on a dispute 15.00.
"""

from __future__ import annotations

import pytest

from integrations.contract import MovementKind
from payments.ledger import chart
from payments.ledger import check as ledger_check
from payments.ledger.chart import Side
from payments.models import Case, Dispute, DisputeMovement, LedgerTransaction
from tests.fake_provider import Payment
from tests.world import World

pytestmark = pytest.mark.django_db

PAID = {"clearing:stripe": 1941, "fees": 59, "sales": -2000}
WITHDRAWN = {"clearing:stripe": -1559, "disputes": 2000, "fees": 1559, "sales": -2000}
LOST = {"clearing:stripe": -1559, "dispute_losses": 2000, "fees": 1559, "sales": -2000}


@pytest.fixture
def payment(world: World) -> Payment:
    """Return a payment that is paid."""
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    hear(world, payment, "checkout.session.completed")
    assert balance(world) == PAID
    return payment


def hear(world: World, payment: Payment, *event_types: str) -> None:
    for event_type in event_types:
        world.tell(payment, event_type)
    world.work()


def balance(world: World) -> dict[str, int]:
    """Return what the accounts hold, once the accounting equation was checked: assets + expenses = what is owed and
    earned; and each row against its postings, as `verify_ledger` does."""
    assert ledger_check.check().findings == []
    held = {account: minor for account, minor in world.balance().items() if minor}
    sides = dict.fromkeys(Side, 0)
    for account, minor in held.items():
        sides[chart.account(account).side] += minor
    assert sides[Side.ASSET] + sides[Side.EXPENSE] == -(sides[Side.LIABILITY] + sides[Side.INCOME])
    return held


def the_dispute() -> Dispute:
    return Dispute.objects.get()


def test_one_of_another_intent_is_followed_without_any_webhook(world: World, payment: Payment) -> None:
    """No page names the second intent; the capture that we hold does, so looks ask about it too."""
    second = world.provider.second_intent(payment)
    world.tell(second, "payment_intent.succeeded")
    world.work()
    dispute_id = world.provider.dispute(second)
    world.wait(minutes=1)
    hear(world, second, "charge.dispute.created")
    assert (the_dispute().state, balance(world)["disputes"]) == ("open", 2000)

    world.provider.decide(dispute_id, "lost")
    world.sweep_until(lambda: the_dispute().state == "lost", step_minutes=60, limit_minutes=60 * 24)
    assert (the_dispute().state, balance(world)["dispute_losses"]) == ("lost", 2000)


def test_a_chargeback_takes_money_and_fee_and_moves_no_order(world: World, payment: Payment) -> None:
    world.provider.dispute(payment)
    hear(world, payment, "charge.dispute.created", "charge.dispute.funds_withdrawn")

    dispute = the_dispute()
    assert (dispute.state, dispute.reason, dispute.amount_minor) == ("open", "product_not_received", 2000)
    assert (world.order.state, world.attempt.state) == ("paid", "paid"), "a dispute changes no order and no attempt"
    assert balance(world) == WITHDRAWN
    assert world.facts()[-2:] == ["dispute.opened", "case.opened"]
    case = Case.objects.get(closed_at=None)
    assert (case.kind, case.subject_kind, case.subject_id) == ("provider_dispute", "dispute", dispute.pk)
    assert "Answer it by 2026-11-30 09:00 UTC." in case.theirs
    assert "The bank holds 20.00 EUR." in case.theirs


def test_won_the_money_and_its_fee_come_back(world: World, payment: Payment) -> None:
    dispute_id = world.provider.dispute(payment)
    hear(world, payment, "charge.dispute.created")
    world.provider.change(dispute_id, status="under_review", evidence_submitted=True)
    hear(world, payment, "charge.dispute.updated")
    assert (the_dispute().state, the_dispute().evidence_submitted_at) == ("under_review", world.now)
    assert balance(world) == WITHDRAWN, "the money stays away while the bank decides"

    world.provider.decide(dispute_id, "won")
    hear(world, payment, "charge.dispute.funds_reinstated", "charge.dispute.closed")

    assert the_dispute().state == "won"
    assert balance(world) == PAID
    assert world.facts().count("dispute.closed") == 1
    assert world.cases() == [], "the dispute's case ends with it"
    assert world.attempt.next_look_at is None


def test_lost_the_money_is_written_off_and_the_case_waits_for_a_person(world: World, payment: Payment) -> None:
    dispute_id = world.provider.dispute(payment)
    hear(world, payment, "charge.dispute.created")
    world.provider.decide(dispute_id, "lost")
    hear(world, payment, "charge.dispute.closed")

    assert the_dispute().state == "lost"
    assert balance(world) == LOST
    assert world.order.state == "paid", "what the customer ordered was paid; what the bank took is another matter"
    assert world.cases() == ["provider_dispute"]
    assert "(lost)" in Case.objects.get().theirs


def test_an_inquiry_that_is_closed_moves_no_money(world: World, payment: Payment) -> None:
    dispute_id = world.provider.dispute(payment, inquiry=True)
    hear(world, payment, "charge.dispute.created")
    assert (the_dispute().state, balance(world)) == ("inquiry", PAID)

    world.provider.change(dispute_id, evidence_submitted=True)
    hear(world, payment, "charge.dispute.updated")
    assert the_dispute().state == "inquiry", "an answered inquiry can still become a chargeback"
    world.provider.decide(dispute_id, "closed")
    hear(world, payment, "charge.dispute.closed")

    assert (the_dispute().state, balance(world)) == ("closed", PAID)
    assert world.cases() == []
    assert Case.objects.get().resolution == "no_error"


def test_an_inquiry_becomes_a_chargeback(world: World, payment: Payment) -> None:
    dispute_id = world.provider.dispute(payment, inquiry=True)
    hear(world, payment, "charge.dispute.created")
    world.provider.decide(dispute_id, "open")
    hear(world, payment, "charge.dispute.funds_withdrawn")
    assert (the_dispute().state, balance(world)) == ("open", WITHDRAWN)
    assert len(world.cases()) == 1

    world.provider.decide(dispute_id, "lost")
    hear(world, payment, "charge.dispute.closed")
    assert (the_dispute().state, balance(world)) == ("lost", LOST)


def test_an_inquiry_that_we_next_hear_of_as_lost_was_escalated_between(world: World, payment: Payment) -> None:
    dispute_id = world.provider.dispute(payment, inquiry=True)
    hear(world, payment, "charge.dispute.created")
    world.provider.decide(dispute_id, "open")
    world.provider.decide(dispute_id, "lost")
    hear(world, payment, "charge.dispute.closed")
    assert (the_dispute().state, balance(world), world.forbidden()) == ("lost", LOST, 0)


def test_a_part_of_the_money_is_disputed(world: World, payment: Payment) -> None:
    dispute_id = world.provider.dispute(payment, amount_minor=700)
    world.provider.decide(dispute_id, "lost")
    hear(world, payment, "charge.dispute.closed")
    assert balance(world) == {"clearing:stripe": -259, "dispute_losses": 700, "fees": 1559, "sales": -2000}
    assert world.facts().count("dispute.opened") == world.facts().count("dispute.closed") == 1


def test_the_money_of_a_win_comes_later_and_is_waited_for(world: World, payment: Payment) -> None:
    dispute_id = world.provider.dispute(payment)
    world.provider.decide(dispute_id, "won", money=False)
    hear(world, payment, "charge.dispute.closed")
    assert (the_dispute().state, balance(world)) == ("won", WITHDRAWN)
    assert world.cases() == ["provider_dispute"]

    world.provider.move_money(dispute_id, MovementKind.REINSTATED)
    world.wait(hours=7)  # no event comes: the look that was planned finds it
    world.work()
    assert (balance(world), world.cases()) == (PAID, [])


def test_money_that_comes_back_after_a_loss_lessens_the_loss(world: World, payment: Payment) -> None:
    dispute_id = world.provider.dispute(payment)
    world.provider.decide(dispute_id, "lost")
    hear(world, payment, "charge.dispute.closed")
    world.provider.move_money(dispute_id, MovementKind.REINSTATED, amount_minor=500, fee_minor=0)
    hear(world, payment, "charge.dispute.funds_reinstated")
    assert balance(world) == {**LOST, "clearing:stripe": -1059, "dispute_losses": 1500}


def test_every_event_is_lost_and_the_sweeper_finds_the_end(world: World, payment: Payment) -> None:
    dispute_id = world.provider.dispute(payment)
    hear(world, payment, "charge.dispute.created")
    world.provider.decide(dispute_id, "lost")
    world.wait(hours=7)
    world.work()
    assert (the_dispute().state, balance(world)) == ("lost", LOST)


@pytest.mark.parametrize("status", ["open", "lost", "inquiry", "under_review"])
def test_a_dispute_that_is_won_stays_won_and_a_person_hears(world: World, payment: Payment, status: str) -> None:
    dispute_id = world.provider.dispute(payment)
    world.provider.decide(dispute_id, "won")
    hear(world, payment, "charge.dispute.closed")
    world.provider.change(dispute_id, status=status)
    hear(world, payment, "charge.dispute.updated")
    hear(world, payment, "charge.dispute.updated")

    assert the_dispute().state == "won"
    assert world.cases() == ["forbidden_transition"]
    assert world.forbidden() == (0 if status == "inquiry" else 1), "written down once; nothing leads into an inquiry"
    assert balance(world) == PAID


def test_a_dispute_of_money_that_we_never_saw_is_a_case_and_nothing_else(world: World, payment: Payment) -> None:
    dispute_id = world.provider.dispute(payment)
    world.provider.change(dispute_id, capture_id="ch_unknown")
    hear(world, payment, "charge.dispute.created")
    assert (Dispute.objects.count(), balance(world)) == (0, PAID)
    assert world.cases() == ["provider_dispute"]


def test_the_same_told_again_writes_nothing(world: World, payment: Payment) -> None:
    world.provider.dispute(payment)
    hear(world, payment, "charge.dispute.created")
    before = (LedgerTransaction.objects.count(), len(world.facts()), Case.objects.get().times_seen)
    for _ in range(3):
        hear(world, payment, "charge.dispute.updated")
    assert (LedgerTransaction.objects.count(), len(world.facts()), Case.objects.get().times_seen) == before
    assert (Dispute.objects.count(), DisputeMovement.objects.count()) == (1, 1)
