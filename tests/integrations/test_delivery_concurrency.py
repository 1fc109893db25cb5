"""Many workers on the same rows, on PostgreSQL: each delivery is one worker's at a time."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import pytest
from django.db import connection, connections, transaction

from integrations import dead_letters, delivery
from integrations.connectors.contract import Verdict
from integrations.models import Delivery, DeliveryAttempt, Destination, Failure
from tests.integrations.deliveries import ScriptedConnector, connecting, make_destination, tell

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 8
T = TypeVar("T")


def all_at_once(work: Callable[[], T]) -> list[T]:
    """Run `work` in WORKERS threads, released together."""
    barrier = threading.Barrier(WORKERS)

    def job(_: int) -> T:
        try:
            barrier.wait()
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(job, range(WORKERS)))


def test_one_row_goes_to_one_of_many_workers(now: datetime) -> None:
    make_destination(now=now)
    for number in range(1, 11):
        (row,) = tell(now=now)
        claims = all_at_once(lambda: delivery.claim(now=now, limit=9))
        assert [claimed.delivery.pk for found in claims for claimed in found] == [row.pk]
        assert DeliveryAttempt.objects.count() == number


def test_a_lease_that_ended_goes_to_one_of_many_workers(now: datetime) -> None:
    make_destination(now=now)
    (row,) = tell(now=now)
    delivery.claim(now=now, limit=1)
    claims = all_at_once(lambda: delivery.claim(now=now + timedelta(seconds=45), limit=9))
    assert [(claimed.delivery.pk, claimed.fence) for found in claims for claimed in found] == [(row.pk, 2)]


def test_many_drains_send_each_row_once(now: datetime) -> None:
    for _ in range(3):
        make_destination(now=now)
    for _ in range(20):
        tell(now=now)
    with connecting(ScriptedConnector()) as connector:
        drained = all_at_once(lambda: delivery.drain(clock=lambda: now))
    assert set(Counter(connector.sent).values()) == {1}
    assert sum(result.delivered for result in drained) == len(connector.sent) == 60
    assert not Delivery.objects.exclude(state="delivered").exists()


def test_only_one_of_many_answers_is_written(now: datetime) -> None:
    make_destination(now=now)
    tell(now=now)
    (claimed,) = delivery.claim(now=now, limit=1)
    verdict = Verdict(delivered=True)
    results = all_at_once(lambda: delivery.mark_all([(claimed, verdict)], now=now))
    assert sorted(results) == [["delivered"]] + [["stale"]] * (WORKERS - 1)


def test_only_one_of_many_replays_counts(now: datetime) -> None:
    make_destination(now=now)
    (row,) = tell(now=now)
    (claimed,) = delivery.claim(now=now, limit=1)
    delivery.mark_all([(claimed, Verdict(failure=Failure.PERMANENT, hopeless=True))], now=now)
    ids = all_at_once(
        lambda: dead_letters.redeliver(Delivery.objects.filter(pk=row.pk), actor="user:7", reason="x", now=now)
    )
    assert sorted(ids) == [[]] * (WORKERS - 1) + [[row.pk]]
    assert row.replays.count() == 1


def test_two_workers_hear_of_the_same_two_receivers_that_they_are_no_more(now: datetime) -> None:
    """In opposite orders: each would hold the one receiver that the other waits for."""
    receivers = [make_destination(now=now).pk for _ in range(2)]
    for _ in range(2):
        tell(now=now)
    claimed = sorted(delivery.claim(now=now, limit=9), key=lambda each: (each.delivery.event_id, each.delivery.pk))
    gone = Verdict(failure=Failure.PERMANENT, hopeless=True, gone=True, http_status=410, detail="Gone (410).")
    batches = [[(each, gone) for each in some] for some in (claimed[:2], claimed[:1:-1])]
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            assert (
                list(Destination.objects.select_for_update().values_list("pk", flat=True).order_by("pk")) == receivers
            )
            marking = [pool.submit(closing, partial(delivery.mark_all, batch, now=now)) for batch in batches]
            wait_until_waiting(2)
        assert [each.result(timeout=10) for each in marking] == [["dead", "dead"]] * 2
    assert not Destination.objects.filter(active=True).exists()


def closing(work: Callable[[], T]) -> T:
    """Run `work` in a thread of its own, with connections of its own."""
    try:
        return work()
    finally:
        connections.close_all()


def wait_until_waiting(count: int) -> None:
    """Wait until so many other connections wait for a lock."""
    deadline = time.monotonic() + 5
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0] >= count:
                return
            time.sleep(0.02)
    raise AssertionError("nobody waits")
