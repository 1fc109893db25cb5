"""What the database tells of an order: *why*, followed through payments, troubles and letters."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.core.cache import cache

from integrations import breaker, delivery
from integrations.connectors.contract import Verdict
from integrations.contract import ConfigurationError, DeclineReason, Unavailable
from integrations.failure import Failure
from orders.models import Order
from payments import inbox, signatures
from payments.models import ProviderEvent
from payments.situation import Situation, situation_of
from payments.why import why
from tests.fake_provider import FakeProvider
from tests.integrations.deliveries import make_destination, make_mailbox
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    return World(provider=fake, order=order, now=now)


def rule(world: World) -> str:
    return why(situation_of(world.order, at=world.now)).rule


def told(world: World) -> Situation:
    return situation_of(world.order, at=world.now)


def test_a_payment_from_its_beginning_to_its_receipt(world: World) -> None:
    make_mailbox(now=world.now)
    assert rule(world) == "never_started"
    world.press_pay()
    assert rule(world) == "page_open"
    payment = world.provider.the_payment()
    world.provider.refuse_card(payment, DeclineReason.INSUFFICIENT_FUNDS)
    world.wait(minutes=1)
    world.work()
    assert why(told(world)).sentence.endswith("Last decline: insufficient funds.")
    world.provider.ask_for_action(payment)
    world.tell(payment)
    assert rule(world) == "notice_queued"
    world.work()
    assert rule(world) == "three_d_secure"
    world.provider.process(payment)
    world.wait(minutes=1)
    world.work()
    assert rule(world) == "bank_processing"
    world.provider.pay(payment)
    world.wait(minutes=2)
    world.work()
    assert rule(world) == "paid"
    world.wait(minutes=1)
    assert rule(world) == "paid_untold"
    for claimed in delivery.claim(now=world.now, limit=9):
        delivery.mark(claimed, Verdict(delivered=True), now=world.now)
    assert told(world).receipt_at == world.now
    assert rule(world) == "paid"


def test_a_provider_that_is_away_then_refuses_our_key(world: World) -> None:
    world.provider.fail_next = [Unavailable("away")]
    world.press_pay()
    assert (rule(world), told(world).call is not None) == ("opening", True)
    world.wait(minutes=1)
    world.work()
    assert rule(world) == "page_open"
    world.provider.fail_next = [Unavailable("away")]
    world.wait(minutes=2)
    world.work()
    assert rule(world) == "provider_unreachable"
    world.provider.fail_next = [ConfigurationError("Invalid API Key")]
    world.wait(minutes=1)
    world.work()
    assert rule(world) == "keys_refused"
    assert why(told(world)).case


def test_money_that_differs_or_comes_late_or_twice(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment, amount_minor=1999)
    world.wait(minutes=1)
    world.work()
    assert rule(world) == "amount_differs"


def test_late_money(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.sweep_until(lambda: world.order.state == "expired", step_minutes=10)
    assert rule(world) == "expired"
    world.provider.pay(payment)
    world.wait(minutes=1)
    world.tell(payment)
    world.work()
    assert rule(world) == "late_money"
    assert [str(amount) for amount in told(world).extra] == ["20.00 EUR"]


def test_signatures_that_fail_concern_orders_with_a_live_attempt(world: World) -> None:
    world.press_pay()
    for _ in range(3):
        cache.clear()
        signatures.note_refused("stripe", at=world.now)
    assert (rule(world), told(world).orders_waiting) == ("signatures_fail", 1)
    world.provider.pay(world.provider.the_payment())
    world.wait(minutes=1)
    world.work()
    assert rule(world) == "paid"


def test_a_notice_that_cannot_be_used(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.process(payment)
    world.wait(minutes=1)
    world.work()
    world.tell(payment)
    (held,) = inbox.claim(at=world.now, most=1)
    inbox.fail(held, at=world.now, why="ValueError: no")
    assert ProviderEvent.objects.get().state == "failed"
    assert "ValueError: no." in why(told(world)).sentence


def test_a_dead_letter_is_seen_on_a_paid_order(world: World) -> None:
    make_destination(now=world.now, name="crm", facts=["order.paid"])
    world.press_pay()
    world.provider.pay(world.provider.the_payment())
    world.wait(minutes=1)
    world.work()
    for claimed in delivery.claim(now=world.now, limit=9):
        delivery.mark(claimed, Verdict(failure=Failure.PERMANENT, hopeless=True, detail="Gone."), now=world.now)
    assert why(told(world)).sentence.endswith("crm was not told of order.paid, given up after 1 try: Gone.")


def test_a_paused_provider_is_why_nothing_begins(world: World) -> None:
    """A page that stands open goes on: then the pause is not why."""
    stripe, other = breaker.Subject(provider="stripe"), breaker.Subject(provider="other")
    breaker.pause(stripe, actor="user:7", reason="Announced maintenance", now=world.now)
    assert rule(world) == "never_started", "there is another way to pay"
    breaker.pause(other, actor="user:7", reason="Announced maintenance", now=world.now)
    assert rule(world) == "provider_paused"
    assert "Announced maintenance" in why(told(world)).sentence
    breaker.resume(stripe, actor="user:7", reason="It is over", now=world.now)
    world.press_pay()
    breaker.pause(stripe, actor="user:7", reason="Announced maintenance", now=world.now)
    assert rule(world) == "page_open"
