"""The stories' stage."""

from collections.abc import Iterator
from datetime import datetime

import pytest

from orders.models import Order
from payments import rebuilding
from payments.ledger import check as ledger_check
from tests.fake_provider import FakeProvider
from tests.world import World


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> Iterator[World]:
    """A shop with one placed order of 20.00 EUR and a scripted provider. However a story ends, its books are right."""
    yield World(provider=fake, order=order, now=now)
    assert ledger_check.check().findings == []
    assert rebuilding.check().differences == []


@pytest.fixture
def paid(world: World) -> World:
    """The order is paid: 20.00, of which the provider keeps 0.59."""
    world.press_pay()
    world.provider.pay(world.provider.the_payment())
    world.tell(world.provider.the_payment())
    world.work()
    return world
