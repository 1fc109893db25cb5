"""When a failed delivery is tried again, when it is given up, and which errors are alike. Touches no row."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import datetime

from django.conf import settings

from integrations.connectors.contract import Verdict
from integrations.models import Delivery, Failure, breaker_of

# Runs of digits and long hexadecimal words, with the hyphens between them: numbers, dates, request ids, UUIDs.
_VARIES = re.compile(r"(?:[0-9a-f]{8,}|\d+)(?:-?(?:[0-9a-f]{4,}|\d+))*")
_random = secrets.SystemRandom()

_REFUSALS = (Failure.PERMANENT, Failure.CONFIGURATION, Failure.INTERNAL)


def wait_seconds(tries: int, *, retry_after: int | None = None) -> float:
    """Return how long to wait after the `tries`-th failed try: drawn between 1 s and the schedule's (full jitter).

    `retry_after`: what the receiver asked for, in seconds; honoured up to settings.DELIVERY_RETRY_AFTER_MAX_SECONDS.
    """
    schedule: tuple[int, ...] = settings.DELIVERY_BACKOFF_SECONDS
    longest = schedule[min(tries, len(schedule)) - 1]
    return max(_random.uniform(1, longest), min(retry_after or 0, settings.DELIVERY_RETRY_AFTER_MAX_SECONDS))


def error_fingerprint(verdict: Verdict) -> str:
    """Return the same 16 characters for every error that reads the same but for ids, numbers and letters' case."""
    if verdict.delivered:
        return ""
    detail = _VARIES.sub("#", " ".join(verdict.detail.lower().split()))
    text = f"{verdict.failure or Failure.INTERNAL}|{verdict.http_status or ''}|{detail}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def reason_to_give_up(row: Delivery, verdict: Verdict, *, number: int, now: datetime) -> Failure | None:
    """Return why a delivery is dead whose try `number` failed at `now`; None while it goes on.

    A receiver that is away is tried for the whole horizon, and as often as the schedule has waits; a delivery that
    spent this time behind an open breaker was not tried itself, but its receiver was.
    """
    failure = verdict.failure or Failure.INTERNAL
    tries = number - row.tries_before_replay
    if verdict.hopeless or (failure in _REFUSALS and tries >= settings.DELIVERY_REFUSED_TRIES):
        return failure
    age = (now - row.queued_at).total_seconds()
    if age < settings.DELIVERY_HORIZON_SECONDS:
        return None
    if tries >= len(settings.DELIVERY_BACKOFF_SECONDS) or _away_for_seconds(row, now=now) >= age:
        return Failure.EXCEEDED
    return None


def _away_for_seconds(row: Delivery, *, now: datetime) -> float:
    """Return for how long the receiver's breaker has been open, as the claim of this try saw it."""
    known = breaker_of(row.destination)
    return (now - known.since).total_seconds() if known is not None and known.is_away else 0.0
