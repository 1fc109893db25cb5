"""PostgreSQL goes away, has no connection to give, or holds a lock (FAULTS.md 28, 29, 31)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.paying import Order
from tests.faults.world import World, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

FIRST_SUCCESS_SECONDS = 2
WORKERS_GO_ON_SECONDS = 5
MIGRATION_GIVES_UP_SECONDS = 15
AWAY = ("connection", "the database system is", "too many connections")


def test_postgresql_dies_and_comes_back(world: World) -> None:
    """Fault 28: 503 meanwhile; the first event is taken at most 2 s after it is back; nothing is lost."""
    world.expected += AWAY
    order = Order(world)
    page = order.visitor.open_page(order.token)
    world.kill_database()
    try:
        paid = order.visitor.pay(page, "card")
        assert order.visitor.browser.hop(paid).status == 503
        wait_until(lambda: len(webhook_answers(world)) >= 3, world)
    finally:
        away_until = time.time()
        world.bring_database_back()
    back = time.time()
    order.visitor.come_back(paid)
    order.ends_well()
    answers = webhook_answers(world)
    assert {status for at, status in answers if at < away_until} == {503}
    assert min(at for at, status in answers if status == 200) - back <= FIRST_SUCCESS_SECONDS
    world.await_workers()


def test_the_workers_ride_out_a_database_that_is_away(world: World) -> None:
    """Fault 28, for who waits on the queue: they go on at once. (django-q2's own pusher would sleep for 10 s.)"""
    world.expected += AWAY
    order = Order(world, webhooks="held")
    paid = order.pay()
    world.kill_database()
    wait_until(lambda: "broker_away" in world.said("deliver"), world)
    world.bring_database_back()
    back = time.monotonic()
    order.visitor.come_back(paid)
    wait_until(lambda: any(row["state"] == "delivered" for row in paid_deliveries(world, order)), world, every=0.02)
    took = time.monotonic() - back
    order.events_come()
    order.ends_well()
    assert took <= WORKERS_GO_ON_SECONDS, f"the first delivery left {took:.1f} s after it was back"


def test_every_connection_is_cut(world: World) -> None:
    """Fault 29: a firewall forgets them, or somebody restarts the pooler, at every step of a payment."""
    world.expected += AWAY
    order = Order(world, webhooks="held")
    world.cut_connections()
    page = order.visitor.open_page(order.token)
    world.cut_connections()
    paid = order.visitor.pay(page, "card")
    world.cut_connections()
    order.visitor.come_back(paid)
    world.cut_connections()
    order.events_come()
    world.cut_connections()
    order.ends_well()


def test_connections_are_used_up(world: World) -> None:
    """Fault 29: nobody gets a new one. 503 meanwhile, and never a 2xx for an event; then it recovers by itself."""
    world.expected += AWAY
    order = Order(world)
    page = order.visitor.open_page(order.token)
    with world.connect(superuser=True) as connection:
        connection.execute("ALTER ROLE shop_app CONNECTION LIMIT 0")
        try:
            world.cut_connections()
            paid = order.visitor.pay(page, "card")
            assert order.visitor.browser.hop(paid).status == 503
            wait_until(lambda: len(webhook_answers(world)) >= 3, world)
            meanwhile = {status for _, status in webhook_answers(world)}
        finally:
            connection.execute("ALTER ROLE shop_app CONNECTION LIMIT -1")
    back = time.time()
    order.visitor.come_back(paid)
    order.ends_well()
    assert meanwhile == {503}
    answers = webhook_answers(world)
    assert min(at for at, status in answers if status == 200) - back <= FIRST_SUCCESS_SECONDS


def test_a_migration_waits_for_a_lock_under_load(world: World) -> None:
    """Fault 31: it gives up after its lock_timeout, before those who queue behind it do; nothing is lost."""
    world.expected += ("lock timeout",)
    order = Order(world)
    page = order.visitor.open_page(order.token)
    with ThreadPoolExecutor(1) as pool, world.connect(superuser=True) as reader, reader.transaction():
        reader.execute("SELECT count(*) FROM payments_paymentattempt")  # a long report
        migration = pool.submit(world.manage, "shell", "-c", MIGRATION)
        wait_until(lambda: _waits_for_a_lock(world), world)
        paid = order.visitor.pay(page, "card")
        assert "lock timeout" in migration.result(timeout=MIGRATION_GIVES_UP_SECONDS)
    order.visitor.come_back(paid)
    order.ends_well()


MIGRATION = """
from django.db import OperationalError, connections
try:
    connections["owner"].cursor().execute("ALTER TABLE payments_paymentattempt ADD COLUMN a_test integer")
except OperationalError as error:
    print(error)
"""


def _waits_for_a_lock(world: World) -> bool:
    return bool(
        world.value(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE%%'"
        )
    )


def webhook_answers(world: World) -> list[tuple[float, int | None]]:
    """Return when each event was answered (seconds since the epoch), and how."""
    return [
        (attempt.at + attempt.seconds, attempt.status)
        for delivery in world.control.deliveries()
        for attempt in delivery.attempts
    ]


def paid_deliveries(world: World, order: Order) -> list[dict[str, object]]:
    return world.rows(
        """
        SELECT d.state FROM integrations_delivery d JOIN integrations_outboxevent e ON e.id = d.event_id
        WHERE e.subject_kind = 'order' AND e.subject_id = %s AND e.fact = 'order.paid'
        """,
        order.id,
    )
