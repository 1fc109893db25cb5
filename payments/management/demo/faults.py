"""What `manage.py trigger` can provoke at the demo's sandbox and receiver, for one order where it is about one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from integrations import breaker, receivers
from integrations.models import Breaker, BreakerState, Destination
from integrations.sandbox.browser import Page
from integrations.sandbox.control import SandboxControl, Sent
from integrations.sandbox.loopback import ReceiverControl
from integrations.sandbox.shopper import Shopper, Surprise
from orders.models import Order
from orders.states import OrderState
from payments.management.demo.hands import HANDS, CannotTrigger, Hand
from payments.management.demo.place import Addresses
from payments.management.demo.seed import RECEIVER, let_time_run_out
from payments.management.demo.stand_ins import STAND_INS
from payments.models import Capture, PaymentAttempt

EXPIRES_WITHIN_SECONDS = 60
WRONG_BY_MINOR = 100  # fits each currency: Stripe takes three-decimal ones in steps of 10
DOWN_FOR_REQUESTS = 1_000_000


@dataclass
class Stage:
    """Where it is played: the demo's stand-ins, and the order with its live or last attempt.

    `wanted`: the provider at which an attempt is opened, where the order has none; empty for the first there is.
    """

    addresses: Addresses
    number: int | None
    clock: Callable[[], datetime]
    wanted: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def provider(self) -> str:
        """The provider of the order's attempt that it is played at, else the one that was asked for, else the first."""
        last = self._last_attempt() if self.number else None
        if last is not None and (last.is_live or not self.wanted):
            return last.provider
        return self.wanted or next(iter(STAND_INS))

    @property
    def hand(self) -> Hand:
        return HANDS[self.provider](self.addresses.sandboxes[self.provider])

    @property
    def sandbox(self) -> SandboxControl:
        return self.hand.control

    @cached_property
    def receiver(self) -> ReceiverControl:
        return ReceiverControl(self.addresses.receiver)

    @property
    def order(self) -> Order:
        """The order as it is now. Raises CannotTrigger if there is none of this number."""
        order = Order.objects.filter(pk=self.number).first() if self.number else None
        if order is None:
            raise CannotTrigger(f"There is no order {self.number}.")
        return order

    @property
    def attempt(self) -> PaymentAttempt:
        """The order's live attempt, or its last; one is opened, as its shopper would, where there is none yet."""
        attempt = self._last_attempt()
        return attempt if attempt is not None and attempt.page_id else self._open_attempt()

    def payable(self) -> PaymentAttempt:
        """Return an attempt that can be paid, opening a new one where the last has ended. Raises CannotTrigger."""
        self._must_be_payable()
        attempt = self.attempt
        return attempt if attempt.is_live else self._open_attempt()

    def at_the_page(self) -> tuple[Shopper, Page]:
        """Return a shopper and the provider's page before them (or ours around its frame). Raises CannotTrigger."""
        self._must_be_payable()
        shopper = Shopper(self.addresses.shop)
        return shopper, shopper.open_provider_page(self.order.token, provider=self.provider)

    def shopper_pays(self) -> None:
        """Let the shopper pay in the usual way; they do not come back to the shop."""
        shopper, page = self.at_the_page()
        STAND_INS[self.provider].pay(shopper, page)

    def _must_be_payable(self) -> None:
        order = self.order
        if order.state != OrderState.PLACED:
            raise CannotTrigger(f"Order {order.number} is {order.state}: nobody can pay it any more.")
        if Capture.objects.filter(order=order).exists():
            raise CannotTrigger(f"Order {order.number} has a payment already.")

    def _last_attempt(self) -> PaymentAttempt | None:
        return self.order.attempts.order_by("-pk").first()

    def _open_attempt(self) -> PaymentAttempt:
        self.at_the_page()
        attempt = self._last_attempt()
        if attempt is None or not attempt.page_id:
            raise Surprise(f"The shop opened no payment for order {self.number}.")
        return attempt


