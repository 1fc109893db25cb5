"""A later fact about the same order waits for the earlier one at an ordered receiver, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from integrations import dead_letters, delivery, outbox
from integrations.connectors.contract import Verdict
from integrations.facts import Fact
from integrations.models import Delivery, DeliverySkip, DeliveryState, Destination, Failure
from tests.integrations.deliveries import ScriptedConnector, connecting, make_destination

pytestmark = pytest.mark.django_db

AWAY = Verdict(failure=Failure.UNAVAILABLE, http_status=503)
REFUSED = Verdict(failure=Failure.PERMANENT, http_status=422, detail="The receiver answered 422.", hopeless=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def connector() -> Iterator[ScriptedConnector]:
    with connecting(ScriptedConnector()) as scripted:
        yield scripted


def drain(now: datetime) -> delivery.Drained:
    return delivery.drain(clock=lambda: now)


def record(now: datetime, *, order: int = 1, fact: str = Fact.ORDER_PAID, **more: Any) -> list[Delivery]:
    """Record a fact about an order; return its deliveries, in the order of their destinations."""
    with transaction.atomic():
        told = {"subject_kind": "order", "subject_id": order, "payload": {}, **more}
        event = outbox.record(fact, now=now, **told)
    return list(event.deliveries.order_by("destination_id"))


def state(row: Delivery) -> str:
    return Delivery.objects.values_list("state", flat=True).get(pk=row.pk)


def test_the_later_one_waits_until_the_earlier_one_is_confirmed(now: datetime, connector: ScriptedConnector) -> None:
    make_destination(now=now, ordered=True)
    connector.verdicts = [AWAY]
    [placed], [paid] = record(now, fact=Fact.ORDER_PLACED), record(now)

    assert drain(now) == delivery.Drained(failed=1)
    assert connector.sent == [placed.key]
    assert not delivery.has_due(now), "nobody spins on the one that waits"

    assert drain(now + HOUR) == delivery.Drained(delivered=2)
    assert connector.sent == [placed.key, placed.key, paid.key]


def test_while_the_earlier_one_is_on_its_way_the_later_one_stays(now: datetime) -> None:
    make_destination(now=now, ordered=True)
    [placed], [paid] = record(now, fact=Fact.ORDER_PLACED), record(now)
    (first,) = delivery.claim(now=now, limit=9)
    assert first.delivery == placed
    assert delivery.claim(now=now, limit=9) == []

    delivery.mark_all([(first, Verdict(delivered=True))], now=now)

    (second,) = delivery.claim(now=now, limit=9)
    assert second.delivery == paid


def test_other_orders_and_other_receivers_do_not_wait(now: datetime, connector: ScriptedConnector) -> None:
    make_destination(now=now, ordered=True)
    make_destination(now=now)
    first = record(now, order=1, fact=Fact.ORDER_PLACED)
    connector.of_key = {first[0].key: AWAY}
    assert drain(now) == delivery.Drained(delivered=1, failed=1)

    same, other = record(now, order=1), record(now, order=2)
    drain(now)
    assert [state(row) for row in (*same, *other)] == ["queued", "delivered", "delivered", "delivered"]


def test_facts_of_other_subjects_are_put_in_order_by_their_key(now: datetime, connector: ScriptedConnector) -> None:
    make_destination(now=now, ordered=True)
    connector.verdicts = [AWAY]
    record(now, order=7)
    [told] = record(now, fact=Fact.CASE_OPENED, subject_kind="case", subject_id=3, ordering_key="order:7")
    drain(now)
    assert (state(told), told.ordering_key) == ("queued", "order:7")
    assert dead_letters.waits_for(told) is not None


def test_the_switch_counts_for_what_is_queued_already(now: datetime, connector: ScriptedConnector) -> None:
    make_destination(now=now)
    connector.verdicts = [AWAY, AWAY]
    record(now, fact=Fact.ORDER_PLACED)
    drain(now)
    [paid] = record(now)
    Destination.objects.update(ordered=True)
    assert drain(now) == delivery.Drained()
    Destination.objects.update(ordered=False)
    assert drain(now + timedelta(seconds=30)).failed + drain(now + timedelta(seconds=30)).delivered > 0
    assert paid.key in connector.sent


def test_many_that_wait_do_not_stand_in_the_way_of_the_others(now: datetime, connector: ScriptedConnector) -> None:
    make_destination(now=now, ordered=True)
    connector.verdicts = [REFUSED]
    record(now, order=1)
    drain(now)
    for _ in range(450):
        record(now, order=1)
    [other] = record(now + timedelta(seconds=1), order=2)
    drained = drain(now + timedelta(seconds=1))
    assert drained == delivery.Drained(delivered=1)
    assert state(other) == DeliveryState.DELIVERED
    for _ in range(3):
        delivery.claim(now=now + timedelta(seconds=1), limit=9)
    assert not delivery.has_due(now + timedelta(seconds=2))


def test_a_dead_letter_in_front_holds_up_its_order_until_a_person_decides(
    now: datetime, connector: ScriptedConnector
) -> None:
    make_destination(now=now, ordered=True)
    connector.verdicts = [REFUSED]
    [placed], [paid] = record(now, fact=Fact.ORDER_PLACED), record(now)
    assert drain(now) == delivery.Drained(dead=1)
    assert drain(now + 100 * HOUR) == delivery.Drained(), "it waits, however long"
    front = dead_letters.waits_for(Delivery.objects.get(pk=paid.pk))
    assert front == placed
    assert dead_letters.why_waiting(Delivery.objects.get(pk=paid.pk)) == (
        f"It waits for delivery {placed.pk} (order.placed) about the same order, "
        "which is dead: replay or skip that one."
    )

    dead_letters.redeliver(Delivery.objects.filter(pk=placed.pk), actor="user:7", reason="mended", now=now + 100 * HOUR)
    assert drain(now + 101 * HOUR) == delivery.Drained(delivered=2)
    assert connector.sent == [placed.key, placed.key, paid.key]
    assert dead_letters.why_waiting(Delivery.objects.get(pk=paid.pk)) == ""


def test_a_skipped_one_stays_dead_and_lets_the_others_pass(now: datetime, connector: ScriptedConnector) -> None:
    make_destination(now=now, ordered=True)
    connector.verdicts = [REFUSED]
    [placed], [paid] = record(now, fact=Fact.ORDER_PLACED), record(now)
    drain(now)

    skipped = dead_letters.skip(Delivery.objects.all(), actor="user:7", reason="they booked it by hand", now=now)

    assert skipped == [placed.pk]
    assert drain(now) == delivery.Drained(delivered=1)
    assert connector.sent == [placed.key, paid.key]
    row = Delivery.objects.get(pk=placed.pk)
    assert (row.state, row.skipped_at) == (DeliveryState.DEAD, now)
    kept = DeliverySkip.objects.get()
    assert (kept.delivery_id, kept.actor, kept.reason) == (placed.pk, "user:7", "they booked it by hand")
    assert dead_letters.skip(Delivery.objects.all(), actor="user:7", reason="again", now=now) == []

    dead_letters.redeliver(Delivery.objects.filter(pk=placed.pk), actor="user:7", reason="after all", now=now)
    assert Delivery.objects.get(pk=placed.pk).skipped_at is None


def test_a_wake_up_that_was_lost_costs_half_a_minute(now: datetime, connector: ScriptedConnector) -> None:
    make_destination(now=now, ordered=True)
    [placed], [paid] = record(now, fact=Fact.ORDER_PLACED), record(now)
    (first,) = delivery.claim(now=now, limit=1)
    delivery.claim(now=now, limit=9)  # puts the later one aside
    Delivery.objects.filter(pk=placed.pk).update(state="delivered", delivered_at=now)
    assert first.delivery == placed
    assert drain(now + timedelta(seconds=29)) == delivery.Drained()
    assert drain(now + timedelta(seconds=30)) == delivery.Drained(delivered=1)
    assert state(paid) == DeliveryState.DELIVERED


def test_no_question_about_deliveries_reads_the_whole_table(now: datetime, connector: ScriptedConnector) -> None:
    """By index, once sequential scans are priced out; tests/benchmarks asks again with a million rows."""
    make_destination(now=now, ordered=True)
    connector.verdicts = [REFUSED, AWAY]
    [first], [second] = record(now, fact=Fact.ORDER_PLACED), record(now)
    with CaptureQueriesContext(connection) as queries:
        delivery.has_due(now)
        drain(now)
        chosen = dead_letters.DeadFilter(fingerprint=Delivery.objects.get(pk=first.pk).error_fingerprint)
        dead_letters.groups_of_dead(chosen)
        dead_letters.preview_replay(chosen)
        dead_letters.waits_for(second)
        dead_letters.skip(Delivery.objects.filter(pk=first.pk), actor="user:7", reason="x", now=now)
        drain(now)
        dead_letters.dead_without_case().exists()
    asked = [
        query["sql"]
        for query in queries
        if '"integrations_delivery' in query["sql"] or " integrations_delivery" in query["sql"]
    ]
    assert len(asked) > 10
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in asked:
            if query.startswith("INSERT"):
                continue
            cursor.execute(f"EXPLAIN {query}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan on integrations_delivery " not in plan, f"{query}\n{plan}"
