"""Read this first: how an order comes to be paid, told as stories. Each ends in the ledger.

A webhook is a hint; the provider is the truth; one function converges. Debit is positive, amounts are cents.
"""

from __future__ import annotations

import pytest

from integrations.contract import DeclineReason, Unavailable
from payments.checkout import CannotPay
from payments.models import ProviderEvent
from payments.settlement import look
from tests.world import World

pytestmark = pytest.mark.django_db

PAID_LEDGER = {"clearing:stripe": 1941, "fees": 59, "sales": -2000}


def test_a_shopper_pays_and_the_webhook_tells_us(world: World) -> None:
    opening = world.press_pay()
    assert opening.redirect_url.startswith("https://pay.test/")
    assert (world.order.state, world.attempt.state) == ("placed", "pending")

    payment = world.provider.the_payment()
    world.provider.pay(payment)
    assert world.order.state == "placed", "nothing is paid before we have looked"

    world.tell(payment)
    world.work()

    assert (world.order.state, world.attempt.state) == ("paid", "paid")
    assert world.dispositions() == ["applied"]
    assert world.balance() == PAID_LEDGER
    assert world.facts() == ["order.paid"]
    assert world.cases() == []
    assert world.event_states() == ["processed"]


def test_the_shopper_is_back_before_a_worker_takes_the_webhook(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    world.tell(payment)
    look(world.attempt.pk, clock=world.clock, actor="return_page")

    assert world.order.state == "paid"
    event = ProviderEvent.objects.get()
    assert (event.state, event.attempt, event.used_by_look) == ("processed", world.attempt, 1)
    asked = len(world.provider.calls)
    world.work()
    assert len(world.provider.calls) == asked, "the hint is used: nobody looks again for it"


def test_the_webhook_never_comes_and_the_sweeper_looks(world: World) -> None:
    world.press_pay()
    world.provider.pay(world.provider.the_payment())

    world.sweep_until(lambda: world.order.state == "paid", limit_minutes=15)

    assert world.order.state == "paid"
    assert world.balance() == PAID_LEDGER


def test_a_declined_card_is_noted_and_the_same_page_takes_the_next_one(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.refuse_card(payment, DeclineReason.INSUFFICIENT_FUNDS)
    world.tell(payment, "payment_intent.payment_failed")
    world.work()
    assert (world.attempt.state, world.attempt.decline_reason) == ("pending", "insufficient_funds")

    world.provider.pay(payment)
    world.tell(payment)
    world.work()

    assert (world.order.state, world.attempt.decline_reason) == ("paid", "")
    assert world.balance() == PAID_LEDGER


def test_three_d_secure_is_a_step_of_the_way(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.ask_for_action(payment)
    world.tell(payment, "payment_intent.requires_action")
    world.work()
    assert world.attempt.state == "requires_action"

    world.provider.pay(payment)
    world.tell(payment)
    world.work()
    assert world.order.state == "paid"
    assert world.balance() == PAID_LEDGER


def test_a_bank_debit_takes_days_and_nothing_expires_meanwhile(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.process(payment)
    world.tell(payment)

    world.sweep_until(lambda: False, step_minutes=10, limit_minutes=180)
    assert (world.order.state, world.attempt.state) == ("placed", "pending"), "never expired while it is processing"

    world.provider.pay(payment)
    world.tell(payment, "checkout.session.async_payment_succeeded")
    world.work()
    assert world.order.state == "paid"
    assert world.balance() == PAID_LEDGER


def test_a_bank_debit_that_fails_lets_the_shopper_try_again(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.process(payment)
    world.provider.fail(payment)
    world.tell(payment, "checkout.session.async_payment_failed")
    world.work()
    assert (world.order.state, world.attempt.state) == ("placed", "failed")
    assert world.facts() == ["attempt.failed"], "nobody watches the page after days: a mail with the link goes out"

    world.press_pay()
    assert [attempt.state for attempt in world.attempts] == ["failed", "pending"]


def test_nobody_pays_and_the_order_expires_after_the_page_was_closed(world: World) -> None:
    world.press_pay()
    world.sweep_until(lambda: world.order.state == "expired", limit_minutes=90)

    assert (world.order.state, world.attempt.state) == ("expired", "cancelled")
    verbs = [verb for verb, _ in world.provider.calls]
    assert verbs[-3:] == ["fetch", "close", "fetch"], "look, close at the provider, look again, then move"
    assert world.balance() == {}
    assert world.facts() == ["order.expired"]


def test_an_order_that_was_never_tried_expires_too(world: World) -> None:
    world.wait(minutes=61)
    world.work()
    assert world.order.state == "expired"
    assert world.provider.calls == []


def test_money_that_comes_after_expiry_is_late_money(world: World) -> None:
    world.press_pay()
    world.sweep_until(lambda: world.order.state == "expired", limit_minutes=90)
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    world.tell(payment)
    world.work()

    assert (world.order.state, world.attempt.state) == ("expired", "paid")
    assert world.dispositions() == ["unapplied"]
    assert world.cases() == ["late_money"]
    assert world.balance() == {"clearing:stripe": 1941, "fees": 59, "unapplied": -2000}
    assert world.facts() == ["order.expired", "case.opened", "capture.unapplied"]


def test_two_tabs_get_the_same_page(world: World) -> None:
    first, second = world.press_pay(), world.press_pay()
    assert first.redirect_url == second.redirect_url
    assert len(world.attempts) == 1


def test_paid_twice_on_one_page_keeps_the_order_paid_and_tells_a_person(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    world.provider.pay(payment)
    world.tell(payment)
    world.work()

    assert world.order.state == "paid"
    assert world.dispositions() == ["applied", "unapplied"]
    assert world.cases() == ["double_payment"]
    assert world.balance() == {"clearing:stripe": 3882, "fees": 118, "sales": -2000, "unapplied": -2000}


def test_a_second_intent_of_the_same_reference_is_extra_money(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    world.tell(payment)
    world.work()
    second = world.provider.second_intent(payment)
    world.tell(second, "payment_intent.succeeded")
    world.work()

    assert world.order.state == "paid"
    assert world.dispositions() == ["applied", "unapplied"]
    assert world.cases() == ["double_payment"]
    assert world.balance() == {"clearing:stripe": 3882, "fees": 118, "sales": -2000, "unapplied": -2000}


def test_two_attempts_both_paid(world: World) -> None:
    world.press_pay()
    first = world.provider.the_payment()
    world.provider.expire(first)
    world.wait(minutes=1)
    world.press_pay()
    second = next(payment for payment in world.provider.payments.values() if payment is not first)
    world.provider.pay(second)
    world.provider.pay(first)  # money on a page that the provider had called closed
    world.tell(second)
    world.tell(first)
    world.work()

    assert world.order.state == "paid"
    assert sorted(attempt.state for attempt in world.attempts) == ["paid", "paid"]
    assert world.dispositions() == ["applied", "unapplied"]
    assert world.cases() == ["double_payment", "late_money"]
    assert world.balance() == {"clearing:stripe": 3882, "fees": 118, "sales": -2000, "unapplied": -2000}


def test_a_dollar_for_a_two_thousand_dollar_order_moves_nothing(world: World) -> None:
    """CVE-2026-9189: a genuine event of a small payment must not pay a large order."""
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment, amount_minor=100)
    world.tell(payment)
    world.work()

    assert (world.order.state, world.attempt.state) == ("placed", "pending")
    assert world.dispositions() == ["suspense"]
    assert world.cases() == ["amount_mismatch"]
    assert world.balance() == {"clearing:stripe": 41, "fees": 59, "suspense": -100}
    assert world.attempt.next_look_at is None, "sweeping stops; a person decides"


def test_the_right_number_in_the_wrong_currency_moves_nothing(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment, currency="JPY")
    world.tell(payment)
    world.work()
    assert world.order.state == "placed"
    assert world.cases() == ["currency_mismatch"]


def test_an_answer_lost_on_the_way_is_asked_for_again_under_the_same_key(world: World) -> None:
    world.provider.lose_answer_once = True
    opening = world.press_pay()
    assert opening.redirect_url == "", "the shopper is asked to wait, and nothing is lost"

    world.wait(seconds=10)
    world.work()
    assert len(world.provider.payments) == 1, "one page, whatever was repeated"
    assert world.press_pay().redirect_url == world.attempt.page_url != ""


def test_a_hint_that_comes_before_the_provider_answered_is_parked_and_matched(world: World) -> None:
    world.provider.lose_answer_once = True
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    world.tell(payment, reference="")  # it names only ids that we do not know yet
    world.work()
    assert world.event_states() == ["parked"]

    world.wait(seconds=10)
    world.work()
    assert world.order.state == "paid"
    assert world.event_states() == ["processed"]


def test_a_provider_that_is_away_says_nothing_about_the_payment(world: World) -> None:
    world.press_pay()
    world.provider.pay(world.provider.the_payment())
    world.provider.fail_next = [Unavailable("503")] * 3
    for _ in range(3):
        look(world.attempt.pk, clock=world.clock, actor="test")
    assert (world.order.state, world.attempt.state, world.attempt.look_failures) == ("placed", "pending", 3)

    world.wait(minutes=5)
    world.work()
    assert world.order.state == "paid"


def test_pressing_pay_on_a_paid_order_opens_nothing(world: World) -> None:
    world.press_pay()
    world.provider.pay(world.provider.the_payment())
    world.wait(minutes=1)
    with pytest.raises(CannotPay) as refused:
        world.press_pay()
    assert refused.value.code == "order_paid"
    assert (world.order.state, len(world.attempts)) == ("paid", 1)


def test_choosing_another_provider_first_ends_the_first_attempt(world: World) -> None:
    world.press_pay("stripe")
    world.press_pay("other")
    assert [attempt.state for attempt in world.attempts] == ["cancelled", "pending"]
    assert [verb for verb, _ in world.provider.calls] == ["start", "fetch", "close", "fetch", "start"]
