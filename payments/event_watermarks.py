"""The row that says up to when a provider's events are all here, and where a reading of its list goes on."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet

from integrations import wakeups
from payments import rounds
from payments.models import EventWatermark, PaymentAttempt

LAG = timedelta(minutes=5)
"""A list may lag: what is younger is read again next time, and may still come by its webhook."""
LEASE = timedelta(seconds=60)
LISTS_ROUND = "reconcile"
"""The hourly round of payments/reconciliation/schedule.py, one a provider."""


def round_of(provider: str) -> str:
    """Return the name of the round in which a provider's lists are reconciled."""
    return f"{LISTS_ROUND}:{provider}"


def beginning(provider: str, *, furthest: datetime, at: datetime) -> datetime:
    """Return from when events can have been missed at all: the provider's window, or our first attempt there."""
    attempts = PaymentAttempt.objects.filter(provider=provider).order_by("pk")
    first = attempts.values_list("created_at", flat=True).first()
    return max(furthest, (first or at) - LAG)


def make(provider: str, *, furthest: datetime, at: datetime) -> EventWatermark:
    """Return the provider's row, made where there is none."""
    mark, _ = EventWatermark.objects.get_or_create(
        provider=provider,
        defaults={"complete_until": beginning(provider, furthest=furthest, at=at), "next_at": at},
    )
    return mark


def due(at: datetime) -> QuerySet[EventWatermark]:
    """Return the rows whose list is to be read, and that nobody reads."""
    return EventWatermark.objects.filter(_due(at))


def claim(mark: EventWatermark, *, at: datetime) -> bool:
    """Take the reading in hand; False where somebody has."""
    return bool(EventWatermark.objects.filter(_due(at), pk=mark.pk).update(lease_until=at + LEASE))


def hasten(provider: str, *, at: datetime) -> None:
    """Let the list of events be read, and the lists of payments reconciled, as soon as a worker comes by."""
    EventWatermark.objects.filter(provider=provider, next_at__gt=at).update(next_at=at)
    rounds.hasten(round_of(provider), at=at)
    wakeups.nudge("keep")


def note_page(mark: EventWatermark, *, begun: datetime, cursor: str, missed: int, at: datetime) -> None:
    """Keep where the reading is, so that another goes on from there."""
    EventWatermark.objects.filter(pk=mark.pk).update(
        reading_since=begun, cursor=cursor, reading_missed=missed, lease_until=at + LEASE
    )


def note_read(mark: EventWatermark, *, begun: datetime, down_to: datetime, missed: int) -> None:
    """The list was read from `begun` down to `down_to` without a gap: move up, unless there is one below."""
    changes: dict[str, object] = {
        "checked_at": begun,
        "missed": missed,
        "cursor": "",
        "reading_since": None,
        "reading_missed": 0,
        "lease_until": None,
    }
    if missed:
        changes["missed_at"] = begun
    EventWatermark.objects.filter(pk=mark.pk).update(**changes)
    until = begun - LAG
    EventWatermark.objects.filter(pk=mark.pk, complete_until__gte=down_to, complete_until__lt=until).update(
        complete_until=until
    )


def leave(mark: EventWatermark, *, next_at: datetime | None = None) -> None:
    """Give the reading back, to go on at `next_at` (None: as before)."""
    EventWatermark.objects.filter(pk=mark.pk).update(lease_until=None, next_at=next_at or F("next_at"))


def _due(at: datetime) -> Q:
    return Q(next_at__lte=at) & (Q(lease_until=None) | Q(lease_until__lte=at))
