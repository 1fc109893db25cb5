"""Writes what became of claimed deliveries, in batches, where their claims still hold; then tells the breakers.

Rows only; no network in here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction

from integrations import breaker
from integrations.connectors.contract import Verdict
from integrations.delivery_claims import Claim
from integrations.delivery_schedule import error_fingerprint, reason_to_give_up, wait_seconds
from integrations.failpoints import failpoint
from integrations.models import AttemptOutcome, Delivery, DeliveryState, Destination, Failure, breaker_of
from integrations.redaction import one_line

log = structlog.get_logger(__name__)

MOST_IDS = 20
"""Of one receiver's names for what it made of a message."""


def mark(claimed: Claim, verdict: Verdict, *, now: datetime) -> str:
    """Mark one; see mark_all()."""
    return mark_all([(claimed, verdict)], now=now)[0]


def mark_all(results: Sequence[tuple[Claim, Verdict]], *, now: datetime) -> list[str]:
    """Write what each try came to, unless its lease was lost; return `delivered`, `failed`, `dead` or `stale` for each.

    Then tell the receivers' breakers, in transactions of their own.
    """
    results = [(claimed, _fit_to_store(verdict)) for claimed, verdict in results]
    changes = [_change(claimed, verdict, now=now) for claimed, verdict in results]
    with transaction.atomic(durable=True):
        held = _write(changes)
        _write_attempts([change for change in changes if change["id"] in held], now=now)
        delivered = [
            claimed.delivery
            for claimed, verdict in results
            if verdict.delivered and claimed.delivery.pk in held and claimed.delivery.ordering_key
        ]
        _wake_next([row for row in delivered if row.destination.ordered], now=now)
        gone = {
            claimed.delivery.destination_id: verdict
            for claimed, verdict in results
            if verdict.gone and claimed.delivery.pk in held
        }
        _disable(gone, now=now)
        failpoint("delivery.before_mark")
    done = [change["result"] if change["id"] in held else "stale" for change in changes]
    for (claimed, verdict), result in zip(results, done, strict=True):
        _log(claimed, verdict, result)
        if result != "stale":
            _tell_breaker(claimed, verdict, now=now)
    return done


def _fit_to_store(verdict: Verdict) -> Verdict:
    """Return the verdict with the receiver's own words as one short line each, without what PostgreSQL refuses.

    One NUL in one answer would otherwise undo the marks of all that are written with it.
    """
    ids = {_plain(name)[:60]: _plain(str(value))[:200] for name, value in [*verdict.external_ids.items()][:MOST_IDS]}
    return replace(verdict, detail=_plain(verdict.detail)[:300], external_ids=ids)


def _plain(text: str) -> str:
    return one_line(text.encode("utf-8", "replace").decode())


def _change(claimed: Claim, verdict: Verdict, *, now: datetime) -> dict[str, Any]:
    """Return what is to be written of one try, by column, and its `result` for the caller."""
    row = claimed.delivery
    change: dict[str, Any] = {
        "id": row.pk,
        "fence": claimed.fence,
        "number": claimed.number,
        "not_before": None,
        "delivered_at": None,
        "died_at": None,
        "dead_reason": "",
        "outcome_unknown": verdict.outcome_unknown,
        "http_status": verdict.http_status,
        "failure": "" if verdict.delivered else str(verdict.failure or Failure.INTERNAL),
        "detail": verdict.detail,
        "error_fingerprint": error_fingerprint(verdict),
        "outcome": str(_outcome(verdict)),
        "external_ids": json.dumps({**row.external_ids, **verdict.external_ids}),
    }
    if verdict.delivered:
        return change | {"result": "delivered", "state": "delivered", "delivered_at": now}
    if reason := reason_to_give_up(row, verdict, number=claimed.number, now=now):
        return change | {"result": "dead", "state": "dead", "died_at": now, "dead_reason": str(reason)}
    seconds = wait_seconds(claimed.number - row.tries_before_replay, retry_after=verdict.retry_after_seconds)
    return change | {"result": "failed", "state": "queued", "not_before": now + timedelta(seconds=seconds)}


_COLUMNS = {
    "id": "bigint", "fence": "int", "state": "text", "not_before": "timestamptz", "delivered_at": "timestamptz",
    "died_at": "timestamptz", "dead_reason": "text", "outcome_unknown": "boolean", "http_status": "smallint",
    "failure": "text", "detail": "text", "error_fingerprint": "text", "external_ids": "jsonb",
}  # fmt: skip
_ATTEMPT_COLUMNS = {
    "id": "bigint", "number": "int", "outcome": "text", "http_status": "smallint", "failure": "text", "detail": "text",
}  # fmt: skip


