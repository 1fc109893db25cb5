"""Payments in which money moves only by a call of ours: a capture after approval, a payment by a single-use token."""

from __future__ import annotations

from dataclasses import replace

import pytest

from integrations.contract import DeclineReason, InvalidRequest, PaymentStatus, Presentation, RateLimited, Unavailable
from payments import checkout
from payments.models import PaymentAttempt, ProviderCall
from payments.settlement import Outcome, look
from tests.fake_forms import without_keys
from tests.world import World

pytestmark = pytest.mark.django_db

BOTH = frozenset({Presentation.HOSTED, Presentation.EMBEDDED})


@pytest.fixture
def approving(world: World) -> World:
    """A provider like PayPal: hosted, and money moves only by our capture of what the shopper approved."""
    world.provider.capabilities = replace(world.provider.capabilities, moved_by_us=BOTH)
    return world


@pytest.fixture
def by_token(world: World) -> World:
    """A provider like NMI: a card form on our page, no idempotency keys, look-ups that lag by a minute, and nothing to
    find before money was to move."""
    world.provider.capabilities = replace(world.provider.capabilities, **without_keys())
    world.provider.tells_of_unpaid = False
    return world


def verbs(world: World, verb: str) -> int:
    return sum(1 for name, _ in world.provider.calls if name == verb)


def pay(world: World, token: str = "tok-1") -> PaymentAttempt:
    """Let the shopper's form post its token."""
    attempt = world.attempts[-1]
    return checkout.pay_with_token(
        order_id=world.order_id, reference=attempt.reference, token=token, clock=world.clock, actor="shopper"
    )


def assert_paid_once(world: World, *, of: int = 1) -> None:
    assert (world.order.state, len(world.attempts)) == ("paid", of)
    assert world.attempts[-1].state == "paid"
    assert sum(len(payment.captures) for payment in world.provider.payments.values()) == 1
    assert world.balance() == {"clearing:stripe": 1941, "sales": -2000, "fees": 59}
    assert world.facts().count("order.paid") == 1


# --- a capture of ours, after the shopper approved ---------------------------------------------------------------


def test_browser_dead_after_approval_still_ends_captured(approving: World) -> None:
    world = approving
    world.press_pay()
    world.provider.approve(world.provider.the_payment())
    world.tell(world.provider.the_payment(), "CHECKOUT.ORDER.APPROVED")
    world.work()

    assert_paid_once(world)
    call = ProviderCall.objects.get(operation="capture")
    assert (call.kind, call.state, call.tries, call.error_category) == ("moves_money", "answered", 1, "")
    assert world.cases() == []


def test_nobody_tells_of_the_approval_and_the_sweeper_captures(approving: World) -> None:
    world = approving
    world.press_pay()
    world.provider.approve(world.provider.the_payment())
    world.sweep_until(lambda: world.order.state == "paid", limit_minutes=15)
    assert_paid_once(world)


def test_many_looks_at_an_approval_prepare_one_capture(approving: World) -> None:
    world = approving
    world.press_pay()
    world.provider.approve(world.provider.the_payment())
    for _ in range(5):
        look(world.attempt.pk, clock=world.clock, actor="return_page")
    assert ProviderCall.objects.filter(operation="capture").count() == 1
    assert verbs(world, "capture") == 0, "settle() never sends"
    world.work()
    assert_paid_once(world)


def test_the_answer_to_the_capture_is_lost_and_the_same_key_captures_once(approving: World) -> None:
    world = approving
    world.press_pay()
    world.provider.approve(world.provider.the_payment())
    world.provider.lose_answer_once = True
    look(world.attempt.pk, clock=world.clock, actor="return_page")
    world.sweep_until(lambda: world.order.state == "paid", limit_minutes=5)
    assert_paid_once(world)
    assert ProviderCall.objects.get(operation="capture").state == "answered"


def test_a_declined_capture_ends_the_attempt_and_another_begins(approving: World) -> None:
    world = approving
    world.press_pay()
    world.provider.approve(world.provider.the_payment())
    world.provider.decline_next = DeclineReason.INSUFFICIENT_FUNDS
    look(world.attempt.pk, clock=world.clock, actor="return_page")
    world.work()

    attempt = world.attempt
    assert (attempt.state, attempt.decline_reason) == ("failed", "insufficient_funds")
    assert (world.order.state, world.balance()) == ("placed", {})
    assert world.facts()[-1] == "attempt.failed", "who thinks they have paid hears of it"
    assert world.cases() == [], "a decline is no case"
    assert verbs(world, "capture") == 1, "the approval still stands there, and is never captured again"

    opening = world.press_pay()
    assert opening.attempt.reference != attempt.reference
    world.provider.approve(list(world.provider.payments.values())[1])
    look(opening.attempt.pk, clock=world.clock, actor="return_page")
    world.work()
    assert (world.order.state, [each.state for each in world.attempts]) == ("paid", ["failed", "paid"])


