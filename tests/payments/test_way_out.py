"""From a settled payment to its receiver: what goes out, and that nothing on the way out asks the provider again."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations import delivery
from integrations.models import Delivery, Destination, OutboxEvent
from orders.models import Order
from payments.models import Capture
from tests.fake_provider import FakeProvider
from tests.world import World

pytestmark = pytest.mark.django_db

SECRET = "whsec_test" + "AAAA" * 6  # pragma: allowlist secret


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    return World(provider=fake, order=order, now=now)


def pay(world: World) -> None:
    world.press_pay()
    world.provider.pay(world.provider.the_payment())
    world.tell(world.provider.the_payment())
    world.work()


def test_a_retried_delivery_makes_no_provider_call(world: World, httpserver: HTTPServer) -> None:
    answers, received = [500, 503, 200], []

    def receive(request: Request) -> Response:
        received.append((request.headers["webhook-id"], request.get_data()))
        return Response(status=answers[len(received) - 1])

    httpserver.expect_request("/hook", method="POST").respond_with_handler(receive)
    receiver = Destination(
        name="ERP",
        kind="webhook",
        address=httpserver.url_for("/hook"),
        idempotent=True,
        allow_loopback=True,
        facts=["order.paid"],
        created_at=world.now,
    )
    receiver.set_signing_secrets([SECRET])
    receiver.save()
    pay(world)
    asked = len(world.provider.calls)

    for _ in range(4):
        delivery.drain(clock=world.clock)
        world.wait(hours=9)

    assert Delivery.objects.get().state == "delivered"
    assert len(received) == 3
    assert len({key for key, _ in received}) == 1, "one key for all tries"
    assert len(world.provider.calls) == asked, "the provider is not asked again"
    told = json.loads(received[-1][1])
    assert (told["type"], told["data"]["number"], told["data"]["total_minor"]) == (
        "order.paid",
        world.order.number,
        2000,
    )


def test_what_is_told_of_a_payment_names_its_capture(world: World) -> None:
    """What an ERP or a fiscal service needs to write of the money once: which, how much, when."""
    pay(world)

    paid = OutboxEvent.objects.get(fact="order.paid").payload
    capture = Capture.objects.get()
    assert (paid["provider"], paid["account"], paid["capture"]) == (
        capture.provider,
        capture.account,
        capture.capture_id,
    )
    assert (paid["capture_amount_minor"], paid["capture_currency"]) == (2000, world.order.currency)
    assert datetime.fromisoformat(paid["captured_at"]) == capture.captured_at
    assert paid["currency_exponent"] == 2
    assert paid["number"] == world.order.number


def test_the_shopper_is_mailed_when_a_debit_fails_days_later(world: World) -> None:
    Destination.objects.create(name="Mail", kind="mail", facts=["attempt.failed"], created_at=world.now)
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.process(payment)
    world.tell(payment)
    world.work()
    world.wait(hours=40)
    world.provider.fail(payment)
    world.tell(payment, "checkout.session.async_payment_failed")
    world.work()
    delivery.drain(clock=world.clock)

    (sent,) = mail.outbox
    assert sent.to == ["shopper@example.com"]
    assert "did not go through" in sent.subject
    assert f"/pay/{world.order.token}/" in sent.body
    assert isinstance(sent, EmailMultiAlternatives)
    assert "Try again" in str(sent.alternatives[0][0])
