"""An event that names a capture only, as PayPal tells of a refund, finds the payment of that money."""

from __future__ import annotations

import pytest

from integrations.contract import ProviderIds
from payments.models import Capture, ProviderEvent
from tests.world import World

pytestmark = pytest.mark.django_db
REFUNDED = "PAYMENT.CAPTURE.REFUNDED"


def test_an_event_of_a_capture_leads_to_its_payment(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    world.tell(payment)
    world.work()
    capture = Capture.objects.get()

    world.tell(payment, REFUNDED, reference="", ids=ProviderIds(), object_ids=("R1", capture.capture_id))
    world.work()
    event = ProviderEvent.objects.get(type=REFUNDED)
    assert (event.attempt, event.state) == (capture.attempt, "processed")


def test_one_of_a_capture_nobody_knows_waits(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.tell(payment, REFUNDED, reference="", ids=ProviderIds(), object_ids=("R1", "nobody"))
    world.work()
    assert ProviderEvent.objects.get(type=REFUNDED).state == "parked"
