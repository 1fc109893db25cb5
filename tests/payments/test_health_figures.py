"""The figures of status, /metrics and the monitoring page: each is right, and each is cheap."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from integrations import breaker
from integrations.models import Delivery, DeliveryState, Heartbeat
from orders.models import Order
from payments.cases.opening import open_case
from payments.models import PaymentAttempt, ProviderEvent
from payments.models.case import CaseKind
from payments.monitoring import figures as health_figures
from payments.monitoring.figures import Waiting
from payments.states import EventState
from tests.integrations.deliveries import make_destination, tell

pytestmark = pytest.mark.django_db


def event(number: int, state: EventState, *, received_at: datetime, **fields: Any) -> ProviderEvent:
    return ProviderEvent.objects.create(
        provider="stripe",
        event_id=f"evt_{number}",
        type="t",
        mode="test",
        state=state,
        provider_created_at=received_at,
        received_at=received_at,
        body_sealed=b"",
        body_sha256="",
        **fields,
    )


def by_state(rows: tuple[Waiting, ...]) -> dict[str, tuple[int, datetime | None]]:
    return {row.state: (row.count, row.oldest) for row in rows}


def test_the_inbox_by_state_with_its_oldest(now: datetime) -> None:
    event(1, EventState.RECEIVED, received_at=now - timedelta(minutes=2))
    event(2, EventState.RECEIVED, received_at=now - timedelta(minutes=5))
    event(3, EventState.DEAD, received_at=now - timedelta(days=1))
    event(4, EventState.PROCESSED, received_at=now - timedelta(days=9))
    assert by_state(health_figures.inbox()) == {
        "received": (2, now - timedelta(minutes=5)),
        "failed": (0, None),
        "parked": (0, None),
        "unverified": (0, None),
        "dead": (1, now - timedelta(days=1)),
    }


def test_counting_ends_where_more_tells_nothing_more(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_figures, "MOST_COUNTED", 2)
    for number in range(4):
        event(number, EventState.RECEIVED, received_at=now - timedelta(minutes=number))
    assert by_state(health_figures.inbox())["received"] == (2, now - timedelta(minutes=3))


def test_what_each_receiver_has_not_got(now: datetime) -> None:
    make_destination(now=now, name="crm")
    paused = make_destination(now=now, name="erp", owner="Ida")
    breaker.pause(breaker.Subject(destination_id=paused.pk), actor="user:7", reason="moves house", now=now)
    tell(now=now - timedelta(minutes=9))
    tell(now=now - timedelta(minutes=4))
    first = Delivery.objects.filter(destination__name="crm").order_by("pk")[0]
    Delivery.objects.filter(pk=first.pk).update(state=DeliveryState.SENDING)
    Delivery.objects.filter(pk=first.pk).update(state=DeliveryState.DEAD, died_at=now, dead_reason="exceeded")
    crm, erp = health_figures.receivers(now=now)
    assert (crm.name, crm.unsent.count, crm.unsent.oldest, crm.due) == ("crm", 1, now - timedelta(minutes=4), 1)
    assert (crm.dead.count, crm.dead.oldest) == (1, now)
    assert (erp.unsent.count, erp.unsent.oldest, erp.paused) == (2, now - timedelta(minutes=9), True)
    assert (erp.owner, erp.pause_reason) == ("Ida", "moves house")
    assert by_state(health_figures.deliveries((crm, erp))) == {
        "queued": (3, now - timedelta(minutes=9)),
        "sending": (0, None),
        "dead": (1, now),
    }


def test_open_cases_by_kind(now: datetime) -> None:
    with transaction.atomic():
        for number in (1, 2):
            open_case(
                CaseKind.DEAD_EVENT,
                subject_kind="event",
                subject_id=number,
                ours="a",
                theirs="b",
                suggested_fix="c",
                at=now + timedelta(hours=number),
            )
    [row] = health_figures.open_cases()
    assert (row.kind, row.count, row.unowned, row.oldest) == ("dead_event", 2, 2, now + timedelta(hours=1))


def test_a_process_that_never_beat_is_told(now: datetime) -> None:
    Heartbeat.objects.create(name="look", host="a", pid=1, beaten_at=now - timedelta(seconds=30))
    Heartbeat.objects.create(name="look", host="b", pid=1, beaten_at=now)
    beats = {beat.name: (beat.last, beat.hosts) for beat in health_figures.heartbeats()}
    assert beats == {"look": (now, 2), "deliver": (None, 0), "keep": (None, 0), "tick": (None, 0)}


def test_how_looking_goes(now: datetime, order: Order) -> None:
    PaymentAttempt.objects.create(
        order=order,
        provider="stripe",
        amount_minor=1,
        currency="EUR",
        created_at=now,
        mode="test",
        looked_at=now - timedelta(minutes=3),
        look_failures=2,
        look_error="no answer",
        next_look_at=now - timedelta(seconds=20),
    )
    stripe, other = health_figures.looks(("stripe", "other"))
    assert (stripe.last_answered, stripe.failing, stripe.error) == (now - timedelta(minutes=3), 1, "no answer")
    assert (other.last_answered, other.failing, other.error) == (None, 0, "")
    overdue = health_figures.looks_overdue(now=now)
    assert (overdue.count, overdue.oldest) == (1, now - timedelta(seconds=20))
    assert [(row.provider, row.state, row.count) for row in health_figures.live_attempts()] == [
        ("stripe", "created", 1)
    ]


def test_lag_over_the_newest(now: datetime) -> None:
    for number, seconds in enumerate((1, 2, 3, 40)):
        event(number, EventState.PROCESSED, received_at=now, finished_at=now + timedelta(seconds=seconds))
    event(9, EventState.IGNORED, received_at=now, finished_at=now + timedelta(hours=1))
    lag = health_figures.inbox_lag()
    assert (lag.rows, lag.median_seconds, lag.p95_seconds, lag.max_seconds) == (4, 3, 40, 40)
    assert health_figures.delivery_lag().rows == 0


def test_no_query_reads_a_whole_table(now: datetime) -> None:
    """Every plan is by index once sequential scans are priced out, so a partial index fits each query."""
    make_destination(now=now)
    with CaptureQueriesContext(connection) as queries:
        health_figures.inbox()
        health_figures.provider_calls()
        health_figures.receivers(now=now)
        health_figures.open_cases()
        health_figures.live_attempts()
        health_figures.looks(("stripe",))
        health_figures.looks_overdue(now=now)
        health_figures.inbox_lag()
        health_figures.delivery_lag()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        # Else few rows are sorted, whatever index there is.
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        for query in queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            # Of receivers and hosts there are few. A sort reads all it sorts, except where few rows are left.
            assert "integrations_destination" in plan or "Seq Scan" not in plan, plan
            assert (
                "ORDER BY" not in query["sql"]
                or "GROUP BY" in query["sql"]
                or "Sort" not in plan
                or ("look_failures" in query["sql"] or "integrations_destination" in plan)
            ), plan