def _rows(columns: Mapping[str, str]) -> str:
    """Return the FROM item that reads one array a column, `change` by name."""
    arrays = ", ".join(f"%({name})s::{kind}[]" for name, kind in columns.items())
    return f"unnest({arrays}) AS change({', '.join(columns)})"


def _arrays(columns: Mapping[str, str], changes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {name: [change[name] for change in changes] for name in columns}


def _write(changes: Sequence[dict[str, Any]]) -> set[int]:
    """Write the deliveries whose claims still hold; return their ids."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE integrations_delivery AS delivery SET
                state = change.state, not_before = coalesce(change.not_before, delivery.not_before),
                delivered_at = change.delivered_at, died_at = change.died_at, dead_reason = change.dead_reason,
                unfinished_tries = 0, outcome_unknown = change.outcome_unknown,
                last_http_status = change.http_status, last_failure = change.failure, last_detail = change.detail,
                error_fingerprint = change.error_fingerprint, external_ids = change.external_ids
            FROM {_rows(_COLUMNS)}
            WHERE delivery.id = change.id AND delivery.fence = change.fence AND delivery.state = 'sending'
            RETURNING delivery.id
            """,  # nosec B608: put together from the constants above
            _arrays(_COLUMNS, changes),
        )
        return {row[0] for row in cursor.fetchall()}


def _write_attempts(changes: Sequence[dict[str, Any]], *, now: datetime) -> None:
    if not changes:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE integrations_deliveryattempt AS attempt SET
                finished_at = %(now)s, outcome = change.outcome, http_status = change.http_status,
                failure = change.failure, detail = change.detail
            FROM {_rows(_ATTEMPT_COLUMNS)}
            WHERE attempt.delivery_id = change.id AND attempt.number = change.number
            """,  # nosec B608: put together from the constants above
            {**_arrays(_ATTEMPT_COLUMNS, changes), "now": now},
        )


def _wake_next(rows: Sequence[Delivery], *, now: datetime) -> None:
    """Let the delivery that waited for each of `rows` be due at once.

    One order everywhere (dead_letters.skip() too), so that two wakers cannot lock each other out.
    """
    for row in sorted(rows, key=lambda each: (each.destination_id, each.ordering_key)):
        following = Delivery.objects.filter(
            destination_id=row.destination_id, ordering_key=row.ordering_key, pk__gt=row.pk, state=DeliveryState.QUEUED
        )
        first = following.exclude(ordering_key="").filter(skipped_at__isnull=True).order_by("pk").values("pk")[:1]
        Delivery.objects.filter(pk__in=first, state=DeliveryState.QUEUED, not_before__gt=now).update(not_before=now)


def _disable(gone: Mapping[int, Verdict], *, now: datetime) -> None:
    """Disable the receivers that are no more, by what each said last.

    Locked in the order of their keys, as outbox.py does: two workers may hear of the same two at once.
    """
    for row in Destination.objects.select_for_update().filter(pk__in=gone, active=True).order_by("pk"):
        row.active, row.disabled_at, row.disabled_reason = False, now, gone[row.pk].detail[:300]
        row.save(update_fields=["active", "disabled_at", "disabled_reason"])


def _outcome(verdict: Verdict) -> AttemptOutcome:
    if not verdict.delivered:
        return AttemptOutcome.FAILED
    return AttemptOutcome.FOUND if verdict.found else AttemptOutcome.DELIVERED


def _tell_breaker(claimed: Claim, verdict: Verdict, *, now: datetime) -> None:
    """Note what the try told of the receiver. One that works and has no failures behind it costs nothing."""
    sign = _sign(verdict)
    known = breaker_of(claimed.delivery.destination)
    if sign is not breaker.Sign.AWAY and not claimed.probe and (known is None or not known.failures):
        return
    breaker.note(
        breaker.Subject(destination_id=claimed.delivery.destination_id),
        breaker.Seen(
            sign=sign,
            probe=claimed.probe,
            failure=str(verdict.failure or ""),
            detail=verdict.detail,
            retry_after_seconds=verdict.retry_after_seconds,
        ),
        now=now,
    )


def _sign(verdict: Verdict) -> breaker.Sign:
    if verdict.delivered or verdict.failure == Failure.PERMANENT:
        return breaker.Sign.ANSWERED
    if verdict.failure in (Failure.UNAVAILABLE, Failure.TIMEOUT, Failure.CONFIGURATION):
        return breaker.Sign.AWAY
    return breaker.Sign.UNCLEAR


def _log(claimed: Claim, verdict: Verdict, result: str) -> None:
    row = claimed.delivery
    log.info(
        "delivery_tried",
        key=row.key,
        destination=row.destination.name,
        fact=row.event.fact,
        number=claimed.number,
        result=result,
        failure=str(verdict.failure or ""),
        http_status=verdict.http_status,
        probe=claimed.probe,
        correlation_id=row.event.correlation_id,
    )
