"""32 at once, on PostgreSQL, each in its own connection: one effect, no error."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from threading import Barrier
from time import sleep
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from psycopg.errors import DeadlockDetected, SerializationFailure

from integrations.contract import Presentation, ProviderIds
from integrations.models import OutboxEvent
from orders import baskets
from orders.models import Order
from orders.operations import place_order
from payments import checkout, inbox, settlement, working
from payments.models import Capture, LedgerTransaction, PaymentAttempt, ProviderCall, ProviderEvent
from payments.settlement import lock, look
from tests.fake_forms import without_keys
from tests.fake_provider import FakeProvider
from tests.orders.factories import basket_of, product
from tests.world import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

AT_ONCE = 32


def at_once(act: Callable[[int], Any], *, count: int = AT_ONCE) -> list[Any]:
    """Run `act(0)` … `act(count - 1)` in threads that begin together; return what they returned or raised."""
    barrier = Barrier(count)

    def run(number: int) -> Any:
        barrier.wait()
        try:
            return act(number)
        except Exception as error:  # noqa: BLE001  (the test judges it)
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=count) as pool:
        return list(pool.map(run, range(count)))


@pytest.fixture
def world(fake: FakeProvider, transactional_db: None, order: Order, now: datetime) -> World:
    return World(provider=fake, order=order, now=now)


def test_one_event_delivered_32_times_is_one_row(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    told = world.provider.notification(
        "evt_1", reference=payment.request.reference, ids=ProviderIds(page_id=payment.page_id)
    )
    answers = at_once(lambda _: inbox.receive(told, body=b"{}", at=world.now))
    assert sorted(answers) == [False] * 31 + [True]
    assert ProviderEvent.objects.count() == 1
    at_once(lambda _: working.drain_looks(clock=world.clock), count=4)
    assert world.order.state == "paid"
    assert Capture.objects.count() == LedgerTransaction.objects.filter(cause_kind="capture").count() == 1
    assert OutboxEvent.objects.filter(fact="order.paid").count() == 1


def test_32_looks_settle_once(world: World) -> None:
    world.press_pay()
    world.provider.pay(world.provider.the_payment())
    attempt_id = world.attempt.pk
    results = at_once(lambda number: look(attempt_id, clock=world.clock, actor=f"t{number}"))
    assert [result for result in results if isinstance(result, Exception)] == []
    assert world.order.state == "paid"
    assert Capture.objects.count() == LedgerTransaction.objects.filter(cause_kind="capture").count() == 1
    assert OutboxEvent.objects.filter(fact="order.paid").count() == 1


def test_pay_pressed_32_times_opens_one_page(world: World) -> None:
    answers = at_once(lambda _: world.press_pay())
    errors = [answer for answer in answers if isinstance(answer, Exception)]
    assert errors == []
    assert {answer.redirect_url for answer in answers} == {"https://pay.test/cs_1"}
    assert PaymentAttempt.objects.count() == ProviderCall.objects.count() == 1
    assert [verb for verb, _ in world.provider.calls if verb == "start"] == ["start"]


def test_32_different_events_of_one_payment_are_used_by_few_looks(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    at_once(lambda number: world.tell(payment, event_id=f"evt_{number}"))
    assert ProviderEvent.objects.count() == AT_ONCE
    at_once(lambda _: working.drain_looks(clock=world.clock), count=4)
    assert set(ProviderEvent.objects.values_list("state", flat=True)) == {"processed"}
    assert world.order.state == "paid"
    assert OutboxEvent.objects.filter(fact="order.paid").count() == 1


def test_32_forms_posted_at_once_pay_once(world: World) -> None:
    world.provider.capabilities = replace(world.provider.capabilities, **without_keys())
    world.provider.tells_of_unpaid = False
    world.press_pay()
    reference = world.attempt.reference

    def pay(number: int) -> PaymentAttempt:
        return checkout.pay_with_token(
            order_id=world.order_id, reference=reference, token=f"tok-{number}", clock=world.clock, actor="shopper"
        )

    assert [each for each in at_once(pay) if isinstance(each, Exception)] == []
    assert len(world.provider.tokens) == ProviderCall.objects.filter(operation="pay").count() == 1
    assert Capture.objects.count() == 1
    assert world.order.state == "paid"


def test_32_looks_at_an_approval_and_4_workers_capture_once(world: World) -> None:
    world.provider.capabilities = replace(world.provider.capabilities, moved_by_us=frozenset({Presentation.HOSTED}))
    world.press_pay()
    world.provider.approve(world.provider.the_payment())
    attempt_id = world.attempt.pk
    results = at_once(lambda number: look(attempt_id, clock=world.clock, actor=f"t{number}"))
    assert [result for result in results if isinstance(result, Exception)] == []
    at_once(lambda _: working.drain_looks(clock=world.clock), count=4)
    assert [verb for verb, _ in world.provider.calls if verb == "capture"] == ["capture"]
    assert Capture.objects.count() == ProviderCall.objects.filter(operation="capture").count() == 1
    assert world.order.state == "paid"


def test_two_providers_chosen_in_two_tabs_leave_one_live_attempt(world: World) -> None:
    answers = at_once(lambda number: world.press_pay("stripe" if number % 2 else "other"), count=8)
    live = [attempt for attempt in world.attempts if attempt.is_live]
    assert len(live) == 1
    assert any(not isinstance(answer, Exception) and answer.redirect_url for answer in answers)


def test_noting_whom_an_event_speaks_of_never_waits_in_a_ring_with_a_settlement(world: World) -> None:
    """settle() holds the attempt and takes the event; attach() holds the event and checks its foreign key."""
    world.press_pay()
    payment = world.provider.the_payment()
    world.tell(payment)
    event = ProviderEvent.objects.get()
    attempt = world.attempt
    attached = Barrier(2)

    def settling(_: int) -> None:
        with transaction.atomic():
            lock(attempt.pk)
            attached.wait()
            sleep(0.3)
            ProviderEvent.objects.filter(pk=event.pk).update(state="processed")

    def attaching(_: int) -> None:
        attached.wait()
        inbox.attach(event, attempt)

    acts = [settling, attaching]
    assert at_once(lambda number: acts[number](number), count=2) == [None, None]


@pytest.mark.parametrize("sqlstate", [DeadlockDetected, SerializationFailure])
def test_a_settlement_that_the_database_broke_off_is_made_again(
    world: World, monkeypatch: pytest.MonkeyPatch, sqlstate: type[Exception]
) -> None:
    world.press_pay()
    world.provider.pay(world.provider.the_payment())
    broken = [OperationalError("broken off")]
    broken[0].__cause__ = sqlstate()
    record = settlement.record_captures

    def breaks_once(*args: Any, **kwargs: Any) -> bool:
        record(*args, **kwargs)
        if broken:
            raise broken.pop()
        return True

    monkeypatch.setattr(settlement, "record_captures", breaks_once)
    look(world.attempt.pk, clock=world.clock, actor="test")
    assert world.order.state == "paid"
    assert Capture.objects.count() == LedgerTransaction.objects.filter(cause_kind="capture").count() == 1


def test_attaching_an_event_and_settling_it_never_wait_in_a_circle(world: World) -> None:
    """settle() holds the attempt, writes it, and then uses the event; attaching must not hold the event meanwhile."""
    world.press_pay()
    world.tell(world.provider.the_payment())
    event, attempt = ProviderEvent.objects.get(), world.attempt

    def attach() -> None:
        inbox.attach(event, attempt)
        connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            _, held = lock(attempt.pk)
            held.save()
            attaching = pool.submit(attach)
            wait_until_blocked()
            ProviderEvent.objects.filter(pk=event.pk).update(state="processed")
        attaching.result(timeout=5)
    event.refresh_from_db()
    assert (event.state, event.attempt) == ("processed", attempt)


def test_a_basket_that_is_just_being_ordered_is_not_forgotten(transactional_db: None, now: datetime) -> None:
    basket = basket_of(product(), now=now)

    def forget() -> int:
        try:
            return baskets.forget([basket.token])
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            placed = place_order(basket_token=basket.token, email="ann@example.com", locale="en_US", now=now)
            forgetting = pool.submit(forget)
            wait_until_blocked()
        assert forgetting.result(timeout=5) == 0
    assert Order.objects.get(pk=placed.pk).basket == basket


def wait_until_blocked() -> None:
    """Wait until another connection waits for a lock that this one holds."""
    deadline = time.monotonic() + 5
    with connections["default"].cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
            )
            if cursor.fetchone()[0]:
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")
