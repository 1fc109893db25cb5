"""Many workers on the same rows, on PostgreSQL: each delivery is one worker's at a time."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import TypeVar

import pytest
from django.db import connections

from integrations import dead_letters, delivery
from integrations.connectors.contract import Verdict
from integrations.models import Delivery, DeliveryAttempt, Failure
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
