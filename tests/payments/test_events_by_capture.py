"""Events that name nothing but the capture (Square's refunds and disputes) find their attempt, and no other's."""

from __future__ import annotations

from datetime import datetime

import pytest

from integrations.contract import ProviderIds
from orders.models import Order
from payments import inbox
from payments.models import Capture, ProviderEvent
from payments.states import EventState
from tests.fake_provider import FakeProvider
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)


def told(fake: FakeProvider, event_id: str, *object_ids: str, at: datetime) -> ProviderEvent:
    notification = fake.notification(event_id, reference="", ids=ProviderIds(), object_ids=object_ids)
    inbox.receive(notification, body=b"{}", at=at)
    return ProviderEvent.objects.get(event_id=event_id)


def test_a_capture_names_its_attempt(fake: FakeProvider, order: Order, now: datetime) -> None:
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    [payment] = fake.payments.values()
    fake.pay(payment)
    world.tell(payment)
    world.work()
    capture = Capture.objects.get()

    assert inbox.match(told(fake, "evt_of_nobody", "du_2", "ch_of_nobody", at=now)) is None
    assert inbox.match(told(fake, "evt_of_nothing", at=now)) is None
    event = told(fake, "evt_dispute", "du_1", capture.capture_id, at=now)
    event.provider = "paypal"
    assert inbox.match(event) is None, "another provider's ids may be the same by chance"
    event.provider = "stripe"
    assert inbox.match(event) == capture.attempt
    world.work()
    event.refresh_from_db()
    assert (event.state, event.attempt) == (EventState.PROCESSED, capture.attempt)
