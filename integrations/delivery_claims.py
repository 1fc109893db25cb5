"""Claims due deliveries for a worker, in batches: lease, fencing token and the row of each try in one transaction.

Rows only; no network in here. Together with delivery_marks.py the only writer of Delivery and DeliveryAttempt between
the fan-out and the end, but for what people do with dead letters (dead_letters.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction

from integrations import breaker
from integrations.connectors import reads_related
from integrations.connectors.contract import Related, Verdict
from integrations.delivery_schedule import error_fingerprint, wait_seconds
from integrations.encryption import CannotDecrypt
from integrations.models import (
    AttemptOutcome,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Destination,
    Failure,
    breaker_of,
)
from integrations.related import related_to

CANDIDATES = 100
"""So many of a receiver's oldest due deliveries are looked through at once for those that wait for an earlier one."""

_MAY_BE_SENT_TO = """
    destination.active
    AND (breaker.id IS NULL OR breaker.state = 'closed' OR breaker.next_probe_at <= %(now)s)
"""

_WAITS_FOR_AN_EARLIER = """
    destination.ordered AND delivery.ordering_key <> '' AND EXISTS (
        SELECT FROM integrations_delivery AS earlier
        WHERE earlier.destination_id = delivery.destination_id AND earlier.ordering_key = delivery.ordering_key
            AND earlier.ordering_key <> '' AND earlier.id < delivery.id
            AND earlier.state <> 'delivered' AND earlier.skipped_at IS NULL
    )
"""

_FROM = """
    FROM integrations_destination AS destination
    LEFT JOIN integrations_breaker AS breaker ON breaker.destination_id = destination.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's right to one try, until its lease ends. `fence` proves it when the answer is written.

    `secrets`: what to sign with, None where it cannot be read. `probe`: the one try by which an open breaker finds out
    whether the receiver is back.
    """

    delivery: Delivery
    fence: int
    number: int
    look_first: bool
    related: tuple[Related, ...] = ()
    secrets: tuple[str, ...] | None = field(default=(), repr=False)
    probe: bool = False


def has_due(now: datetime) -> bool:
    """Return whether a worker would find something to send at `now`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT {_FROM} WHERE {_MAY_BE_SENT_TO} AND EXISTS (
                SELECT FROM integrations_delivery AS delivery
                WHERE delivery.destination_id = destination.id AND delivery.state IN ('queued', 'sending')
                    AND delivery.not_before <= %(now)s
            ) LIMIT 1
            """,  # nosec B608: put together from the constants above
            {"now": now},
        )
        return cursor.fetchone() is not None


def claim(*, now: datetime, limit: int, room: Mapping[int, int] | None = None) -> list[Claim]:
    """Take up to `limit` due deliveries, and commit the row of each try before anything is sent.

    Free of gaps between workers: rows another one is taking are skipped. `room`: how many of a destination the caller
    takes at most, by its id; settings.DELIVERY_THREADS_A_RECEIVER of one that is not named. A row whose lease has ended
    belongs to whoever takes it next; see `_take_over`.
    """
    with transaction.atomic(durable=True):
        rows = _due(now=now, limit=limit, room=room or {})
        _close_unfinished([row for row in rows if row.state == DeliveryState.SENDING], now=now)
        taken = [row for row in rows if row.state == DeliveryState.QUEUED or _take_over(row, now=now)]
        probes = {row.pk: known.pk for row in taken if (known := breaker_of(row.destination)) and known.is_away}
        taken = [row for row in taken if row.pk not in probes or breaker.take_probe(probes[row.pk], now=now)]
        if taken:
            _begin([row.pk for row in taken], now=now)
    # Once a receiver, and here: the record of the opening may be a row, and the threads of a drain touch none.
    secrets = {each.pk: _signing_secrets(each, now=now) for each in {row.destination for row in taken}}
    return [
        Claim(
            delivery=row,
            fence=row.fence + 1,
            number=row.tries + 1,
            look_first=row.outcome_unknown,
            related=related_to(row) if reads_related(row.destination.kind) else (),
            secrets=secrets[row.destination_id],
            probe=row.pk in probes,
        )
        for row in taken
    ]


def unclaimed(row: Delivery, *, now: datetime) -> Claim:
    """Return what a claim of this row would carry, with no right to send or mark anything: to ask its receiver."""
    related = related_to(row) if reads_related(row.destination.kind) else ()
    secrets = _signing_secrets(row.destination, now=now)
    return Claim(delivery=row, fence=0, number=0, look_first=True, related=related, secrets=secrets)


