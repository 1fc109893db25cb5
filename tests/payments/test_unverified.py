"""Webhooks whose proof needs asking: kept within limits, no hints until a worker has proved them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations.decryptions import Purpose
from integrations.encryption import CannotDecrypt
from orders.models import Order
from payments import inbox, settlement, staff_operations, unverified
from payments.models import PaymentAttempt, ProviderEvent
from payments.monitoring import figures as health_figures
from payments.monitoring import watch
from payments.roles import Role
from payments.staff_operations import NotPossible
from tests.backoffice.people import signed_in
from tests.fake_provider import FakeProvider
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    """A payment that was paid at the provider, of which only a webhook tells."""
    cache.clear()
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    world.provider.pay(world.provider.the_payment())
    world.now = timezone.now()  # the door reads the real clock
    Order.objects.update(expires_at=world.now + timedelta(days=1))
    PaymentAttempt.objects.update(next_look_at=None)  # no sweeper looks
    return world


def body_of(world: World, **changes: Any) -> bytes:
    payment = world.provider.the_payment()
    told = {
        "event_id": "WH-1",
        "reference": payment.request.reference,
        "ids": {"page_id": payment.page_id},
        "object_ids": [payment.page_id],
        **changes,
    }
    return json.dumps(told).encode()


def post(body: bytes, *, signature: str = "later", **more: Any) -> Any:
    return Client().post(
        "/webhooks/stripe/", body, content_type="application/json", HTTP_SIGNATURE=signature, HTTP_COOKIE="x", **more
    )


def work(world: World, **later: float) -> None:
    world.now = timezone.now() + timedelta(**later)
    world.work()


def test_an_unproved_event_is_kept_and_makes_nobody_look(world: World) -> None:
    assert post(body_of(world)).status_code == 200
    event = ProviderEvent.objects.get()
    assert (event.state, event.reference, event.page_id, event.object_ids) == ("unverified", "", "", [])
    assert not ProviderEvent.objects.filter(settlement.hinting_at(world.attempt)).exists()
    assert inbox.match(event) is None
    assert inbox.requeue([event.pk], at=world.now) == 0, "nobody makes a hint of it by hand"
    assert health_figures.last_event("stripe") is None, "it is no sign of life"


def test_a_worker_proves_it_and_it_is_as_any_other(world: World) -> None:
    body = body_of(world)
    post(body)
    received_at = ProviderEvent.objects.get().received_at
    work(world)
    assert world.provider.proved_with == [({"signature": "later"}, received_at)], "only the proof's headers, and when"
    event = ProviderEvent.objects.get()
    assert (event.event_id, event.state, event.headers_sealed) == ("WH-1", "processed", None)
    assert (world.order.state, event.attempt) == ("paid", world.attempt)


def test_a_forged_one_is_rejected_and_only_digests_are_left(world: World) -> None:
    post(body_of(world), signature="forged-later")
    work(world)
    event = ProviderEvent.objects.get()
    assert (event.state, bytes(event.body_sealed), event.headers_sealed) == ("rejected", b"", None)
    assert (len(event.body_sha256), event.next_try_at) == (64, None)
    assert world.order.state == "placed"
    with pytest.raises(CannotDecrypt, match="Nothing of it is kept"):
        inbox.raw_body(event, purpose=Purpose.MASKED, actor="user:1")


def test_a_forgery_never_stands_in_the_way_of_the_genuine_event(world: World) -> None:
    """Whoever guesses an event's id, or copies its body, takes nothing from it."""
    body = body_of(world)
    post(body, signature="forged-later")
    assert post(body, signature="good").status_code == 200
    work(world)
    assert sorted(ProviderEvent.objects.values_list("event_id", "state")) == [
        ("WH-1", "processed"),
        (ProviderEvent.objects.get(state="rejected").event_id, "rejected"),
    ]
    assert world.order.state == "paid"


