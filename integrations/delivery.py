"""Takes facts to their receivers: claim (lease, fencing token, the try's row) → send outside any transaction → mark.

The only writer of Delivery and DeliveryAttempt after the fan-out. Rows are touched by the calling thread only; the
threads of a drain do nothing but the network. At least once, under one key: a receiver that takes that key twice as
one effect, or can be asked for it, has it exactly once.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, QuerySet

from integrations import correlation
from integrations.connectors import CONNECTORS, reads_related
from integrations.connectors.contract import Connector, Message, Misconfigured, Receiver, Related, Verdict
from integrations.encryption import CannotDecrypt
from integrations.failpoints import failpoint
from integrations.models import (
    AttemptOutcome,
    Delivery,
    DeliveryAttempt,
    DeliveryReplay,
    DeliveryState,
    Destination,
    Failure,
)
from integrations.related import related_to
from integrations.wakeups import nudge

THREADS = 16
THREADS_A_RECEIVER = 4
"""So that a receiver that hangs leaves most of the threads to the others."""
REFUSED_TRIES = 8
"""A receiver that refuses the message (4xx, a redirect) may be mended within hours; after so many tries it is dead."""
UNFINISHED_TRIES = 5
"""A delivery whose worker died this often in a row is taken for the cause of it."""
RETRY_AFTER_MAX_SECONDS = 6 * 3600
LOOKUP_SECONDS = 3
_POLL_SECONDS = 0.25

log = structlog.get_logger(__name__)
_random = secrets.SystemRandom()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A worker's right to one try, until its lease ends. `fence` proves it when the answer is written.

    `secrets`: what to sign with, None where it cannot be read.
    """

    delivery: Delivery
    fence: int
    number: int
    look_first: bool
    related: tuple[Related, ...] = ()
    secrets: tuple[str, ...] | None = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What one drain did. `stale`: answers that came after the lease and were dropped."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    stale: int = 0


def has_due(now: datetime) -> bool:
    """Return whether a worker would find something to send at `now`."""
    return Delivery.objects.filter(
        state__in=[DeliveryState.QUEUED, DeliveryState.SENDING],
        not_before__lte=now,
        destination__active=True,
        destination__paused=False,
    ).exists()


