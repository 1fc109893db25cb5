"""Disabling and enabling a receiver. Disabled, it gets no new facts, and those it has wait. Pausing: breaker.py."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from integrations.models import Destination
from integrations.wakeups import nudge

DATED_EARLIER = timedelta(minutes=10)
"""A fact may be recorded so long after the time it is dated by: its transaction began earlier, on another clock."""


class ReceiverRefused(Exception):
    """The receiver does not stand as it must for this; the message says how it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """What a disabled receiver was not told: facts it wants that were recorded since `since`."""

    count: int
    since: datetime | None


def disable(destination_id: int, *, reason: str, now: datetime) -> Destination:
    """Send nothing more to a receiver, and queue nothing for it. Raises ReceiverRefused."""
    if not reason.strip():
        raise ReceiverRefused("Say why it is disabled; whoever finds it so has to know.")
    with transaction.atomic():
        row = Destination.objects.select_for_update().get(pk=destination_id)
        if not row.active:
            raise ReceiverRefused(f"{row.name} is disabled already.")
        row.active, row.disabled_at, row.disabled_reason = False, now, reason.strip()[:300]
        row.save(update_fields=["active", "disabled_at", "disabled_reason"])
    return row


def missed(destination: Destination) -> Missed:
    """Return how many facts `enable(…, catch_up=True)` would queue."""
    if destination.active or destination.disabled_at is None:
        return Missed(count=0, since=None)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {_MISSED}", _values(destination))  # nosec B608: a constant
        [count] = cursor.fetchone() or (0,)
    return Missed(count=count, since=destination.disabled_at)


def enable(destination_id: int, *, catch_up: bool, now: datetime) -> int:
    """Tell a disabled receiver of facts again, what has waited first; return how many were queued that it missed.

    `catch_up`: also of those that were recorded while it was disabled. Waits for the transactions that are recording
    some right now (outbox.py). Raises ReceiverRefused.
    """
    with transaction.atomic():
        row = Destination.objects.select_for_update().get(pk=destination_id)
        if row.active:
            raise ReceiverRefused(f"{row.name} is not disabled.")
        queued = _catch_up(row, now=now) if catch_up and row.disabled_at is not None else 0
        row.active, row.disabled_at, row.disabled_reason = True, None, ""
        row.save(update_fields=["active", "disabled_at", "disabled_reason"])
        nudge("deliver")
    return queued


_MISSED = """
    FROM integrations_outboxevent AS event
    WHERE event.created_at >= %(since)s AND event.created_at >= %(made)s AND event.fact = ANY(%(facts)s)
    AND NOT EXISTS (
        SELECT FROM integrations_delivery AS delivery
        WHERE delivery.event_id = event.id AND delivery.destination_id = %(destination)s
    )
"""


def _values(destination: Destination) -> dict[str, Any]:
    return {
        "since": destination.disabled_at - DATED_EARLIER if destination.disabled_at else None,
        "made": destination.created_at,
        "facts": list(destination.facts),
        "destination": destination.pk,
    }


def _catch_up(destination: Destination, *, now: datetime) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO integrations_delivery (
                event_id, destination_id, key, state, ordering_key, queued_at, not_before, fence, tries,
                tries_before_replay, unfinished_tries, outcome_unknown, last_failure, last_detail, dead_reason
            )
            SELECT event.id, %(destination)s, 'msg_' || replace(gen_random_uuid()::text, '-', ''), 'queued',
                event.ordering_key, %(now)s, %(now)s, 0, 0, 0, 0, false, '', '', '' {_MISSED} ORDER BY event.id
            """,  # nosec B608: put together from the constants above
            {**_values(destination), "now": now},
        )
        return int(cursor.rowcount)
