"""Receivers that fail, and deliveries and wake-ups that cannot be read (FAULTS.md 23, 25, 26)."""

from __future__ import annotations

import pytest

from tests.faults.paying import Order
from tests.faults.world import World, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


def test_a_receiver_that_takes_a_message_and_hangs_up(world: World) -> None:
    """As fault 23, on the other side. Where we may ask first, it says that it has it; the other hears the key again."""
    world.receiver_fails(mode="cut", times=2, keep=True)
    order = Order(world)
    order.goes_on()
    heard = sorted(message["receipts"] for message in world.heard(order.id))
    # Which two tries are cut depends on who is sent to first: those that can be asked hear nothing twice.
    assert heard in ([1, 1, 1, 1], [1, 1, 1, 2], [1, 1, 2, 2])


@pytest.mark.parametrize(
    "fault",
    [
        {"mode": "400"},
        {"mode": "429", "retry_after": "1"},
        {"mode": "503", "retry_after": "1"},
        {"mode": "hang", "seconds": 5},
        {"mode": "half"},
        {"mode": "redirect"},
    ],
    ids=lambda fault: str(fault["mode"]),
)
def test_a_receiver_that_answers_badly_hears_it_once_all_the_same(world: World, fault: dict[str, object]) -> None:
    """Fault 26: the first two tries fail so."""
    order = Order(world)
    world.receiver_fails(times=2, **fault)
    order.goes_on()


def test_a_receiver_that_says_it_is_gone_is_believed_and_a_person_told(world: World) -> None:
    """Fault 26, 410: it is disabled, with a dead letter and a case; the other one hears of the order. Enabled again
    and redelivered, it hears each fact once."""
    order = Order(world, returns=False)
    wait_until(lambda: {row["state"] for row in order.deliveries()} == {"delivered"}, world)
    world.receiver_fails(mode="410", times=1)
    order.pay()
    wait_until(lambda: world.rows("SELECT 1 FROM payments_case WHERE kind = 'dead_delivery'"), world)
    disabled = world.value("SELECT disabled_reason FROM integrations_destination WHERE NOT active")
    assert disabled == "The receiver is gone (410)."
    (dead,) = [row["id"] for row in order.deliveries() if row["state"] == "dead"]
    world.enable_receivers()
    world.manage("redeliver", "--reason", "it was not gone", str(dead))
    order.ends_well()