def drain(*, clock: Callable[[], datetime]) -> Drained:
    """Deliver what is due until nothing is, or for settings.DRAIN_SECONDS; tries that run by then are waited for."""
    started = time.monotonic()
    done: Counter[str] = Counter()
    flying: dict[Future[Verdict], Claim] = {}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="deliver") as pool:
        while True:
            if time.monotonic() - started < settings.DRAIN_SECONDS and len(flying) < THREADS:
                for claimed in claim(now=clock(), limit=THREADS - len(flying), busy=_full(flying.values())):
                    failpoint("delivery.before_send")
                    flying[pool.submit(attempt, claimed, now=clock())] = claimed
            if not flying:
                return Drained(**done)
            finished, _ = wait(flying, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in finished:
                claimed, verdict = flying.pop(future), future.result()
                if verdict.delivered:
                    failpoint("delivery.after_send")
                done[mark(claimed, verdict, now=clock())] += 1
                failpoint("delivery.after_mark")


def claim(*, now: datetime, limit: int, busy: Collection[int] = ()) -> list[Claim]:
    """Take up to `limit` due deliveries, and commit the row of each try before anything is sent.

    Free of gaps between workers: rows another one is taking are skipped. `busy`: ids of destinations to leave alone.
    A row whose lease has ended belongs to whoever takes it next; see `_take_over`.
    """
    with transaction.atomic(durable=True):
        rows = _due(now=now, limit=limit, busy=busy)
        _close_unfinished([row for row in rows if row.state == DeliveryState.SENDING], now=now)
        taken = [row for row in rows if row.state == DeliveryState.QUEUED or _take_over(row, now=now)]
        Delivery.objects.filter(pk__in=[row.pk for row in taken]).update(
            state=DeliveryState.SENDING,
            fence=F("fence") + 1,
            tries=F("tries") + 1,
            not_before=now + timedelta(seconds=settings.LEASE_SECONDS),
        )
        DeliveryAttempt.objects.bulk_create(
            [DeliveryAttempt(delivery=row, number=row.tries + 1, started_at=now) for row in taken]
        )
    return [
        Claim(
            delivery=row,
            fence=row.fence + 1,
            number=row.tries + 1,
            look_first=row.outcome_unknown,
            related=related_to(row) if reads_related(row.destination.kind) else (),
            secrets=_signing_secrets(row.destination, now=now),
        )
        for row in taken
    ]


def attempt(claimed: Claim, *, now: datetime) -> Verdict:
    """Make one try, with its look-up first where the receiver may have the message already. Touches no row."""
    connector = CONNECTORS[claimed.delivery.destination.kind]
    with correlation.bind(claimed.delivery.event.correlation_id):
        try:
            return _try(connector, claimed, now=now)
        # Whatever one delivery raises, a defect of ours too, must not stop the others.
        except Exception as error:
            verdict = connector.classify(error, now=now)
            if verdict.failure == Failure.INTERNAL:
                log.exception("delivery_defect", key=claimed.delivery.key)
            return replace(verdict, outcome_unknown=verdict.outcome_unknown or claimed.look_first)


def mark(claimed: Claim, verdict: Verdict, *, now: datetime) -> str:
    """Write what the try came to, unless the lease was lost; return `delivered`, `failed`, `dead` or `stale`."""
    row = claimed.delivery
    if verdict.delivered:
        result, changes = "delivered", {"state": DeliveryState.DELIVERED, "delivered_at": now}
    elif reason := _reason_to_give_up(claimed, verdict, now=now):
        result, changes = "dead", {"state": DeliveryState.DEAD, "died_at": now, "dead_reason": reason}
    else:
        seconds = wait_seconds(claimed.number - row.tries_before_replay, retry_after=verdict.retry_after_seconds)
        result, changes = "failed", {"state": DeliveryState.QUEUED, "not_before": now + timedelta(seconds=seconds)}
    failure = verdict.failure or ""
    with transaction.atomic(durable=True):
        held = Delivery.objects.filter(pk=row.pk, fence=claimed.fence, state=DeliveryState.SENDING).update(
            **changes,
            unfinished_tries=0,
            outcome_unknown=verdict.outcome_unknown,
            last_http_status=verdict.http_status,
            last_failure=failure,
            last_detail=verdict.detail[:300],
            external_ids={**row.external_ids, **verdict.external_ids},
        )
        if held:
            DeliveryAttempt.objects.filter(delivery_id=row.pk, number=claimed.number).update(
                finished_at=now,
                outcome=_outcome(verdict),
                http_status=verdict.http_status,
                failure=failure,
                detail=verdict.detail[:300],
            )
            failpoint("delivery.before_mark")
        else:
            result = "stale"
    log.info(
        "delivery_tried",
        key=row.key,
        destination=row.destination.name,
        fact=row.event.fact,
        number=claimed.number,
        result=result,
        failure=str(failure),
        http_status=verdict.http_status,
        correlation_id=row.event.correlation_id,
    )
    return result


def wait_seconds(tries: int, *, retry_after: int | None = None) -> float:
    """Return how long to wait after the `tries`-th failed try: drawn between 1 s and the schedule's (full jitter).

    `retry_after`: what the receiver asked for, in seconds; honoured up to six hours.
    """
    schedule: tuple[int, ...] = settings.DELIVERY_BACKOFF_SECONDS
    longest = schedule[min(tries, len(schedule)) - 1]
    return max(_random.uniform(1, longest), min(retry_after or 0, RETRY_AFTER_MAX_SECONDS))


def dead_without_case() -> QuerySet[Delivery]:
    """Return the dead deliveries for which nobody has opened a Case: open one, then set `case_opened_at`."""
    return Delivery.objects.filter(state=DeliveryState.DEAD, case_opened_at__isnull=True).order_by("died_at")


def redeliver(deliveries: QuerySet[Delivery], *, actor: str, reason: str, now: datetime) -> list[int]:
    """Queue again those of `deliveries` that are dead, under their old keys, and record who and why; return their ids.

    `actor`: `user:7` or `command:<name>`. The schedule begins anew.
    """
    with transaction.atomic():
        # In one order everywhere, so that two replays cannot lock each other out.
        dead = deliveries.filter(state=DeliveryState.DEAD).order_by("pk")
        rows = list(dead.select_for_update(of=("self",)))
        DeliveryReplay.objects.bulk_create(
            [
                DeliveryReplay(
                    delivery=row, at=now, actor=actor, reason=reason, dead_reason=row.dead_reason, tries=row.tries
                )
                for row in rows
            ]
        )
        ids = [row.pk for row in rows]
        Delivery.objects.filter(pk__in=ids).update(
            state=DeliveryState.QUEUED,
            queued_at=now,
            not_before=now,
            tries_before_replay=F("tries"),
            unfinished_tries=0,
            died_at=None,
            dead_reason="",
            case_opened_at=None,
        )
        if ids:
            nudge("deliver")
    return ids


def _due(*, now: datetime, limit: int, busy: Collection[int]) -> list[Delivery]:
    """Lock and return due rows, no more than THREADS_A_RECEIVER of one destination, oldest first within each."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT due.id FROM integrations_destination AS destination
            CROSS JOIN LATERAL (
                SELECT id FROM integrations_delivery
                WHERE destination_id = destination.id AND state IN ('queued', 'sending') AND not_before <= %(now)s
                ORDER BY not_before, id LIMIT %(share)s FOR UPDATE SKIP LOCKED
            ) AS due
            WHERE destination.active AND NOT destination.paused AND destination.id <> ALL(%(busy)s)
            LIMIT %(limit)s
            """,
            {"now": now, "share": THREADS_A_RECEIVER, "busy": list(busy), "limit": limit},
        )
        ids = [row[0] for row in cursor.fetchall()]
    return list(Delivery.objects.filter(pk__in=ids).select_related("event", "destination").order_by("not_before", "pk"))