def test_a_decline_whose_answer_was_lost_is_heard_under_the_same_key(approving: World) -> None:
    """The provider asks the shopper for another card: that is no sign that our capture was done."""
    world = approving
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.approve(payment)
    world.provider.fail_next = [None, Unavailable("the decline was lost")]
    look(world.attempt.pk, clock=world.clock, actor="return_page")
    world.work()
    payment.overrides.pop("next_step")
    world.provider.ask_for_action(payment)
    look(world.attempt.pk, clock=world.clock, actor="return_page")
    assert ProviderCall.objects.get(operation="capture").state == "unknown"

    world.provider.decline_next = DeclineReason.DO_NOT_HONOR
    world.sweep_until(lambda: not world.attempt.is_live, limit_minutes=10)
    assert (world.attempt.state, world.attempt.decline_reason) == ("failed", "do_not_honor")
    assert (world.order.state, world.balance()) == ("placed", {})


def test_an_approval_after_the_order_expired_is_never_captured(approving: World) -> None:
    world = approving
    world.press_pay()
    world.wait(minutes=61)
    world.work()
    assert (world.order.state, world.attempt.state) == ("expired", "cancelled"), "nothing to close there, and yet over"

    world.provider.approve(world.provider.the_payment())
    world.tell(world.provider.the_payment(), "CHECKOUT.ORDER.APPROVED")
    world.sweep_until(lambda: False, step_minutes=30, limit_minutes=600)
    assert verbs(world, "capture") == 0
    assert (world.order.state, world.balance(), world.cases()) == ("expired", {}, [])


def test_a_capture_that_waited_until_its_order_was_cancelled_is_not_sent(approving: World) -> None:
    from django.db import transaction

    from orders import operations
    from orders.models import Order

    world = approving
    world.press_pay()
    world.provider.approve(world.provider.the_payment())
    look(world.attempt.pk, clock=world.clock, actor="return_page")
    with transaction.atomic():
        order = Order.objects.select_for_update(no_key=True).get(pk=world.order_id)
        operations.cancel(order, at=world.now, cause="test", actor="test")
    world.work()
    world.wait(minutes=1)
    world.work()

    assert ProviderCall.objects.get(operation="capture").state == "abandoned"
    assert (verbs(world, "capture"), world.attempt.state, world.balance()) == (0, "cancelled", {})


def test_what_the_bank_held_is_given_back_when_the_capture_is_refused(approving: World) -> None:
    world = approving
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.approve(payment)
    world.provider.authorize(payment)
    look(world.attempt.pk, clock=world.clock, actor="return_page")
    world.provider.fail_next = [InvalidRequest("this authorization cannot be captured")]
    world.work()
    assert (world.attempt.state, payment.status) == ("failed", PaymentStatus.CANCELLED)
    assert world.cases() == ["call_refused"]


# --- a payment by a single-use token -----------------------------------------------------------------------------


def test_a_card_form_on_our_page_pays_the_order(by_token: World) -> None:
    world = by_token
    opening = world.press_pay()
    assert opening.redirect_url.endswith(f"/pay/{world.order.token}/stripe/")
    assert look(world.attempt.pk, clock=world.clock, actor="test").outcome is Outcome.NOTHING_THERE
    assert world.cases() == [], "that the provider knows nothing yet is no fault"

    attempt = pay(world)
    assert attempt.state == "paid"
    assert_paid_once(world)
    call = ProviderCall.objects.get(operation="pay")
    assert (call.state, call.request["token"]) == ("answered", ""), "the token is kept until it is answered"


def test_a_second_press_and_a_second_tab_pay_once(by_token: World) -> None:
    world = by_token
    world.press_pay()
    pay(world)
    pay(world)
    pay(world, "tok-of-the-other-tab")
    assert world.provider.tokens == ["tok-1"]
    assert_paid_once(world)


def test_a_decline_by_token_ends_the_attempt_and_another_begins(by_token: World) -> None:
    world = by_token
    world.press_pay()
    world.provider.decline_next = DeclineReason.EXPIRED_CARD
    attempt = pay(world)
    assert (attempt.state, attempt.decline_reason, attempt.page_open) == ("failed", "expired_card", False)
    assert "attempt.failed" not in world.facts(), "they read it on the page and need no mail"
    assert (world.cases(), world.balance()) == ([], {})

    world.press_pay()
    assert world.attempts[1].reference != attempt.reference
    pay(world, "tok-2")
    assert_paid_once(world, of=2)


