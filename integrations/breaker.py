"""Leaves a provider or receiver alone that is away: closed → open → half-open (one try) → closed; or paused by people.

Rows, so that all processes on all hosts agree. Every change is a short transaction of its own and never the caller's:
what was seen of the network stays seen when the caller's work is rolled back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import structlog
from django.conf import settings
from django.db import Error, transaction
from django.db.models import Q, QuerySet

from integrations.contract import ConfigurationError, NotTried, ProviderError, RateLimited, Unavailable
from integrations.models import Breaker, BreakerState, Failure
from integrations.wakeups import nudge

CACHE_SECONDS = 1.0
"""How old a provider's state may be that a verb goes by; so a verb costs no query as a rule."""
PAUSE_RECHECK_SECONDS = 60
"""A call that waits for a paused provider asks again after this."""

log = structlog.get_logger(__name__)


class BreakerRefused(Exception):
    """The breaker does not stand as it must for this; the message says how it stands. Reload, and decide again."""


class Sign(StrEnum):
    """What one try told of the other side."""

    ANSWERED = "answered"
    """It is there, whatever it thinks of the message."""
    AWAY = "away"
    """No answer that can be believed, or one that will be the same for every message (keys, address)."""
    UNCLEAR = "unclear"
    """Nothing: a defect of ours, or "slower"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose breaker: a provider by name, or a destination by its id."""

    provider: str = ""
    destination_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What to note of one try. `retry_after_seconds`: what the other side asked for. `detail`: no personal data."""

    sign: Sign
    probe: bool = False
    failure: str = ""
    detail: str = ""
    retry_after_seconds: int | None = None


# --- by a person ---------------------------------------------------------------------------------------------


def pause(subject: Subject, *, actor: str, reason: str, now: datetime) -> Breaker:
    """Let nothing be sent to a receiver, or no new payment begin at a provider, until somebody resumes it.

    At a paused provider looks and closings go on: what shoppers have paid must still be found. `actor`: `user:7` or
    `command:<name>`. Raises BreakerRefused where it is paused already, or the reason is empty.
    """
    if not reason.strip():
        raise BreakerRefused("Say why it is paused; whoever finds it paused has to know.")
    with transaction.atomic():
        row = _locked(subject, now=now)
        if row.state == BreakerState.PAUSED:
            raise BreakerRefused(f"{row.name} is paused already, by {row.actor} since {row.since:%Y-%m-%d %H:%M} UTC.")
        row.state, row.since, row.next_probe_at = BreakerState.PAUSED, now, None
        row.actor, row.reason, row.case_opened_at = actor, reason.strip()[:300], None
        row.save()
    _told(row, "paused")
    return row


def resume(subject: Subject, *, actor: str, reason: str, now: datetime) -> Breaker:
    """End a pause: what waited is sent, and the count of failures begins anew. Raises BreakerRefused if not paused."""
    with transaction.atomic():
        row = _locked(subject, now=now)
        if row.state != BreakerState.PAUSED:
            raise BreakerRefused(f"{row.name} is not paused ({row.get_state_display().lower()}).")
        row.actor, row.reason = actor, reason.strip()[:300]
        _close(row, now=now)
        row.save()
        nudge("deliver")
    _told(row, "resumed")
    return row


def try_now(subject: Subject, *, now: datetime) -> Breaker:
    """End the cool-down of an open breaker: the next thing that is due is tried. Raises BreakerRefused if not open."""
    with transaction.atomic():
        row = _locked(subject, now=now)
        if row.state != BreakerState.OPEN:
            raise BreakerRefused(f"{row.name} does not wait ({row.get_state_display().lower()}).")
        row.next_probe_at = now
        row.save(update_fields=["next_probe_at"])
        nudge("deliver")
    _forget(row)
    return row


# --- by what is seen -----------------------------------------------------------------------------------------


def note(subject: Subject, seen: Seen, *, now: datetime) -> None:
    """Take in what one try told. Its own transaction; call it outside any (raises RuntimeError inside one).

    Answers of tries that were on their way when it opened change nothing; only the probe does.
    """
    with transaction.atomic(durable=True):
        row = _locked(subject, now=now)
        before = row.state
        if row.state == BreakerState.PAUSED:
            return
        if seen.sign is Sign.AWAY:
            _count(row, seen, now=now)
        elif row.state == BreakerState.CLOSED:
            row.failures = 0 if seen.sign is Sign.ANSWERED else row.failures
        elif seen.probe and seen.sign is Sign.ANSWERED:
            _close(row, now=now)
        elif seen.probe:
            row.state, row.next_probe_at = BreakerState.OPEN, now + timedelta(seconds=cooldown_seconds(row.openings))
        # Not save(): these are no changes by a person.
        Breaker.objects.filter(pk=row.pk).update(**{name: getattr(row, name) for name in _MACHINE_FIELDS})
    if row.state != before:
        _told(row, str(row.state))
    _forget(row)


_MACHINE_FIELDS = (
    "state", "since", "failures", "openings", "next_probe_at", "last_failure", "last_detail", "case_opened_at",
)  # fmt: skip


def cooldown_seconds(openings: int) -> int:
    """Return for how long nothing is tried after the `openings`-th opening in a row: doubled each time, up to a cap."""
    base: int = settings.BREAKER_COOLDOWN_SECONDS
    return int(min(base * 2 ** min(max(openings, 1) - 1, 30), settings.BREAKER_COOLDOWN_MAX_SECONDS))


def take_probe(breaker_id: int, *, now: datetime) -> bool:
    """Take the one try that a breaker allows whose cool-down is over; say whether it was still to be had.

    It is the caller's until its lease ends, then somebody else's. One statement, for whatever transaction.
    """
    waiting = Breaker.objects.filter(_may_be_probed(now), pk=breaker_id)
    return bool(
        waiting.update(state=BreakerState.HALF_OPEN, next_probe_at=now + timedelta(seconds=settings.LEASE_SECONDS))
    )


def away_without_case(*, now: datetime) -> QuerySet[Breaker]:
    """Return the breakers that have long been open and nobody has been told of: open a Case, set `case_opened_at`."""
    return Breaker.objects.filter(
        state__in=[BreakerState.OPEN, BreakerState.HALF_OPEN],
        since__lte=now - timedelta(seconds=settings.BREAKER_CASE_AFTER_SECONDS),
        case_opened_at__isnull=True,
    ).order_by("since")


def _count(row: Breaker, seen: Seen, *, now: datetime) -> None:
    if row.state != BreakerState.CLOSED and not seen.probe:
        return
    row.failures += 1
    row.last_failure, row.last_detail = seen.failure, seen.detail[:300]
    if row.state == BreakerState.CLOSED:
        if row.failures < settings.BREAKER_FAILURES:
            return
        row.since = now
    row.openings += 1
    asked = min(seen.retry_after_seconds or 0, settings.DELIVERY_RETRY_AFTER_MAX_SECONDS)
    row.state = BreakerState.OPEN
    row.next_probe_at = now + timedelta(seconds=max(cooldown_seconds(row.openings), asked))


def _close(row: Breaker, *, now: datetime) -> None:
    row.state, row.since, row.next_probe_at = BreakerState.CLOSED, now, None
    row.failures, row.openings, row.case_opened_at = 0, 0, None


def _may_be_probed(now: datetime) -> Q:
    return Q(state__in=[BreakerState.OPEN, BreakerState.HALF_OPEN], next_probe_at__lte=now)


def _locked(subject: Subject, *, now: datetime) -> Breaker:
    whose = {"provider": subject.provider, "destination_id": subject.destination_id}
    Breaker.objects.bulk_create([Breaker(**whose, since=now)], ignore_conflicts=True)
    return Breaker.objects.select_for_update(of=("self",)).select_related("destination").get(**whose)


def _told(row: Breaker, what: str) -> None:
    _forget(row)
    log.warning(
        "breaker",
        subject=row.name,
        change=what,
        failures=row.failures,
        failure=str(row.last_failure),
        actor=row.actor if what in ("paused", "resumed") else "",
    )


# --- providers -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    pk: int
    state: str
    failures: int
    next_probe_at: datetime | None


_readings: dict[str, tuple[float, _Reading | None]] = {}


def is_paused(provider: str) -> bool:
    """Say whether a person has paused this provider; at most CACHE_SECONDS old."""
    reading = _read(provider)
    return reading is not None and reading.state == BreakerState.PAUSED


def wait_seconds(provider: str, *, begins: bool, now: datetime) -> int | None:
    """Return how long to wait before asking this provider; None when it may be asked now.

    `begins`: a payment would begin by it, which a pause forbids.
    """
    reading = _read(provider)
    if reading is None or reading.state == BreakerState.CLOSED:
        return None
    if reading.state == BreakerState.PAUSED:
        return PAUSE_RECHECK_SECONDS if begins else None
    left = (reading.next_probe_at - now).total_seconds() if reading.next_probe_at else 0
    return int(left) + 1 if left > 0 else None


class ProviderGate:
    """What each verb of one provider goes through (integrations/guard.py)."""

    def __init__(self, provider: str, *, clock: Callable[[], datetime]) -> None:
        self._provider, self._clock = provider, clock

    @contextmanager
    def passing(self, *, begins: bool, hurried: bool = False) -> Iterator[None]:
        """Let one verb pass and note what it tells. Raises NotTried, with nothing sent, while the breaker is open.

        `begins`: a payment would begin by it. `hurried`: it had less time than a verb is due, so that silence tells
        nothing.
        """
        probe = self._enter(begins=begins)
        try:
            yield
        except BaseException as error:
            self._note(_seen(error, probe=probe, hurried=hurried))
            raise
        self._note(Seen(sign=Sign.ANSWERED, probe=probe))

    def _enter(self, *, begins: bool) -> bool:
        now = self._clock()
        reading, seconds = _read(self._provider), wait_seconds(self._provider, begins=begins, now=now)
        if seconds is not None:
            raise NotTried(f"{self._provider} is left alone at present; nothing was sent", retry_after_seconds=seconds)
        if reading is None or reading.state not in (BreakerState.OPEN, BreakerState.HALF_OPEN):
            return False
        _readings.pop(self._provider, None)
        if not take_probe(reading.pk, now=now):
            raise NotTried(f"{self._provider} is being tried by somebody else; nothing was sent", retry_after_seconds=1)
        return True

    def _note(self, seen: Seen) -> None:
        """Write only what changes something: an answer of a provider without failures costs nothing."""
        reading = _read(self._provider)
        if seen.sign is not Sign.AWAY and not seen.probe and (reading is None or not reading.failures):
            return
        try:
            note(Subject(provider=self._provider), seen, now=self._clock())
        except Error:  # the verb's own outcome matters more
            log.warning("breaker_not_noted", subject=self._provider, exc_info=True)


def _seen(error: BaseException, *, probe: bool, hurried: bool) -> Seen:
    unclear = isinstance(error, RateLimited) or (hurried and isinstance(error, Unavailable))
    if unclear or not isinstance(error, ProviderError):
        return Seen(sign=Sign.UNCLEAR, probe=probe)
    if not isinstance(error, Unavailable | ConfigurationError):
        return Seen(sign=Sign.ANSWERED, probe=probe)
    failure = Failure.CONFIGURATION if isinstance(error, ConfigurationError) else Failure.UNAVAILABLE
    return Seen(
        sign=Sign.AWAY,
        probe=probe,
        failure=failure,
        detail=error.message,
        retry_after_seconds=error.retry_after_seconds,
    )


def _read(provider: str) -> _Reading | None:
    until, reading = _readings.get(provider, (0.0, None))
    if time.monotonic() < until:
        return reading
    try:
        values = Breaker.objects.filter(provider=provider).values("pk", "state", "failures", "next_probe_at").first()
    except Error:  # without the database nothing can be stored of what the provider says; that is not for us to find
        log.warning("breaker_not_read", subject=provider, exc_info=True)
        return None
    reading = _Reading(**values) if values else None
    _readings[provider] = (time.monotonic() + CACHE_SECONDS, reading)
    return reading


def _forget(row: Breaker) -> None:
    _readings.pop(row.provider, None)
