"""What the shop does while a provider is away or paused, and that people hear of what stays away."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from integrations import breaker, delivery
from integrations.breaker import Seen, Sign, Subject
from integrations.connectors.contract import Verdict
from integrations.models import Breaker, Delivery, Destination, Failure
from orders.models import Order
from payments import checkout, working
from payments.calls import sending as calls
from payments.models import Case, ProviderCall
from payments.models.case import CaseKind
from payments.states import CallState
from tests.fake_provider import FakeProvider
from tests.integrations.deliveries import ScriptedConnector, connecting, make_destination, tell
from tests.world import World

pytestmark = pytest.mark.django_db

STRIPE = Subject(provider="stripe")


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(breaker, "_readings", {})


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    return World(provider=fake, order=order, now=now)


def go_away(subject: Subject, *, now: datetime, settings: Any) -> None:
    for _ in range(settings.BREAKER_FAILURES):
        breaker.note(subject, Seen(sign=Sign.AWAY, failure=Failure.UNAVAILABLE, detail="no answer"), now=now)


def test_at_a_paused_provider_no_payment_begins(world: World) -> None:
    breaker.pause(STRIPE, actor="user:7", reason="double charges", now=world.now)
    with pytest.raises(checkout.CannotPay) as refused:
        world.press_pay()
    assert refused.value.code == "provider_refused"
    assert world.press_pay("other").redirect_url, "another one is still offered"


def test_while_a_provider_is_away_nothing_is_written_down_and_nothing_asked(world: World, settings: Any) -> None:
    go_away(STRIPE, now=world.now, settings=settings)
    with pytest.raises(checkout.CannotPay) as refused:
        world.press_pay()
    assert (refused.value.code, "No money was taken" in refused.value.message) == ("provider_refused", True)
    assert not ProviderCall.objects.exists()
    world.wait(seconds=settings.BREAKER_COOLDOWN_SECONDS + 1)
    assert world.press_pay().redirect_url, "the next shopper finds out"


@pytest.mark.parametrize("state", [CallState.PREPARED, CallState.UNKNOWN, CallState.SENT])
def test_a_call_waits_without_being_counted_as_sent(world: World, settings: Any, state: str) -> None:
    world.press_pay()
    ProviderCall.objects.update(state=state, next_try_at=world.now, lease_until=world.now, tries=0, answered_at=None)
    go_away(STRIPE, now=world.now, settings=settings)
    asked = len(world.provider.calls)
    call = ProviderCall.objects.get()

    calls.send(call.pk, clock=world.clock)

    waiting = ProviderCall.objects.get()
    assert (waiting.state, waiting.tries, waiting.fence, len(world.provider.calls)) == (state, 0, call.fence, asked)
    assert not ProviderCall.objects.filter(calls.due(world.now)).exists()
    later = world.now + timedelta(seconds=settings.BREAKER_COOLDOWN_SECONDS + 1)
    assert ProviderCall.objects.filter(calls.due(later)).exists()


def test_what_stays_away_becomes_one_case(world: World, settings: Any) -> None:
    receiver = make_destination(now=world.now, name="CRM")
    go_away(Subject(destination_id=receiver.pk), now=world.now, settings=settings)
    working.keep_house(clock=world.clock)
    assert not Case.objects.filter(kind=CaseKind.AWAY).exists()
    world.wait(seconds=settings.BREAKER_CASE_AFTER_SECONDS)
    assert working.keeping_due(world.now)
    working.keep_house(clock=world.clock)
    working.keep_house(clock=world.clock)
    case = Case.objects.get(kind=CaseKind.AWAY)
    assert (case.kind, case.subject_kind, case.subject_id) == ("away", "breaker", Breaker.objects.get().pk)
    assert case.theirs == "CRM: no answer"
    assert not working.keeping_due(world.now)


def test_a_receiver_that_says_410_is_disabled_with_its_reason_and_a_case(world: World) -> None:
    make_destination(now=world.now, name="CRM")
    gone = Verdict(
        failure=Failure.PERMANENT, http_status=410, detail="The receiver is gone (410).", hopeless=True, gone=True
    )
    tell(now=world.now)
    with connecting(ScriptedConnector(gone)):
        delivery.drain(clock=world.clock)
    crm = Destination.objects.get()
    assert (crm.active, crm.disabled_at, crm.disabled_reason) == (False, world.now, "The receiver is gone (410).")
    assert Delivery.objects.get().state == "dead"
    working.keep_house(clock=world.clock)
    assert "disabled itself" in Case.objects.get().suggested_fix
    tell(now=world.now)
    assert Delivery.objects.count() == 1, "it gets no new ones"
