"""What hours and days came to: tries, declines, lags, deliveries, backlog. The keeper computes each period from its
rows; pages read the results.

A period is computed anew while it runs and for a day after it, since attempts end late. Each computation reads the rows
of its period only, by an index on their time; 1,000,000 rows elsewhere cost nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Q

from integrations import providers
from integrations.models import AttemptOutcome, DeliveryAttempt
from payments.models import PaymentAttempt, PaymentTry, PeriodFigures, ProviderEvent
from payments.models.period import Length
from payments.monitoring import figures as health_figures
from payments.states import AttemptState, EventState

HOURS, DAYS = 24, 30
"""So many of each are shown."""
KEPT = {Length.HOUR: timedelta(days=8), Length.DAY: timedelta(days=400)}
SETTLED_AFTER = timedelta(hours=26)
"""An attempt may end so long after it began: until then its period is computed again."""
RUNNING_EVERY = {Length.HOUR: timedelta(minutes=1), Length.DAY: timedelta(minutes=10)}
ENDED_EVERY = timedelta(hours=1)

Figures = dict[str, dict[str, Any]]

_PAID = (AttemptState.PAID, AttemptState.PARTIALLY_REFUNDED, AttemptState.REFUNDED)
_UNPAID = (AttemptState.FAILED, AttemptState.CANCELLED)
_CONFIRMED = (AttemptOutcome.DELIVERED, AttemptOutcome.FOUND)


# --- reading ---------------------------------------------------------------------------------------------------


def last(length: Length, *, at: datetime) -> list[tuple[datetime, Figures]]:
    """Return the last 24 hours or 30 days up to `at`, oldest first; a period nobody has computed has no figures."""
    starts = list(_starts(length, at=at))[::-1]
    rows = PeriodFigures.objects.filter(length=length, starts_at__gte=starts[0])
    found = dict(rows.values_list("starts_at", "figures"))
    return [(start, found.get(start, {})) for start in starts]


def of_running_hour(*, at: datetime) -> Figures:
    """Return the figures of the hour at `at`; nothing where it was not computed yet."""
    start = start_of(Length.HOUR, at)
    rows = PeriodFigures.objects.filter(length=Length.HOUR, starts_at=start).values_list("figures", flat=True)
    return rows.first() or {}


def _starts(length: Length, *, at: datetime) -> Iterator[datetime]:
    """Return when the shown periods begin, the running one first."""
    running = start_of(length, at)
    for back in range(HOURS if length is Length.HOUR else DAYS):
        yield running - back * length.duration


def start_of(length: Length, at: datetime) -> datetime:
    """Return when the period at `at` began."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    return hour if length is Length.HOUR else hour.replace(hour=0)


# --- the keeper ------------------------------------------------------------------------------------------------


def roll_up(*, at: datetime, most: int) -> int:
    """Compute up to `most` periods that are due, the running ones first; return how many. Forgets old ones."""
    due = list(_due(at))[:most]
    for length, start in due:
        _compute(length, start, at=at)
    for length, kept in KEPT.items():
        PeriodFigures.objects.filter(length=length, starts_at__lt=at - kept).delete()
    return len(due)


def _due(at: datetime) -> Iterator[tuple[Length, datetime]]:
    for length in Length:
        starts = list(_starts(length, at=at))
        rows = PeriodFigures.objects.filter(length=length, starts_at__gte=starts[-1])
        computed = dict(rows.values_list("starts_at", "computed_at"))
        yield from ((length, start) for start in starts if _is_due(length, start, computed.get(start), at=at))


def _is_due(length: Length, start: datetime, computed: datetime | None, *, at: datetime) -> bool:
    if computed is None:
        return True
    end = start + length.duration
    if computed >= end + SETTLED_AFTER:
        return False
    if at < end:
        return at - computed >= RUNNING_EVERY[length]
    return computed < end or at - computed >= ENDED_EVERY


def _compute(length: Length, start: datetime, *, at: datetime) -> None:
    row = PeriodFigures.objects.filter(length=length, starts_at=start).first()
    figures = between(start, start + length.duration)
    figures["backlog"] = _worst_backlog(row.figures.get("backlog", {}) if row else {}, length, start, at=at)
    PeriodFigures.objects.update_or_create(
        length=length, starts_at=start, defaults={"computed_at": at, "figures": figures}
    )