def test_the_same_delivery_is_kept_once_and_a_copy_ends_when_it_is_proved(world: World) -> None:
    body = body_of(world)
    post(body)
    post(body)
    assert ProviderEvent.objects.count() == 1
    post(body, signature="good")
    work(world)
    states = sorted(ProviderEvent.objects.values_list("state", flat=True))
    assert states == ["processed", "rejected"]
    assert ProviderEvent.objects.get(state="rejected").error == "A copy: WH-1 is known."


def test_while_the_proof_cannot_be_had_it_is_asked_for_ever_less_often(world: World) -> None:
    world.provider.proof_is_away = True
    post(body_of(world))
    asked = []
    for minute in range(60):
        before = len(world.provider.proved_with)
        work(world, minutes=minute)
        if len(world.provider.proved_with) > before:
            asked.append(minute)
    assert asked[:3] == [0, 1, 2]
    assert len(asked) < 12
    assert ProviderEvent.objects.get().state == "unverified"
    waiting = {each.state: each.count for each in health_figures.inbox()}
    assert waiting["unverified"] == 1
    watch.once_a_minute(world.now)
    assert "stale_events" in world.cases(), "somebody hears that the proof cannot be had"

    world.provider.proof_is_away = False
    work(world, hours=2)
    assert (ProviderEvent.objects.get().state, world.order.state) == ("processed", "paid")


def test_what_nobody_can_prove_for_three_days_ends(world: World) -> None:
    world.provider.proof_is_away = True
    post(body_of(world))
    work(world, hours=71)
    assert ProviderEvent.objects.get().state == "unverified"
    work(world, hours=73)
    event = ProviderEvent.objects.get()
    assert (event.state, event.error.startswith("Not proved in 72 h.")) == ("rejected", True)


def test_a_flood_of_unproved_events_fills_no_disk(world: World, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.WEBHOOK_UNVERIFIED_A_MINUTE = 5
    answers = [post(body_of(world, event_id=f"WH-{number}")).status_code for number in range(8)]
    assert answers == [200] * 5 + [429] * 3
    assert post(body_of(world), signature="good").status_code == 200, "a proved one is never throttled"

    monkeypatch.setattr(unverified, "MOST_WAITING", 6)
    settings.WEBHOOK_UNVERIFIED_A_MINUTE = 100
    answers = [post(body_of(world, event_id=f"WH-2{n}"), REMOTE_ADDR=f"203.0.113.{n}").status_code for n in range(3)]
    assert answers == [200, 429, 429], "nor from many addresses"


def test_an_event_that_breaks_its_worker_is_put_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(**_: Any) -> Any:
        raise RuntimeError("a defect")

    monkeypatch.setattr(world.provider, "prove", breaks)
    post(body_of(world))
    work(world)
    event = ProviderEvent.objects.get()
    assert (event.state, event.tries, event.lease_until) == ("unverified", 1, None)
    assert event.next_try_at is not None and event.next_try_at > world.now


def test_a_stale_worker_writes_nothing(world: World) -> None:
    post(body_of(world))
    [stale] = unverified.claim(at=timezone.now(), most=1)
    later = timezone.now() + timedelta(minutes=2)
    [held] = unverified.claim(at=later, most=1)
    unverified.prove(held, clock=lambda: later)
    unverified.put_off(stale, at=later, why="late")
    assert ProviderEvent.objects.get().state == "received"


def test_the_back_office_shows_what_waits_and_what_was_rejected(world: World) -> None:
    post(body_of(world))
    post(body_of(world, event_id="WH-2"), signature="forged-later")
    client = signed_in(Role.LEAD)
    listed = client.get(reverse("admin:payments_providerevent_changelist")).content.decode()
    assert listed.count("Unverified") >= 2
    work(world)
    rejected = ProviderEvent.objects.get(state="rejected")
    shown = client.get(reverse("admin:payments_providerevent_change", args=[rejected.pk])).content.decode()
    assert "Nothing of it is kept but its digest" in shown
    assert "no signature by this certificate" in shown
    operation = staff_operations.get("requeue_event")
    with pytest.raises(NotPossible):
        operation.preview(rejected.pk, {}, at=world.now)
