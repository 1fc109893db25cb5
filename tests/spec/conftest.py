"""The stories' stage."""

from datetime import datetime

import pytest

from orders.models import Order
from tests.fake_provider import FakeProvider
from tests.world import World


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    """A shop with one placed order of 20.00 EUR and a scripted provider."""
    return World(provider=fake, order=order, now=now)