def _worst_backlog(before: dict[str, int], length: Length, start: datetime, *, at: datetime) -> dict[str, int]:
    """Return the largest backlog seen in the period so far; one that is over is not looked at again."""
    if at >= start + length.duration:
        return before
    events = health_figures.waiting_events(health_figures.inbox())
    *unsent, _dead = health_figures.deliveries(health_figures.receivers(now=at))
    now = {
        "events": events.count,
        "events_oldest_seconds": _seconds(events.oldest, at),
        "deliveries": sum(each.count for each in unsent),
        "deliveries_oldest_seconds": max(_seconds(each.oldest, at) for each in unsent),
    }
    return {name: max(value, before.get(name, 0)) for name, value in now.items()}


def _seconds(since: datetime | None, at: datetime) -> int:
    return max(0, int((at - since).total_seconds())) if since is not None else 0


# --- computing -------------------------------------------------------------------------------------------------


def between(begin: datetime, end: datetime) -> Figures:
    """Compute the figures of the rows from `begin` to before `end`; lags in milliseconds."""
    return {
        "attempts": _attempts(begin, end),
        "tries": _tries(begin, end),
        "declines": _declines(begin, end),
        "events": _events(begin, end),
        "deliveries": _deliveries(begin, end),
    }


def _attempts(begin: datetime, end: datetime) -> dict[str, Any]:
    """By provider: attempts opened in the period, and what has become of them by now."""
    rows = (
        PaymentAttempt.objects.filter(created_at__gte=begin, created_at__lt=end)
        .order_by()
        .values("provider")
        .annotate(count=Count("pk"), good=Count("pk", Q(state__in=_PAID)), bad=Count("pk", Q(state__in=_UNPAID)))
    )
    return {row["provider"]: {"opened": row["count"], "paid": row["good"], "unpaid": row["bad"]} for row in rows}


def _tries(begin: datetime, end: datetime) -> dict[str, Any]:
    rows = (
        PaymentTry.objects.filter(seen_at__gte=begin, seen_at__lt=end)
        .order_by()
        .values("provider")
        .annotate(made=Count("pk"), declined=Count("pk", Q(succeeded=False)))
    )
    return {row["provider"]: {"made": row["made"], "declined": row["declined"]} for row in rows}


def _declines(begin: datetime, end: datetime) -> dict[str, Any]:
    rows = (
        PaymentTry.objects.filter(seen_at__gte=begin, seen_at__lt=end, succeeded=False)
        .order_by()
        .values_list("decline_reason")
        .annotate(count=Count("pk"))
    )
    return dict(rows)


def _events(begin: datetime, end: datetime) -> dict[str, Any]:
    """By provider: events received, how long they were on their way, and how long until they had been processed."""
    rows = (
        ProviderEvent.objects.filter(provider__in=providers.known(), received_at__gte=begin, received_at__lt=end)
        .order_by()
        .values("provider")
        .annotate(
            received=Count("pk"),
            arrival=_percentiles(F("received_at") - F("provider_created_at")),
            processing=_percentiles(F("finished_at") - F("received_at"), Q(state=EventState.PROCESSED)),
        )
    )
    return {
        row["provider"]: {
            "received": row["received"],
            **_lag("arrival", row["arrival"]),
            **_lag("processing", row["processing"]),
        }
        for row in rows
    }


def _deliveries(begin: datetime, end: datetime) -> dict[str, Any]:
    """By receiver: tries that ended, and how long confirmed deliveries took from being queued."""
    confirmed = Q(outcome__in=_CONFIRMED)
    rows = (
        DeliveryAttempt.objects.filter(started_at__gte=begin, started_at__lt=end)
        .exclude(outcome="")
        .order_by()
        .values("delivery__destination__name")
        .annotate(
            delivered=Count("pk", confirmed),
            failed=Count("pk", ~confirmed),
            took=_percentiles(F("finished_at") - F("delivery__queued_at"), confirmed),
        )
    )
    return {
        row["delivery__destination__name"]: {
            "delivered": row["delivered"],
            "failed": row["failed"],
            **_lag("took", row["took"]),
        }
        for row in rows
    }


class _Percentiles(Aggregate):
    """The median and the 95th percentile of a duration, in one pass."""

    function = "PERCENTILE_DISC"
    template = "%(function)s(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY %(expressions)s)"
    allow_distinct = False


def _percentiles(duration: Any, only: Q | None = None) -> Aggregate:
    seconds = ExpressionWrapper(duration, output_field=DurationField())
    return _Percentiles(seconds, filter=only, output_field=ArrayField(DurationField()))


def _lag(name: str, percentiles: list[timedelta] | None) -> dict[str, int]:
    """Return p50 and p95 in milliseconds, not below 0 (clocks differ); nothing where there was no row."""
    if not percentiles or percentiles[0] is None:
        return {}
    p50, p95 = (max(0, each // timedelta(milliseconds=1)) for each in percentiles)
    return {f"{name}_p50_ms": p50, f"{name}_p95_ms": p95}
