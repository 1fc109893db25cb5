"""What waits, what failed and who works, as figures: one source for `status`, /metrics and the monitoring page.

Reads only. Each function costs a few short index scans however large the tables are: every count stops at MOST_COUNTED,
every age is the first row of a partial index. Ages are left to the caller, who knows what time it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Max, Min, Q, QuerySet

from integrations.models import (
    Breaker,
    BreakerState,
    Credential,
    Delivery,
    DeliveryState,
    Destination,
    Heartbeat,
    breaker_of,
)
from payments.models import Capture, Case, PaymentAttempt, ProviderCall, ProviderEvent, Refund, StaffAction
from payments.models.action import ActionState
from payments.models.inbox import EventSource
from payments.states import LIVE_STATES, CallState, EventState, RefundState

MOST_COUNTED = 100_000
"""A count that reaches this means "so many or more"."""
RECENT = 200
"""Of how many of the newest rows a lag is told."""
RECENT_REFUNDS = 2_000
"""So many refunds are counted at most."""

WAITING_EVENTS = (EventState.RECEIVED, EventState.FAILED, EventState.PARKED, EventState.UNVERIFIED, EventState.DEAD)
UNFINISHED_CALLS = (CallState.PREPARED, CallState.SENT, CallState.UNKNOWN)
UNSENT = (DeliveryState.QUEUED, DeliveryState.SENDING)
UNDELIVERED = (*UNSENT, DeliveryState.DEAD)
PROCESSES = ("look", "deliver", "keep", "tick")
"""The names that must beat (integrations/heartbeat.py)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The rows of one state, and since when the oldest of them waits; None where there is none."""

    state: str
    count: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverBacklog:
    """What one receiver has not got yet.

    `due`: deliveries that a worker should take now, pauses aside. `dead`: letters given up, by when they died.
    """

    destination_id: int
    name: str
    kind: str
    owner: str
    active: bool
    breaker: str
    paused: bool
    pause_reason: str
    queued: Waiting
    sending: Waiting
    due: int
    dead: Waiting

    @property
    def unsent(self) -> Waiting:
        """Both that wait and that are on the wire."""
        return _sum("unsent", [self.queued, self.sending])


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerFigure:
    """How one provider or receiver that ever failed or was paused is doing. `kind`: `provider` or `receiver`.

    `not_closed_since`: since when it has been away or paused; None while it works.
    """

    kind: str
    name: str
    state: str
    not_closed_since: datetime | None
    failures: int
    last_failure: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCases:
    """The open cases of one kind; `unowned` of them nobody has taken."""

    kind: str
    count: int
    unowned: int
    oldest: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """When a process of this name last worked, on whatever host; None where none ever did."""

    name: str
    last: datetime | None
    hosts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderLooks:
    """How looking at one provider goes. `failing`: attempts whose last look got no answer, with the newest error."""

    provider: str
    last_answered: datetime | None
    failing: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAttempts:
    """How many attempts of one provider stand in one live state."""

    provider: str
    state: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyExpiry:
    """When an integration key in use expires."""

    provider: str
    name: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """Seconds from arrival to done over the newest finished rows among RECENT; 0 where there is none."""

    rows: int
    median_seconds: float
    p95_seconds: float
    max_seconds: float


def inbox() -> tuple[Waiting, ...]:
    """Return the events that are not at their end, by state, and the dead ones."""
    return _waiting(ProviderEvent.objects.all(), WAITING_EVENTS, since="received_at")


def waiting_events(by_state: Iterable[Waiting]) -> Waiting:
    """Sum up what `inbox()` told of the events that workers have yet to take up."""
    return _sum("waiting", [each for each in by_state if each.state in (EventState.RECEIVED, EventState.FAILED)])


def provider_calls() -> tuple[Waiting, ...]:
    """Return the calls to providers without a stored answer, by state."""
    return _waiting(ProviderCall.objects.all(), UNFINISHED_CALLS, since="created_at")


def receivers(*, now: datetime) -> tuple[ReceiverBacklog, ...]:
    """Return what each receiver has not got, by name."""
    destinations = Destination.objects.select_related("breaker").order_by("name")
    return tuple(_receiver(destination, now=now) for destination in destinations)


def breakers() -> tuple[BreakerFigure, ...]:
    """Return every breaker that has a row, providers first; one without a row has never failed."""
    rows = Breaker.objects.select_related("destination").order_by(F("destination").asc(nulls_first=True), "provider")
    return tuple(
        BreakerFigure(
            kind="provider" if row.provider else "receiver",
            name=row.name,
            state=row.state,
            not_closed_since=None if row.state == BreakerState.CLOSED else row.since,
            failures=row.failures,
            last_failure=row.last_failure,
            actor=row.actor,
            reason=row.reason,
        )
        for row in rows
    )


def deliveries(at_receivers: Iterable[ReceiverBacklog]) -> tuple[Waiting, ...]:
    """Sum up what `receivers()` told: the deliveries on their way and the dead letters, by state."""
    backlogs = [waiting for receiver in at_receivers for waiting in (receiver.queued, receiver.sending, receiver.dead)]
    return tuple(_sum(state, [each for each in backlogs if each.state == state]) for state in UNDELIVERED)


def open_cases() -> tuple[OpenCases, ...]:
    """Return the open cases by kind."""
    rows = (
        Case.objects.filter(closed_at__isnull=True)
        .order_by("kind")
        .values_list("kind")
        .annotate(count=Count("pk"), unowned=Count("pk", filter=Q(owner__isnull=True)), oldest=Min("opened_at"))
    )
    return tuple(OpenCases(kind=kind, count=count, unowned=unowned, oldest=at) for kind, count, unowned, at in rows)


def heartbeats() -> tuple[Beat, ...]:
    """Return when each process last worked: those that must run first, then whoever else has beaten."""
    rows = Heartbeat.objects.order_by("name").values_list("name").annotate(last=Max("beaten_at"), hosts=Count("host"))
    found = {name: Beat(name=name, last=last, hosts=hosts) for name, last, hosts in rows}
    names = dict.fromkeys((*PROCESSES, *found))
    return tuple(found.get(name) or Beat(name=name, last=None, hosts=0) for name in names)


def live_attempts() -> tuple[LiveAttempts, ...]:
    """Return the attempts that may still take money, by provider and state."""
    rows = (
        PaymentAttempt.objects.filter(state__in=LIVE_STATES)
        .order_by("provider", "state")
        .values_list("provider", "state")
        .annotate(count=Count("pk"))
    )
    return tuple(LiveAttempts(provider=provider, state=state, count=count) for provider, state, count in rows)


def looks(providers: Iterable[str]) -> tuple[ProviderLooks, ...]:
    """Return how looking goes at each of `providers`."""
    return tuple(_looks_at(provider) for provider in providers)


def looks_overdue(*, now: datetime) -> Waiting:
    """Return the attempts whose next look should have begun, and since when the oldest of them waits."""
    overdue = PaymentAttempt.objects.filter(next_look_at__lte=now)
    return Waiting(state="overdue", count=_count(overdue), oldest=_oldest(overdue, "next_look_at"))


def approvals_waiting() -> int:
    """Return how many acts wait for a second person."""
    return _count(StaffAction.objects.filter(state=ActionState.REQUESTED, approval__decision=""))


def key_expiries() -> tuple[KeyExpiry, ...]:
    """Return when each integration key in use expires, of those that do."""
    rows = Credential.objects.filter(
        expires_at__isnull=False, revoked_at__isnull=True, overlap_until__isnull=True, active_from__isnull=False
    ).values_list("provider", "name", "expires_at")
    return tuple(
        KeyExpiry(provider=provider, name=name, expires_at=at) for provider, name, at in rows if at is not None
    )


def last_event(provider: str) -> datetime | None:
    """Return when the newest webhook of a provider arrived that was proved."""
    rows = ProviderEvent.objects.filter(provider=provider, source=EventSource.WEBHOOK)
    proved = rows.exclude(state__in=[EventState.UNVERIFIED, EventState.REJECTED]).order_by("-received_at")
    return proved.values_list("received_at", flat=True).first()


def events_fetched(provider: str, *, begin: datetime, most: int) -> int:
    """Return how many events that never came were fetched from the provider's list since `begin`, counting to
    `most`."""
    rows = ProviderEvent.objects.filter(provider=provider, received_at__gte=begin, source=EventSource.BACKFILL)
    return rows[:most].count()


def payments_found(provider: str, *, begin: datetime, end: datetime) -> int:
    """Return how many of the newest captures are of this provider and were found between `begin` and `end`."""
    newest = Capture.objects.order_by("-pk").values_list("provider", "created_at")[:RECENT]
    return sum(1 for name, at in newest if name == provider and begin <= at < end)


def attempts_opened(provider: str, *, begin: datetime, most: int) -> int:
    """Return how many attempts were opened at a provider since `begin`, counting to `most`."""
    return PaymentAttempt.objects.filter(created_at__gte=begin, provider=provider)[:most].count()


def refunds_seen(*, begin: datetime) -> int:
    """Return how many refunds were asked for since `begin`, here or at a provider; those that failed are none."""
    newest = Refund.objects.filter(requested_at__gte=begin).order_by("-requested_at").values_list("state", flat=True)
    return sum(1 for state in newest[:RECENT_REFUNDS] if state != RefundState.FAILED)


def inbox_lag() -> Lag:
    """Return how long the newest events took from their arrival to their end."""
    newest = ProviderEvent.objects.order_by("-pk").values_list("state", "received_at", "finished_at")[:RECENT]
    done = ((begun, ended) for state, begun, ended in newest if state == EventState.PROCESSED)
    return _lag(done)


def delivery_lag() -> Lag:
    """Return how long the newest deliveries took from being queued to being confirmed."""
    return _lag(Delivery.objects.order_by("-pk").values_list("queued_at", "delivered_at")[:RECENT])


def _waiting(rows: QuerySet[Any], states: Iterable[str], *, since: str) -> tuple[Waiting, ...]:
    """One pair of queries a state: the first row of an index tells the oldest, and a state without rows is told too."""
    return tuple(
        Waiting(state=str(state), count=_count(of_state), oldest=_oldest(of_state, since))
        for state in states
        for of_state in [rows.filter(state=state)]
    )


def _count(rows: QuerySet[Any]) -> int:
    return rows.order_by()[:MOST_COUNTED].count()


def _oldest(rows: QuerySet[Any], since: str) -> datetime | None:
    return rows.order_by(since).values_list(since, flat=True).first()


def _receiver(destination: Destination, *, now: datetime) -> ReceiverBacklog:
    own = Delivery.objects.filter(destination=destination)
    breaker = breaker_of(destination)
    pause = breaker if breaker is not None and breaker.state == BreakerState.PAUSED else None
    queued, sending = _waiting(own, UNSENT, since="queued_at")
    [dead] = _waiting(own, (DeliveryState.DEAD,), since="died_at")
    return ReceiverBacklog(
        destination_id=destination.pk,
        name=destination.name,
        kind=destination.kind,
        owner=destination.owner,
        active=destination.active,
        breaker=str(breaker.state if breaker else BreakerState.CLOSED),
        paused=pause is not None,
        pause_reason=pause.reason if pause else "",
        queued=queued,
        sending=sending,
        due=_count(own.filter(state__in=UNSENT, not_before__lte=now)),
        dead=dead,
    )


def _sum(state: str, parts: list[Waiting]) -> Waiting:
    ages = [part.oldest for part in parts if part.oldest is not None]
    return Waiting(state=str(state), count=sum(part.count for part in parts), oldest=min(ages, default=None))


def _looks_at(provider: str) -> ProviderLooks:
    attempts = PaymentAttempt.objects.filter(provider=provider)
    failing = attempts.filter(next_look_at__isnull=False, look_failures__gt=0)
    return ProviderLooks(
        provider=provider,
        last_answered=attempts.filter(looked_at__isnull=False)
        .order_by("-looked_at")
        .values_list("looked_at", flat=True)
        .first(),
        failing=_count(failing),
        error=failing.order_by("-next_look_at").values_list("look_error", flat=True).first() or "",
    )


def _lag(pairs: Iterable[tuple[datetime, datetime | None]]) -> Lag:
    seconds = sorted((ended - begun).total_seconds() for begun, ended in pairs if ended is not None)
    if not seconds:
        return Lag(rows=0, median_seconds=0, p95_seconds=0, max_seconds=0)
    return Lag(
        rows=len(seconds),
        median_seconds=seconds[len(seconds) // 2],
        p95_seconds=seconds[min(len(seconds) - 1, len(seconds) * 95 // 100)],
        max_seconds=seconds[-1],
    )
