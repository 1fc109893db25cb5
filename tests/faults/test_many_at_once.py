"""Orders of arrival and many at once, over HTTP against the real processes (FAULTS.md 9–12, 20)."""

from __future__ import annotations

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.histories import wait_until_paid
from tests.faults.paying import Order, at_once
from tests.faults.world import World, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


def test_an_event_comes_before_its_attempt_knows_the_providers_ids(world: World) -> None:
    """Fault 11: the worker that opened the page stalls before it stores the answer, and money comes all the same."""
    order = Order(world)
    world.arm("web", "call.after_send", signal_number=signal.SIGSTOP)
    with ThreadPoolExecutor(max_workers=1) as pool:
        pressed = pool.submit(order.visitor.press_once, order.token)
        wait_until(lambda: "call.after_send" in world.fired("web"), world)
        assert [attempt["page_id"] for attempt in order.attempts()] == [""]
        (page,) = order.pages()
        world.control.pay(page["id"])
        wait_until(order.is_paid, world)
        os.kill(world.fired("web")["call.after_send"], signal.SIGCONT)
        assert pressed.result(timeout=20) is None, "a paid order opens no page"
    assert [attempt["page_open"] for attempt in order.attempts()] == [False]
    order.ends_well()


def test_the_browser_and_the_events_come_back_at_the_same_moment(world: World) -> None:
    """Fault 9. Each alone, first and last, is in test_failpoints.py."""
    for _ in range(5):
        order = Order(world, webhooks="held")
        paid = order.pay()
        barrier = threading.Barrier(2)

        def release(meeting: threading.Barrier = barrier) -> None:
            meeting.wait()
            world.control.release(order="reversed")

        releasing = threading.Thread(target=release)
        releasing.start()
        barrier.wait()
        order.visitor.come_back(paid)
        releasing.join()
        order.events_come()
        order.ends_well()


def test_one_event_delivered_32_times_at_once(world: World) -> None:
    """Fault 12: each answered 200, one row, one effect."""
    order = Order(world, webhooks="held")
    order.pay()
    (told,) = {delivery.event_id for delivery in world.control.deliveries() if delivery.type.endswith(".completed")}
    body = json.dumps(world.control.get(told)).encode()
    assert set(at_once(lambda: world.control.send_raw(body)[0])) == {200}
    assert world.value("SELECT count(*) FROM payments_providerevent WHERE event_id = %s", told) == 1
    wait_until_paid(world, order.id)
    order.events_come()
    order.ends_well()


def test_32_presses_of_pay_at_once_open_one_page(world: World) -> None:
    """Fault 10: double clicks and tabs."""
    order = Order(world)
    shopper = order.visitor.browser
    form = shopper.get(f"{world.shop}/pay/{order.token}/").form(f"/pay/{order.token}/")

    def press() -> tuple[int, str]:
        answer = shopper.submit(form)
        return answer.status, answer.location

    answers = set(at_once(press))
    assert len({location for status, location in answers if status == 303}) == 1, answers
    assert {status for status, _ in answers} <= {303, 503}
    assert len(order.attempts()) == len(order.pages()) == 1
    order.goes_on()


def test_a_deadlock_is_made_again(world: World) -> None:
    """Fault 20: somebody locks an order's rows in the opposite order; PostgreSQL breaks off our transaction (40P01)."""
    order = Order(world, webhooks="held")
    paid = order.pay()
    (attempt,) = order.attempts()
    world.arm("web", "look.after_fetch", signal_number=signal.SIGSTOP)
    with ThreadPoolExecutor(max_workers=1) as pool, world.connect(superuser=True) as other:
        returned = pool.submit(order.visitor.come_back, paid)
        wait_until(lambda: "look.after_fetch" in world.fired("web"), world)
        with other.transaction():
            other.execute(
                "SET LOCAL deadlock_timeout = '1min'"
            )  # so that it is ours that finds the deadlock, after 1 s
            other.execute("SELECT 1 FROM payments_paymentattempt WHERE id = %s FOR UPDATE", [attempt["id"]])
            os.kill(world.fired("web")["look.after_fetch"], signal.SIGCONT)
            wait_until(lambda: waits_for_a_lock(world), world, every=0.01)
            other.execute("SELECT 1 FROM orders_order WHERE id = %s FOR UPDATE", [order.id])
        returned.result(timeout=20)
    order.events_come()
    order.ends_well()
    assert "transaction_made_again" in world.said("web")


def waits_for_a_lock(world: World) -> bool:
    with world.connect(superuser=True) as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE usename = 'shop_app' AND wait_event_type = 'Lock'"
        ).fetchone()
    return found is not None
