"""A refund whose first answer was lost is asked again: what then counts as an answer, and until when it is asked."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from integrations.contract import InvalidRequest, UnknownObject
from orders.models import Order
from payments.calls import sending as calls
from payments.models import ProviderCall
from payments.settlement import look
from tests.fake_provider import FakeProvider
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    fake.pay(fake.the_payment())
    look(world.attempt.pk, clock=world.clock, actor="test")
    return world


@pytest.fixture
def call(world: World) -> ProviderCall:
    """The provider made the refund, and its answer was lost."""
    world.provider.lose_answer_once = True
    refund = world.ask_refund(500)
    return calls.send(refund.calls.get().pk, clock=world.clock)


def test_that_the_charge_is_not_known_now_does_not_say_that_nothing_was_refunded(
    world: World, call: ProviderCall
) -> None:
    """Our key was changed to another account in between: it knows nothing of what the first one did."""
    world.wait(minutes=1)
    world.provider.fail_next = [UnknownObject("no such charge")]
    assert calls.send(call.pk, clock=world.clock).state == "unknown"
    look(world.attempt.pk, clock=world.clock, actor="test")
    assert (world.refund_states(), world.forbidden(), world.cases()) == (["succeeded"], 0, [])


def test_the_first_time_it_is_a_refusal(world: World) -> None:
    world.provider.fail_next = [UnknownObject("no such charge")]
    assert world.refund(500).state == "failed"


def test_any_other_refusal_is_one_whenever_it_comes(world: World, call: ProviderCall) -> None:
    """The provider replays what it answered to this key: had it made the refund, it would say so."""
    world.wait(minutes=1)
    world.provider.the_payment().refunds.clear()
    world.provider.fail_next = [InvalidRequest("refused", code="charge_disputed")]
    assert calls.send(call.pk, clock=world.clock).state == "answered"
    assert world.refund_states() == ["failed"]


def test_nothing_is_sent_shortly_before_the_provider_forgets_the_key(world: World, call: ProviderCall) -> None:
    """Clocks differ, and a request may be long on its way: it must not arrive as a new one."""
    world.now += timedelta(hours=23, minutes=30)
    calls.send(call.pk, clock=world.clock)
    assert [verb for verb, _ in world.provider.calls].count("refund") == 1
