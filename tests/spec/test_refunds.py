"""How money goes back, told as stories. Each ends in the ledger. Debit is positive, amounts are cents.

A refund is bound to one capture. Ours is a row and a prepared call before it is a request; what became of it, a look
says. One made at the provider is found by a look and recorded all the same.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from integrations.contract import ConfigurationError, InvalidRequest, Unavailable
from payments.calls import answers as call_answers
from payments.calls import requests as call_requests
from payments.calls import sending as calls
from payments.models import Capture, Case, Refund
from payments.refunds.requests import CannotRefund, left_of
from payments.settlement import look
from tests.fake_forms import without_keys
from tests.fake_provider import Payment
from tests.world import World

pytestmark = pytest.mark.django_db

PAID = {"clearing:stripe": 1941, "fees": 59, "sales": -2000}


@pytest.fixture
def payment(world: World) -> Payment:
    """An order of 20.00 EUR, paid."""
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    look(world.attempt.pk, clock=world.clock, actor="test")
    assert world.balance() == PAID
    return payment


def states(world: World) -> tuple[str, str]:
    return world.order.state, world.attempt.state


def test_part_of_it_goes_back_then_the_rest(world: World, payment: Payment) -> None:
    first = world.refund(500)
    assert first.state == "succeeded"
    assert states(world) == ("partially_refunded", "partially_refunded")
    assert world.balance() == {**PAID, "clearing:stripe": 1441, "refunds": 500}

    world.refund()
    assert states(world) == ("refunded", "refunded")
    assert world.balance() == {**PAID, "clearing:stripe": -59, "refunds": 2000}
    assert world.facts() == ["order.paid", "refund.succeeded", "refund.succeeded"]
    assert world.cases() == []
    with pytest.raises(CannotRefund, match="All of capture"):
        world.ask_refund(1)


def test_the_bank_takes_its_time(world: World, payment: Payment) -> None:
    world.provider.refund_status = "pending"
    refund = world.refund()
    assert refund.state == "pending"
    assert states(world) == ("paid", "paid")
    assert world.balance() == PAID, "nothing is posted before the money has left"
    assert left_of(refund.capture).amount_minor == 0, "and yet it is reserved"

    world.provider.decide_refund(refund.refund_id, "succeeded")
    world.sweep_until(lambda: world.order.state == "refunded", limit_minutes=60)
    assert states(world) == ("refunded", "refunded"), "no webhook came: the attempt is looked at until it is decided"
    assert world.attempt.next_look_at == world.now + timedelta(days=1), "it may yet come back"


def test_it_fails_after_it_had_succeeded(world: World, payment: Payment) -> None:
    world.refund(500)
    refund = world.refund(1500)
    assert world.order.state == "refunded"

    world.provider.decide_refund(refund.refund_id, "failed", why="expired_or_canceled_card")
    world.tell(payment, "refund.failed")
    world.work()

    assert world.refund_states() == ["succeeded", "failed"]
    assert states(world) == ("partially_refunded", "partially_refunded")
    assert world.balance() == {**PAID, "clearing:stripe": 1441, "refunds": 500}
    assert world.facts()[-2:] == ["refund.failed", "case.opened"]
    assert world.cases() == ["refund_failed"]
    assert left_of(refund.capture).amount_minor == 1500, "it may be tried again"


def test_it_fails_weeks_later_and_no_webhook_ever_comes(world: World, payment: Payment) -> None:
    """A refund that has left may come back for thirty days: its payment is looked at now and then."""
    refund = world.refund(500)
    world.sweep_until(lambda: False, step_minutes=60 * 12, limit_minutes=60 * 24 * 20)
    world.provider.decide_refund(refund.refund_id, "failed")
    world.sweep_until(lambda: world.refund_states() == ["failed"], step_minutes=60 * 12, limit_minutes=60 * 24 * 11)
    assert (world.refund_states(), world.cases()) == (["failed"], ["refund_failed"])
    assert world.balance() == {**PAID, "refunds": 0}
    assert world.attempt.next_look_at is None, "and then it is left alone"


def test_the_webhook_comes_before_the_answer(world: World, payment: Payment) -> None:
    refund = world.ask_refund()
    call = calls._claim(refund.calls.get().pk, at=world.now)
    assert call is not None
    answer = call_requests.ask(call)
    world.tell(payment, "refund.created")
    world.work()
    assert world.order.state == "refunded"

    stored = call_answers.store(call, answer, at=world.now)
    assert (stored.state, world.refund_states()) == ("answered", ["succeeded"])
    assert world.balance() == {**PAID, "clearing:stripe": -59, "refunds": 2000}


def test_somebody_refunds_in_the_providers_dashboard(world: World, payment: Payment) -> None:
    world.provider.refund_at_provider(payment, amount_minor=700)
    world.tell(payment, "charge.refunded")
    world.work()

    refund = Refund.objects.get()
    assert (refund.made_by, refund.state, refund.amount_minor) == ("theirs", "succeeded", 700)
    assert states(world) == ("partially_refunded", "partially_refunded")
    assert world.balance() == {**PAID, "clearing:stripe": 1241, "refunds": 700}
    assert world.cases() == ["provider_refund"]
    with pytest.raises(CannotRefund, match=r"Only 13\.00 EUR"):
        world.ask_refund(1301)


def test_the_answer_is_lost_and_the_same_key_asks_again(world: World, payment: Payment) -> None:
    world.provider.lose_answer_once = True
    refund = world.ask_refund()
    call = calls.send(refund.calls.get().pk, clock=world.clock)
    assert call.state == "unknown"
    world.wait(seconds=5)
    world.work()

    assert len(payment.refunds) == 1, "the provider made one refund"
    assert world.refund_states() == ["succeeded"]
    assert world.balance() == {**PAID, "clearing:stripe": -59, "refunds": 2000}


def test_the_provider_refuses(world: World, payment: Payment) -> None:
    world.provider.fail_next = [InvalidRequest("refused", code="charge_disputed")]
    refund = world.refund()
    assert (refund.state, refund.failure_reason) == ("failed", "invalid_request: refused")
    assert states(world) == ("paid", "paid")
    assert world.balance() == PAID
    assert world.cases() == ["refund_failed"]
    assert world.refund(2000).state == "succeeded", "what the provider named is mended; somebody asks anew"


def test_never_heard_of_again_and_not_there(world: World, payment: Payment) -> None:
    """The provider forgets the key before it ever answers; only then does “not found” count. No new key is used."""
    refund = world.ask_refund()
    world.provider.fail_next = [Unavailable("no answer")]
    call = calls.send(refund.calls.get().pk, clock=world.clock)
    world.now += timedelta(hours=23)
    look(refund.attempt_id, clock=world.clock, actor="test")
    assert world.refund_states() == ["requested"], "within the key's lifetime nothing is given up"

    world.now += timedelta(hours=2)
    world.work()
    look(refund.attempt_id, clock=world.clock, actor="test")
    call.refresh_from_db()
    assert (world.refund_states(), call.state, call.tries) == (["failed"], "answered", 1)
    assert [verb for verb, _ in world.provider.calls].count("refund") == 1
    assert world.cases() == ["refund_failed"]
    assert world.balance() == PAID


def test_given_up_and_there_after_all(world: World, payment: Payment) -> None:
    refund = world.ask_refund()
    world.provider.fail_next = [Unavailable("no answer")]
    calls.send(refund.calls.get().pk, clock=world.clock)
    world.now += timedelta(hours=25)
    world.work()
    look(refund.attempt_id, clock=world.clock, actor="test")
    assert world.refund_states() == ["failed"]

    world.provider.refund_at_provider(payment, reference=refund.reference)
    for _ in range(2):
        look(refund.attempt_id, clock=world.clock, actor="test")
    assert world.refund_states() == ["failed", "succeeded"], "money is money: it is recorded as found at the provider"
    assert world.balance() == {**PAID, "clearing:stripe": -59, "refunds": 2000}
    assert world.cases() == ["forbidden_transition", "provider_refund", "refund_failed"]
    assert world.forbidden() == 1


def test_one_of_the_same_amount_waits_while_ours_is_on_its_way(world: World, payment: Payment) -> None:
    """A provider that loses our reference: what it shows may be ours. Once that is answered, another one is theirs."""
    world.provider.knows_references = False
    refund = world.ask_refund(500)
    world.provider.lose_answer_once = True
    calls.send(refund.calls.get().pk, clock=world.clock)
    look(refund.attempt_id, clock=world.clock, actor="test")
    assert world.refund_states() == ["requested"], "not taken for somebody else's"

    world.provider.refund_at_provider(payment, amount_minor=500)
    world.wait(seconds=5)
    world.work()
    look(refund.attempt_id, clock=world.clock, actor="test")
    assert sorted(Refund.objects.values_list("made_by", "state")) == [("ours", "succeeded"), ("theirs", "succeeded")]
    assert world.balance() == {**PAID, "clearing:stripe": 941, "refunds": 1000}


def test_the_duplicate_goes_back_and_the_paid_order_stays_paid(world: World, payment: Payment) -> None:
    duplicate = world.provider.pay(payment)
    look(world.attempt.pk, clock=world.clock, actor="test")
    assert world.cases() == ["double_payment"]

    refund = world.refund(capture=Capture.objects.get(capture_id=duplicate.capture_id))
    assert refund.state == "succeeded"
    assert states(world) == ("paid", "paid")
    assert world.balance() == {"clearing:stripe": 1882, "fees": 118, "sales": -2000, "unapplied": 0}
    assert world.cases() == [], "the case that told of the duplicate is mended"


def test_money_of_another_intent_goes_back_without_any_webhook(world: World, payment: Payment) -> None:
    """No page names the second intent; the capture does, so looks ask about it too."""
    second = world.provider.second_intent(payment)
    world.tell(second, "payment_intent.succeeded")
    world.work()
    capture = Capture.objects.get(disposition="unapplied")
    assert world.refund(capture=capture).state == "succeeded"
    assert states(world) == ("paid", "paid")
    assert Case.objects.filter(closed_at=None).count() == 0


def test_a_refund_of_theirs_that_fails_ends_its_case(world: World, payment: Payment) -> None:
    made = world.provider.refund_at_provider(payment, status="pending")
    look(world.attempt.pk, clock=world.clock, actor="test")
    assert (world.refund_states(), world.cases()) == (["pending"], ["provider_refund"])
    world.provider.decide_refund(made.refund_id, "failed")
    world.sweep_until(lambda: world.refund_states() == ["failed"], limit_minutes=60)
    assert (states(world), world.balance(), world.cases()) == (("paid", "paid"), PAID, [])


# --- at a provider that knows no idempotency keys ----------------------------------------------------------------


@pytest.fixture
def without(world: World, payment: Payment) -> World:
    world.provider.capabilities = replace(world.provider.capabilities, **without_keys())
    return world


def refunds_sent(world: World) -> int:
    return [verb for verb, _ in world.provider.calls].count("refund")


def test_without_keys_a_lost_answer_is_found_by_a_look(without: World) -> None:
    world = without
    refund = world.ask_refund()
    world.provider.lose_answer_once = True
    call = calls.send(refund.calls.get().pk, clock=world.clock)
    assert (call.state, call.next_try_at) == ("unknown", None)
    world.wait(seconds=1)
    world.work()
    assert (world.refund_states(), refunds_sent(world)) == (["succeeded"], 1)
    assert refund.calls.get().state == "answered"


def test_without_keys_a_refund_that_never_was_fails_after_the_lag_and_is_not_sent_again(without: World) -> None:
    world = without
    refund = world.ask_refund()
    world.provider.fail_next = [Unavailable("the connection broke")]
    calls.send(refund.calls.get().pk, clock=world.clock)
    world.wait(seconds=60)
    world.work()
    assert world.refund_states() == ["requested"], "“not found” may still be too early"
    world.sweep_until(lambda: world.refund_states() == ["failed"], limit_minutes=20)
    assert world.refund_states() == ["failed"]
    assert (refunds_sent(world), world.cases()) == (1, ["refund_failed"])


def test_without_keys_what_was_refused_for_our_key_goes_on_once_it_is_mended(without: World) -> None:
    world = without
    refund = world.ask_refund()
    world.provider.fail_next = [ConfigurationError("this key may not refund")]
    calls.send(refund.calls.get().pk, clock=world.clock)
    assert world.cases() == ["provider_configuration"]
    world.wait(minutes=5)
    world.work()
    assert (world.refund_states(), refunds_sent(world)) == (["succeeded"], 2)
