"""`make bench`: claiming and grouping stay quick with 1,000,000 deliveries, most of them delivered long ago."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations import dead_letters, delivery, delivery_claims
from integrations.models import Delivery, Destination, OutboxEvent
from tests.benchmarks.figures import Figure, figure, missed, print_table
from tests.benchmarks.filling import MILLION, RECEIVERS, fill, first_key, insert

pytestmark = [pytest.mark.bench, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

ROUNDS = 5
DUE, ASLEEP, BEHIND = 20_000, 100_000, 5_000
"""Deliveries that may be sent now, that wait for their time, and that wait for an earlier one about their order."""


def test_a_million_deliveries_stand_in_nobodys_way() -> None:
    before = os.getloadavg()
    fill(Destination, OutboxEvent, Delivery)
    _queue_more()
    now = timezone.now()
    Destination.objects.update(ordered=True, facts=["order.paid"])
    room = {each.pk: 32 for each in Destination.objects.all()}
    acts: list[tuple[str, Callable[[], Any], float]] = [
        ("is anything due", lambda: delivery.has_due(now), 20),
        ("claim 32 of each of 4 ordered receivers", lambda: _claim(room), 100),
        ("claim where nothing is due", lambda: _claim(dict.fromkeys(room, 0)), 20),
        ("groups of dead letters", dead_letters.groups_of_dead, 100),
        ("preview of a replay", lambda: dead_letters.preview_replay(dead_letters.DeadFilter()), 100),
    ]
    with CaptureQueriesContext(connection) as queries:
        for _, act, _ in acts:
            act()
    _refuse_whole_tables([query["sql"] for query in queries])
    figures = [_measure(name, act, at_most=at_most) for name, act, at_most in acts]
    print_table(figures, before=before)
    assert not missed(figures), f"missed: {'; '.join(missed(figures))}"


def _claim(room: dict[int, int]) -> None:
    """Claim, and give back, so that each round meets the same."""
    now = timezone.now()
    delivery_claims.give_back(delivery.claim(now=now, limit=128, room=room), now=now)


def _measure(name: str, act: Callable[[], Any], *, at_most: float) -> Figure:
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        act()
        took.append((time.perf_counter() - began) * 1000)
    return figure(f"{name}, {MILLION:,} deliveries", took, " ms", at_most=at_most)


def _queue_more() -> None:
    fact, receiver = first_key(OutboxEvent), first_key(Destination)
    after = OutboxEvent.objects.using("owner").count()
    total = DUE + ASLEEP + BEHIND
    insert(OutboxEvent, total, uid="gen_random_uuid()", fact="'order.paid'", subject_kind="'order'", subject_id="n",
           payload="'{}'::jsonb", created_at="now()")  # fmt: skip
    insert(
        Delivery,
        total,
        event_id=f"{fact} + {after} + n - 1",
        destination_id=f"{receiver} + n % {RECEIVERS}",
        key="'msg_more_' || n",
        state="'queued'",
        # The last ones are about orders that have one before them.
        ordering_key=f"'order:' || CASE WHEN n > {DUE + ASLEEP} THEN n - {DUE + ASLEEP} ELSE n END",
        queued_at="now()",
        not_before=f"now() + CASE WHEN n BETWEEN {DUE + 1} AND {DUE + ASLEEP} THEN interval '1 day' "
        "ELSE interval '-1 minute' END",
    )
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE integrations_delivery")
    assert timedelta(0) < timezone.now() - Delivery.objects.latest("pk").not_before


def _refuse_whole_tables(queries: list[str]) -> None:
    """Ask the planner, with the statistics of a million rows, for each query that was made."""
    with connection.cursor() as cursor:
        for query in dict.fromkeys(queries):
            if "integrations_delivery" not in query or query.startswith(("SAVEPOINT", "RELEASE")):
                continue
            cursor.execute(f"EXPLAIN {query}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan on integrations_delivery " not in plan, f"{query}\n{plan}"