Play = Callable[[Stage], str]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing to provoke. `play` returns a sentence on what happened."""

    name: str
    says: str
    play: Play
    needs_order: bool = True


EVENTS: dict[str, Event] = {}


def event(says: str, *, name: str = "", needs_order: bool = True) -> Callable[[Play], Play]:
    """Offer a function as the event `name`, by default its own."""

    def register(play: Play) -> Play:
        called = name or play.__name__
        EVENTS[called] = Event(called, says, play, needs_order)
        return play

    return register


# --- the shopper and the bank ----------------------------------------------------------------------------------------


@event("the shopper pays")
def paid(stage: Stage) -> str:
    stage.shopper_pays()
    return "Paid at the provider."


@event("the bank declines; the shopper may try again")
def declined(stage: Stage) -> str:
    shopper, page = stage.at_the_page()
    stage.details["decline"] = stage.hand.decline(shopper, page)
    return "It was declined; the shopper may try again."


@event("the bank asks for 3-D Secure")
def action(stage: Stage) -> str:
    stage.hand.challenge(stage.payable())
    return "The bank waits for 3-D Secure; end it with action_done or action_failed."


@event("the shopper passes 3-D Secure")
def action_done(stage: Stage) -> str:
    stage.hand.end_challenge(stage.attempt, success=True)
    return "3-D Secure passed."


@event("the shopper fails 3-D Secure")
def action_failed(stage: Stage) -> str:
    stage.hand.end_challenge(stage.attempt, success=False)
    return "3-D Secure failed; the shopper may try again on the same page."


@event("the shopper pays by what is decided later (a bank debit, a review): the money comes, or not", name="async")
def asynchronous(stage: Stage) -> str:
    shopper, page = stage.at_the_page()
    stage.hand.pay_slowly(shopper, page, stage.attempt)
    return "It is on its way; end it with async_succeeded or async_failed."


@event("what is decided later succeeds")
def async_succeeded(stage: Stage) -> str:
    stage.hand.decide(stage.attempt, success=True)
    return "The money arrived."


@event("what is decided later fails")
def async_failed(stage: Stage) -> str:
    stage.hand.decide(stage.attempt, success=False)
    return "The bank refused in the end."


@event("nobody pays in time: the order's time ends now")
def expired(stage: Stage) -> str:
    _expire(stage)
    return f"Order {stage.number} expired: its page was closed at the provider first."


@event("the shopper pays after the order has expired")
def late(stage: Stage) -> str:
    if stage.order.state == OrderState.PLACED:
        stage.payable()
        _expire(stage)
    if stage.order.state not in (OrderState.EXPIRED, OrderState.CANCELLED):
        raise CannotTrigger(f"Order {stage.number} is {stage.order.state}: money for it is not late.")
    stage.hand.pay_late(stage.attempt)
    return "Money came after the order had expired: it is not applied, and a Case says so."


@event("the provider takes the money twice for one payment")
def double_capture(stage: Stage) -> str:
    if stage.order.state == OrderState.PLACED and not Capture.objects.filter(order=stage.order).exists():
        stage.shopper_pays()
        _wait_for_money(stage)
    stage.hand.pay_twice(stage.attempt)
    return "The provider captured twice: one pays the order, the other is unapplied, and a Case says so."


@event("the provider charges another amount than the order's")
def wrong_amount(stage: Stage) -> str:
    wrong_minor = stage.order.total_minor + WRONG_BY_MINOR
    stage.hand.pay_wrong(stage.payable(), amount_minor=wrong_minor)
    stage.details["charged_minor"] = wrong_minor
    return "The provider charged a wrong amount: it lies in suspense, nothing moves, and a Case says so."


# --- the webhooks ----------------------------------------------------------------------------------------------------


@event("the shopper pays, and every webhook of it is lost")
def lost(stage: Stage) -> str:
    shopper, page = stage.at_the_page()
    with _rule(stage, "lose"):
        STAND_INS[stage.provider].pay(shopper, page)
    return "Paid, and no webhook will tell: the sweeper finds it, or: manage.py reconcile."


@event("the shopper pays, and the webhooks come half a minute late")
def delayed(stage: Stage) -> str:
    shopper, page = stage.at_the_page()
    with _rule(stage, "delay", seconds=30):
        STAND_INS[stage.provider].pay(shopper, page)
    return "Paid; its webhooks come in 30 s."


@event("the shopper pays, and each webhook comes twice")
def duplicate(stage: Stage) -> str:
    shopper, page = stage.at_the_page()
    with _rule(stage, "double"):
        STAND_INS[stage.provider].pay(shopper, page)
    return "Paid; each webhook comes twice, and counts once."


@event("the shopper pays, and the webhooks come in reverse order")
def reorder(stage: Stage) -> str:
    shopper, page = stage.at_the_page()
    with _rule(stage, "hold"):
        STAND_INS[stage.provider].pay(shopper, page)
    stage.details["webhooks"] = [_answer(sent) for sent in stage.sandbox.release(order="reversed")]
    return "Paid; the last webhook came first."


@event("a webhook with a forged signature claims that the order is paid")
def forged(stage: Stage) -> str:
    body = b'{"id":"evt_forged","object":"event","type":"checkout.session.completed","data":{"object":{"id":"%s"}}}'
    status, error = stage.sandbox.send_raw(body % stage.attempt.page_id.encode(), secret="whsec_" + "forged" * 6)
    stage.details["webhook_answer"] = status
    return f"The forged webhook was answered {status or error}; nothing changed."


@event("a webhook of the provider's live mode comes to this test shop")
def wrong_mode(stage: Stage) -> str:
    stage.hand.live_event(stage.attempt)
    return "A live event came: it moves nothing, and a Case says so."


# --- the other side being away ---------------------------------------------------------------------------------------


@event("the provider's API answers 500 until provider_up", needs_order=False)
def provider_down(stage: Stage) -> str:
    stage.sandbox.fault("server_error", path_prefix=stage.hand.api, times=DOWN_FOR_REQUESTS)
    return f"{stage.hand.label} is down; bring it back with provider_up."


@event("the provider's API takes 20 s for each answer until provider_up", needs_order=False)
def provider_slow(stage: Stage) -> str:
    stage.sandbox.fault("delay", path_prefix=stage.hand.api, seconds=20, times=DOWN_FOR_REQUESTS)
    return f"{stage.hand.label} is slow; make it quick with provider_up."


@event("the provider works again", needs_order=False)
def provider_up(stage: Stage) -> str:
    stage.sandbox.clear_faults()
    return f"{stage.hand.label} works."


@event("the receiver answers 503 until receiver_up: deliveries are retried", needs_order=False)
def receiver_down(stage: Stage) -> str:
    stage.receiver.behave("503")
    return "The receiver is down; bring it back with receiver_up."


@event("the receiver answers 410: it is disabled, and what it refused is a dead letter", needs_order=False)
def receiver_gone(stage: Stage) -> str:
    stage.receiver.behave("410")
    return "The receiver says it is gone for good; bring it back with receiver_up, then: manage.py redeliver --all."


@event("the receiver works again", needs_order=False)
def receiver_up(stage: Stage) -> str:
    stage.receiver.behave("ok")
    now = stage.clock()
    for receiver in Destination.objects.filter(name=RECEIVER, active=False):
        stage.details["caught_up"] = receivers.enable(receiver.pk, catch_up=True, now=now)
    for away in Breaker.objects.filter(destination__name=RECEIVER, state=BreakerState.OPEN):
        breaker.try_now(breaker.Subject(destination_id=away.destination_id), now=now)
    return "The receiver works, is enabled, and is tried at once."


@contextmanager
def _rule(stage: Stage, action: str, *, seconds: int = 0) -> Iterator[None]:
    """Let webhooks that are sent meanwhile suffer; events are queued within the request that causes them."""
    stage.sandbox.webhook_rule(action, seconds=seconds)
    try:
        yield
    finally:
        stage.sandbox.clear_webhook_rules()


def _wait_for_money(stage: Stage) -> None:
    """Wait until we have heard of the payment. At some providers the money moves by a capture of ours."""
    deadline = time.monotonic() + EXPIRES_WITHIN_SECONDS
    while not Capture.objects.filter(order=stage.order).exists():
        if time.monotonic() > deadline:
            raise Surprise(f"Order {stage.number} was not paid within {EXPIRES_WITHIN_SECONDS} s.")
        time.sleep(0.2)


def _expire(stage: Stage) -> None:
    """End the order's time and wait until the workers have closed it."""
    if stage.order.state != OrderState.PLACED:
        raise CannotTrigger(f"Order {stage.number} is {stage.order.state}: it cannot expire.")
    let_time_run_out(stage.order, now=stage.clock())
    deadline = time.monotonic() + EXPIRES_WITHIN_SECONDS
    while (state := stage.order.state) == OrderState.PLACED:
        if time.monotonic() > deadline:
            raise Surprise(f"Order {stage.number} did not expire within {EXPIRES_WITHIN_SECONDS} s.")
        time.sleep(0.2)
    if state != OrderState.EXPIRED:
        raise CannotTrigger(f"Order {stage.number} was {state} before it could expire.")


def _answer(sent: Sent) -> dict[str, Any]:
    return {"type": sent.type, "answer": sent.status}
