"""What the keeper and the workers do beside the stories: dead letters, poison events, drains in threads."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from integrations import delivery, outbox
from integrations.connectors.contract import Verdict
from integrations.contract import ProviderMisconfigured, Unavailable
from integrations.models import Destination, Failure
from orders.models import Order
from payments import inbox, working
from payments.models import Case, PayoutMirror, ProviderCall, ProviderEvent
from payments.monitoring import watch
from tests.fake_provider import FakeProvider
from tests.world import World


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    return World(provider=fake, order=order, now=now)


@pytest.mark.django_db
class TestDeadLetters:
    def test_one_case_a_receiver_however_much_it_missed(self, world: World) -> None:
        receiver = Destination.objects.create(
            name="CRM",
            kind="webhook",
            address="https://crm.example.com/",
            idempotent=True,
            facts=["order.paid"],
            created_at=world.now,
        )
        with transaction.atomic():
            for number in range(3):
                outbox.record("order.paid", subject_kind="order", subject_id=number, payload={}, now=world.now)
        for claimed in delivery.claim(now=world.now, limit=10):
            gone = Verdict(failure=Failure.PERMANENT, http_status=410, hopeless=True)
            delivery.mark_all([(claimed, gone)], now=world.now)
        assert working.keeping_due(world.now)
        working.keep_house(clock=world.clock)
        case = Case.objects.get()
        assert (case.kind, case.subject_kind, case.subject_id) == ("dead_delivery", "destination", receiver.pk)
        assert case.times_seen == 3
        assert not working.keeping_due(world.now)


@pytest.mark.django_db
class TestPoison:
    def test_an_event_that_breaks_its_worker_is_retried_then_dead_with_a_case(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.press_pay()
        payment = world.provider.the_payment()
        world.tell(payment)

        def break_down(*_: Any, **__: Any) -> None:
            raise RuntimeError("broken for ann@example.com\nDETAIL: Failing row contains (https://pay.test/cs_1)")

        monkeypatch.setattr(working, "look", break_down)
        for _ in range(inbox.EVENT_MAX_TRIES):
            world.wait(hours=1)
            for held in inbox.claim(at=world.now, most=5):
                working._event_job(held, world.clock)()
        event = ProviderEvent.objects.get()
        assert (event.state, event.tries) == ("dead", inbox.EVENT_MAX_TRIES)
        assert event.error == "RuntimeError: broken for [email]"
        assert world.cases() == ["dead_event"]

    def test_an_event_whose_workers_all_died_is_dead_without_another_try(self, world: World) -> None:
        world.press_pay()
        world.tell(world.provider.the_payment())
        ProviderEvent.objects.update(tries=inbox.EVENT_MAX_TRIES)
        calls = len(world.provider.calls)
        (held,) = inbox.claim(at=world.now, most=5)
        working.work_event(held, clock=world.clock)
        assert ProviderEvent.objects.get().state == "dead"
        assert len(world.provider.calls) == calls

    def test_a_stalled_worker_that_wakes_after_its_lease_touches_nothing(self, world: World) -> None:
        world.press_pay()
        world.tell(world.provider.the_payment())
        (stalled,) = inbox.claim(at=world.now, most=5)
        world.wait(minutes=2)
        (second,) = inbox.claim(at=world.now, most=5)
        inbox.fail(stalled, at=world.now, why="I am late")
        assert ProviderEvent.objects.get().error == ""
        inbox.done(second, at=world.now)
        assert ProviderEvent.objects.get().state == "processed"


@pytest.mark.django_db(transaction=True)
def test_a_drain_does_all_that_is_due_in_threads(fake: FakeProvider, order: Order, now: datetime) -> None:
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    for number in range(10):
        world.tell(payment, event_id=f"evt_{number}")
    assert working.looks_due(world.now)
    working.drain_looks(clock=world.clock)
    assert world.order.state == "paid"
    assert not working.looks_due(world.now)


@pytest.mark.django_db
def test_nothing_is_due_in_an_idle_shop(now: datetime) -> None:
    assert not working.looks_due(now)
    watch.once_a_minute(now + timedelta(days=1))
    assert working.keeping_due(now + timedelta(days=1)), "the payouts of a provider that was never mirrored"
    PayoutMirror.objects.update(next_at=now + timedelta(days=2))
    assert not working.keeping_due(now + timedelta(days=1))


@pytest.mark.django_db
class TestNoHotLoop:
    def test_a_call_that_cannot_even_be_taken_in_hand_waits(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.provider.fail_next = [Unavailable("away")]
        world.press_pay()
        world.wait(minutes=1)

        def misconfigured(*_: Any, **__: Any) -> None:
            raise ProviderMisconfigured("stripe", ())

        monkeypatch.setattr(working.calls, "send", misconfigured)
        for job in working._look_jobs(world.clock):
            job()
        assert not ProviderCall.objects.filter(working.calls.due(world.now)).exists()
        world.wait(minutes=10)
        assert ProviderCall.objects.filter(working.calls.due(world.now)).exists()

    def test_an_attempt_that_breaks_its_worker_is_seen_less_and_less_often(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.press_pay()

        def break_down(*_: Any, **__: Any) -> None:
            raise RuntimeError("broken")

        monkeypatch.setattr(working, "look", break_down)
        world.wait(minutes=1)
        waits = []
        for _ in range(8):
            for job in working._look_jobs(world.clock):
                job()
            due = world.attempt.next_look_at
            assert due is not None
            waits.append((due - world.now).total_seconds())
            world.now = due
        assert waits == [5, 15, 30, 60, 120, 300, 600, 600]
        assert "RuntimeError" in world.attempt.look_error

    def test_a_lease_begins_with_the_work_not_with_the_waiting_for_it(self, world: World) -> None:
        world.press_pay()
        payment = world.provider.the_payment()
        for number in range(8):
            world.tell(payment, event_id=f"evt_{number}")
        assert len(working._look_jobs(world.clock)) >= 8
        assert not ProviderEvent.objects.exclude(tries=0).exists()

    def test_a_provider_that_is_away_for_a_day_kills_no_event(self, world: World) -> None:
        world.press_pay()
        payment = world.provider.the_payment()
        world.provider.pay(payment)
        world.tell(payment)
        world.provider.fail_next = [Unavailable("away")] * 1000
        for _ in range(100):
            world.wait(minutes=15)
            for held in inbox.claim(at=world.now, most=5):
                working.work_event(held, clock=world.clock)
        assert world.event_states() == ["failed"]
        world.provider.fail_next = []
        world.wait(minutes=15)
        world.work()
        assert world.order.state == "paid"
        assert world.event_states() == ["processed"]
        assert world.cases() == []

    def test_but_in_the_end_a_person_hears_of_it(self, world: World) -> None:
        world.press_pay()
        payment = world.provider.the_payment()
        world.tell(payment)
        world.provider.fail_next = [Unavailable("away")] * 1000
        for _ in range(80):
            world.wait(hours=1)
            for held in inbox.claim(at=world.now, most=5):
                working.work_event(held, clock=world.clock)
        assert world.event_states() == ["dead"]
        assert world.cases() == ["dead_event"]