def test_an_answer_lost_at_a_provider_without_keys_is_found_by_a_look(by_token: World) -> None:
    world = by_token
    world.press_pay()
    world.provider.lose_answer_once = True
    attempt = pay(world)

    assert attempt.state == "paid", "the look that followed found it"
    assert_paid_once(world)
    call = ProviderCall.objects.get(operation="pay")
    assert (call.state, call.request["token"], verbs(world, "pay_with_token")) == ("answered", "", 1)


def test_an_answer_lost_for_good_is_no_payment_once_the_lag_is_over(by_token: World) -> None:
    world = by_token
    world.press_pay()
    world.provider.fail_next = [Unavailable("the connection broke")]
    pay(world)
    call = ProviderCall.objects.get(operation="pay")
    assert (call.state, call.next_try_at, call.request["token"]) == ("unknown", None, "")

    world.wait(seconds=60)
    world.work()
    assert (world.attempt.state, world.attempt.page_open) == ("pending", False), "“not found” may still be too early"
    with pytest.raises(checkout.CannotPay):
        world.press_pay("other")

    world.wait(minutes=2)
    world.work()
    assert (world.attempt.state, world.order.state) == ("failed", "placed")
    call.refresh_from_db()
    assert (call.state, call.error_category) == ("answered", "not_found")
    assert verbs(world, "pay_with_token") == 1, "never a second post"
    assert world.facts()[-1] == "attempt.failed"

    world.press_pay()
    pay(world, "tok-2")
    assert_paid_twice_never(world)


def assert_paid_twice_never(world: World) -> None:
    assert (world.order.state, [each.state for each in world.attempts]) == ("paid", ["failed", "paid"])
    assert sum(len(payment.captures) for payment in world.provider.payments.values()) == 1


def test_what_was_surely_not_done_is_sent_again_even_without_keys(by_token: World) -> None:
    world = by_token
    world.press_pay()
    world.provider.fail_next = [RateLimited("slow down")]
    pay(world)
    assert ProviderCall.objects.get(operation="pay").request["token"] == "tok-1", "it is still needed"
    world.sweep_until(lambda: world.order.state == "paid", limit_minutes=5)
    assert_paid_once(world)


def test_a_worker_dies_after_sending_at_a_provider_without_keys(by_token: World) -> None:
    from payments.calls import sending as calls

    world = by_token
    world.press_pay()
    attempt = world.attempt
    call = checkout._write_payment_down(
        world.order_id, reference=attempt.reference, token="tok-1", proof="", at=world.now
    )
    assert calls._claim(call.pk, at=world.now) is not None  # and nobody comes back
    world.sweep_until(lambda: world.attempt.state == "failed", limit_minutes=15)
    assert verbs(world, "pay_with_token") == 0
    assert (world.order.state, ProviderCall.objects.get(pk=call.pk).error_category) == ("placed", "not_found")


def test_a_form_that_nobody_used_lets_its_order_expire(by_token: World) -> None:
    world = by_token
    world.press_pay()
    world.sweep_until(lambda: world.order.state == "expired", step_minutes=10, limit_minutes=120)
    assert (world.attempt.state, world.cases()) == ("cancelled", [])
    with pytest.raises(checkout.CannotPay) as refused:
        pay(world)
    assert refused.value.code == "order_expired"
    assert world.provider.tokens == []


def test_another_way_to_pay_is_chosen_at_the_form(by_token: World) -> None:
    world = by_token
    world.press_pay()
    world.press_pay("other")
    assert [each.state for each in world.attempts] == ["cancelled", "pending"]
    with pytest.raises(checkout.CannotPay) as refused:
        checkout.pay_with_token(
            order_id=world.order_id,
            reference=world.attempts[0].reference,
            token="tok-1",
            clock=world.clock,
            actor="shopper",
        )
    assert refused.value.code == "attempt_ended"


def test_a_token_of_another_order_pays_nothing(by_token: World) -> None:
    world = by_token
    world.press_pay()
    with pytest.raises(checkout.CannotPay) as refused:
        checkout.pay_with_token(
            order_id=world.order_id, reference="pa_of_somebody_else", token="tok-1", clock=world.clock, actor="shopper"
        )
    assert (refused.value.code, world.provider.tokens) == ("unknown_attempt", [])