_CLAIM = f"""
    WITH oldest AS MATERIALIZED (
        SELECT due.id FROM integrations_destination AS destination
        CROSS JOIN LATERAL (
            SELECT id FROM integrations_delivery AS due
            WHERE due.destination_id = destination.id AND due.state IN ('queued', 'sending')
                AND due.not_before <= %(now)s
            ORDER BY due.not_before, due.id LIMIT {CANDIDATES}
        ) AS due
        WHERE destination.active AND destination.ordered
    ),
    put_aside AS (
        UPDATE integrations_delivery SET not_before = %(later)s WHERE id IN (
            SELECT delivery.id FROM oldest
            JOIN integrations_delivery AS delivery ON delivery.id = oldest.id
            JOIN integrations_destination AS destination ON destination.id = delivery.destination_id
            WHERE delivery.state = 'queued' AND {_WAITS_FOR_AN_EARLIER}
            FOR UPDATE OF delivery SKIP LOCKED
        )
    )
    SELECT due.id {_FROM}
    LEFT JOIN unnest(%(known)s::bigint[], %(room)s::int[]) AS known(id, room) ON known.id = destination.id
    CROSS JOIN LATERAL (
        SELECT delivery.id, delivery.not_before FROM integrations_delivery AS delivery
        WHERE delivery.destination_id = destination.id AND delivery.state IN ('queued', 'sending')
            AND delivery.not_before <= %(now)s AND NOT ({_WAITS_FOR_AN_EARLIER})
        ORDER BY delivery.not_before, delivery.id
        LIMIT CASE WHEN breaker.state IN ('open', 'half_open') THEN 1 ELSE coalesce(known.room, %(share)s) END
        FOR UPDATE OF delivery SKIP LOCKED
    ) AS due
    WHERE {_MAY_BE_SENT_TO}
    ORDER BY due.not_before, due.id LIMIT %(limit)s
"""  # nosec B608: put together from the constants above
"""What waits for an earlier delivery is put aside by the way, so that it does not stand before the others again."""


def _due(*, now: datetime, limit: int, room: Mapping[int, int]) -> list[Delivery]:
    """Lock and return due rows, oldest first: of one destination no more than its share, or one as a probe."""
    with connection.cursor() as cursor:
        cursor.execute(
            _CLAIM,
            {
                "now": now,
                "later": now + timedelta(seconds=settings.DELIVERY_ORDER_RECHECK_SECONDS),
                "share": settings.DELIVERY_THREADS_A_RECEIVER,
                "known": list(room),
                "room": list(room.values()),
                "limit": limit,
            },
        )
        ids = [row[0] for row in cursor.fetchall()]
    if not ids:
        return []
    rows = list(Delivery.objects.filter(pk__in=ids).select_related("event").order_by("not_before", "pk"))
    # Of receivers there are few: read each once, not with every row.
    known = Destination.objects.select_related("breaker").in_bulk({row.destination_id for row in rows})
    for row in rows:
        row.destination = known[row.destination_id]
    return rows


_BEGIN = """
    WITH taken AS (
        UPDATE integrations_delivery SET state = 'sending', fence = fence + 1, tries = tries + 1, not_before = %(until)s
        WHERE id = ANY(%(ids)s) RETURNING id, tries
    )
    INSERT INTO integrations_deliveryattempt (delivery_id, number, started_at, outcome, failure, detail)
    SELECT id, tries, %(now)s, '', '', '' FROM taken
"""
_GIVE_BACK = """
    WITH back AS (
        UPDATE integrations_delivery AS delivery SET state = 'queued', tries = tries - 1, not_before = %(now)s
        FROM unnest(%(ids)s::bigint[], %(fences)s::int[]) AS unsent(id, fence)
        WHERE delivery.id = unsent.id AND delivery.fence = unsent.fence AND delivery.state = 'sending'
        RETURNING delivery.id, delivery.tries + 1 AS number
    )
    DELETE FROM integrations_deliveryattempt AS attempt USING back
    WHERE attempt.delivery_id = back.id AND attempt.number = back.number AND attempt.outcome = ''
"""


def _begin(ids: list[int], *, now: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, {"ids": ids, "now": now, "until": now + timedelta(seconds=settings.LEASE_SECONDS)})


def give_back(claims: Sequence[Claim], *, now: datetime) -> None:
    """Let go of claims of which nothing was sent: they are due as before, and no try was made."""
    if not claims:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _GIVE_BACK,
            {"now": now, "ids": [each.delivery.pk for each in claims], "fences": [each.fence for each in claims]},
        )
    for each in claims:
        if each.probe:
            whose = breaker.Subject(destination_id=each.delivery.destination_id)
            breaker.note(whose, breaker.Seen(sign=breaker.Sign.UNCLEAR, probe=True), now=now)


def _close_unfinished(rows: list[Delivery], *, now: datetime) -> None:
    for row in rows:
        DeliveryAttempt.objects.filter(delivery=row, number=row.tries, outcome="").update(
            finished_at=now, outcome=AttemptOutcome.UNFINISHED
        )


def _take_over(row: Delivery, *, now: datetime) -> bool:
    """Decide about a row whose worker never came back: take it now (True), queue it for later, or give it up.

    The first time it is taken at once. If it happens again, this row may be what kills the workers: it waits, so that
    those beside it get through without it, and after settings.DELIVERY_UNFINISHED_TRIES in a row it is dead.
    """
    row.unfinished_tries += 1
    row.outcome_unknown = True
    if row.unfinished_tries >= settings.DELIVERY_UNFINISHED_TRIES:
        row.state, row.died_at, row.dead_reason = DeliveryState.DEAD, now, Failure.TIMEOUT
        row.last_failure, row.last_detail = Failure.TIMEOUT, f"{row.unfinished_tries} workers in a row never came back."
        row.error_fingerprint = error_fingerprint(Verdict(failure=Failure.TIMEOUT, detail=row.last_detail))
    elif row.unfinished_tries > 1:
        row.state = DeliveryState.QUEUED
        row.not_before = now + timedelta(seconds=wait_seconds(row.tries - row.tries_before_replay))
    row.save()
    return row.state == DeliveryState.SENDING


def _signing_secrets(destination: Destination, *, now: datetime) -> tuple[str, ...] | None:
    try:
        return destination.signing_secrets(now=now)
    except CannotDecrypt:
        return None