def _close_unfinished(rows: list[Delivery], *, now: datetime) -> None:
    for row in rows:
        DeliveryAttempt.objects.filter(delivery=row, number=row.tries, outcome="").update(
            finished_at=now, outcome=AttemptOutcome.UNFINISHED
        )


def _take_over(row: Delivery, *, now: datetime) -> bool:
    """Decide about a row whose worker never came back: take it now (True), queue it for later, or give it up.

    The first time it is taken at once. If it happens again, this row may be what kills the workers: it waits, so that
    those beside it get through without it, and after UNFINISHED_TRIES in a row it is dead.
    """
    row.unfinished_tries += 1
    row.outcome_unknown = True
    if row.unfinished_tries >= UNFINISHED_TRIES:
        row.state, row.died_at, row.dead_reason = DeliveryState.DEAD, now, Failure.TIMEOUT
        row.last_failure, row.last_detail = Failure.TIMEOUT, f"{row.unfinished_tries} workers in a row never came back."
    elif row.unfinished_tries > 1:
        row.state = DeliveryState.QUEUED
        row.not_before = now + timedelta(seconds=wait_seconds(row.tries - row.tries_before_replay))
    row.save()
    return row.state == DeliveryState.SENDING


def _try(connector: Connector, claimed: Claim, *, now: datetime) -> Verdict:
    began = time.monotonic()
    message, receiver = _message(claimed), _receiver(claimed)
    must_look = claimed.look_first and not claimed.delivery.destination.idempotent
    if must_look and (found := connector.find(message, receiver, now=now, deadline_seconds=LOOKUP_SECONDS)):
        detail = "It had arrived by an earlier try."
        return Verdict(delivered=True, found=True, detail=detail, external_ids=found.external_ids)
    request = connector.build(message, receiver, now=now)
    left = settings.DELIVERY_SEND_SECONDS - (time.monotonic() - began)
    return connector.classify(connector.send(request, deadline_seconds=left), now=now)


def _message(claimed: Claim) -> Message:
    event = claimed.delivery.event
    return Message(
        key=claimed.delivery.key,
        fact=event.fact,
        event_id=str(event.uid),
        occurred_at=event.created_at,
        payload=event.payload,
        related=claimed.related,
    )


def _signing_secrets(destination: Destination, *, now: datetime) -> tuple[str, ...] | None:
    """Open them here, where the record of the opening may be written: the threads of a drain touch no row."""
    try:
        return destination.signing_secrets(now=now)
    except CannotDecrypt:
        return None


def _receiver(claimed: Claim) -> Receiver:
    destination = claimed.delivery.destination
    if claimed.secrets is None:
        raise Misconfigured("the signing secrets cannot be read; see ENCRYPTION_KEYS")
    return destination.receiver(
        secrets=claimed.secrets,
        allow_loopback=destination.allow_loopback and settings.ENVIRONMENT != "production",
    )


def _reason_to_give_up(claimed: Claim, verdict: Verdict, *, now: datetime) -> Failure | None:
    row, failure = claimed.delivery, verdict.failure or Failure.INTERNAL
    tries = claimed.number - row.tries_before_replay
    if verdict.hopeless:
        return failure
    if failure in (Failure.PERMANENT, Failure.CONFIGURATION, Failure.INTERNAL) and tries >= REFUSED_TRIES:
        return failure
    age = (now - row.queued_at).total_seconds()
    if age >= settings.DELIVERY_HORIZON_SECONDS and tries >= len(settings.DELIVERY_BACKOFF_SECONDS):
        return Failure.EXCEEDED
    return None


def _outcome(verdict: Verdict) -> AttemptOutcome:
    if not verdict.delivered:
        return AttemptOutcome.FAILED
    return AttemptOutcome.FOUND if verdict.found else AttemptOutcome.DELIVERED


def _full(flying: Collection[Claim]) -> list[int]:
    counted = Counter(claimed.delivery.destination.pk for claimed in flying)
    return [destination for destination, count in counted.items() if count >= THREADS_A_RECEIVER]
