"""The figures of payments/monitoring/figures.py, row by row, each with a word: green, amber or red. One screen's worth.

`manage.py status` shows it; the monitoring page may. Red: somebody must act now (the alerts' thresholds). Amber: look
soon, or a person has decided it so. An age counts, never a mean.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings

from integrations.models import BreakerState
from payments.cases.runbooks import RUNBOOK_OF
from payments.ledger import watch as ledger_watch
from payments.models import LedgerCheck
from payments.models.case import CaseKind
from payments.monitoring import alerts
from payments.monitoring import figures as health_figures
from payments.monitoring.alerts import Raised
from payments.monitoring.figures import (
    Beat,
    BreakerFigure,
    Lag,
    LiveAttempts,
    OpenCases,
    ProviderLooks,
    ReceiverBacklog,
    Waiting,
)
from payments.states import CallState, EventState

AMBER_PART = 4
"""Amber begins at a quarter of what is red."""


class Level(StrEnum):
    """How bad it is."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


_ORDER = tuple(Level)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure with its level. `since`: of the oldest it counts, or when it last happened. `detail`: the rest."""

    name: str
    level: Level
    count: int | None = None
    since: datetime | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """The rows of one subject. `counts` and `since` say what those columns mean."""

    name: str
    counts: str
    since: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Everything at one moment."""

    at: datetime
    areas: tuple[Area, ...]

    @property
    def level(self) -> Level:
        """The worst of all."""
        return worst(row.level for area in self.areas for row in area.rows)

    def rows(self, level: Level) -> list[tuple[Area, Row]]:
        """Return the rows of one level, with their areas."""
        return [(area, row) for area in self.areas for row in area.rows if row.level is level]


def worst(levels: Iterable[Level]) -> Level:
    """Return the worst of them; green where there is none."""
    return max(levels, key=_ORDER.index, default=Level.GREEN)


def by_age(since: datetime | None, *, now: datetime, red_seconds: int) -> Level:
    """Return red from `red_seconds` on, amber from a quarter of it; nothing is never old."""
    if since is None:
        return Level.GREEN
    age = now - since
    if age > timedelta(seconds=red_seconds):
        return Level.RED
    return Level.AMBER if age > timedelta(seconds=red_seconds) / AMBER_PART else Level.GREEN


def health(*, now: datetime, providers: Iterable[str]) -> Health:
    """Return the whole, for the providers offered. A hundred short queries at most, whatever the tables hold."""
    breakers = health_figures.breakers()
    attempts = health_figures.live_attempts()
    areas = (
        Area(name="alerts", counts="", since="since", rows=tuple(_alert(each) for each in alerts.raised(now))),
        Area(
            name="processes",
            counts="hosts",
            since="last worked",
            rows=tuple(_process(beat, now=now) for beat in health_figures.heartbeats()),
        ),
        Area(
            name="inbox",
            counts="events",
            since="oldest",
            rows=(*(_event(row, now=now) for row in health_figures.inbox()), _lag(health_figures.inbox_lag())),
        ),
        Area(
            name="looks",
            counts="without an answer",
            since="last answered",
            rows=(
                *(_looks(each) for each in health_figures.looks(providers)),
                _overdue(health_figures.looks_overdue(now=now), now=now),
            ),
        ),
        Area(
            name="provider calls",
            counts="calls",
            since="oldest",
            rows=tuple(_call(row, now=now) for row in health_figures.provider_calls()),
        ),
        Area(name="providers", counts="payments open", since="not closed since", rows=_providers(attempts, breakers)),
        Area(
            name="receivers",
            counts="unsent",
            since="oldest unsent",
            rows=(
                *(_receiver(each, now=now) for each in health_figures.receivers(now=now)),
                _lag(health_figures.delivery_lag()),
            ),
        ),
        Area(name="ledger", counts="findings", since="verified", rows=_ledger(ledger_watch.last_finished(), now=now)),
        Area(
            name="open cases",
            counts="open",
            since="oldest",
            rows=tuple(_cases(each) for each in health_figures.open_cases()),
        ),
    )
    return Health(at=now, areas=areas)


def _alert(raised: Raised) -> Row:
    kind = raised.rule.kind
    detail = f"{raised.finding.theirs} See docs/runbooks/{RUNBOOK_OF[kind]}.md."
    return Row(name=str(kind.label), level=Level.RED, since=raised.finding.since, detail=detail)


def _process(beat: Beat, *, now: datetime) -> Row:
    level = by_age(beat.last, now=now, red_seconds=settings.ALERT_HEARTBEAT_SECONDS)
    if beat.last is None:
        return Row(name=beat.name, level=Level.RED, count=0, detail="has never worked")
    return Row(name=beat.name, level=level, count=beat.hosts, since=beat.last)


def _event(row: Waiting, *, now: datetime) -> Row:
    if row.state == EventState.DEAD:
        level = Level.RED if row.count else Level.GREEN
    elif row.state == EventState.PARKED:
        level = Level.AMBER if row.count else Level.GREEN
    else:
        level = by_age(row.oldest, now=now, red_seconds=settings.ALERT_EVENT_SECONDS)
    return Row(name=row.state, level=level, count=row.count, since=row.oldest)


def _call(row: Waiting, *, now: datetime) -> Row:
    level = by_age(row.oldest, now=now, red_seconds=settings.ALERT_CALL_SECONDS)
    if row.state == CallState.UNKNOWN and row.count:
        level = worst((level, Level.AMBER))
    return Row(name=row.state, level=level, count=row.count, since=row.oldest)


def _looks(looks: ProviderLooks) -> Row:
    level = Level.AMBER if looks.failing else Level.GREEN
    return Row(
        name=looks.provider, level=level, count=looks.failing, since=looks.last_answered, detail=looks.error[:100]
    )


def _overdue(row: Waiting, *, now: datetime) -> Row:
    level = by_age(row.oldest, now=now, red_seconds=settings.ALERT_LOOK_SECONDS)
    detail = f"{row.count} due and not begun" if row.count else ""
    return Row(name="overdue", level=level, count=None, since=row.oldest, detail=detail)


def _providers(attempts: tuple[LiveAttempts, ...], breakers: tuple[BreakerFigure, ...]) -> tuple[Row, ...]:
    """How far it reaches at each provider: the payments that are open there now, and whether we go on asking."""
    broken = {each.name: each for each in breakers if each.kind == "provider"}
    names = dict.fromkeys([*(row.provider for row in attempts), *broken])
    rows = []
    for name in names:
        of_it = [row for row in attempts if row.provider == name]
        states = ", ".join(f"{row.count} {row.state}" for row in of_it)
        breaker = broken.get(name)
        rows.append(
            Row(
                name=name,
                level=_of_breaker(breaker.state) if breaker else Level.GREEN,
                count=sum(row.count for row in of_it),
                since=breaker.not_closed_since if breaker else None,
                detail="; ".join(filter(None, (states, _said_of(breaker) if breaker else ""))),
            )
        )
    return tuple(rows)


def _receiver(receiver: ReceiverBacklog, *, now: datetime) -> Row:
    unsent = receiver.unsent
    if receiver.paused or not receiver.active:
        level = Level.AMBER if unsent.count else Level.GREEN
    else:
        level = by_age(unsent.oldest, now=now, red_seconds=settings.ALERT_DELIVERY_SECONDS)
    if receiver.paused:
        level = worst((level, Level.AMBER))
    elif receiver.breaker in (BreakerState.OPEN, BreakerState.HALF_OPEN):
        level = worst((level, Level.RED))
    if receiver.dead.count:
        level = Level.RED
    told = (
        f"{receiver.due} due" if receiver.due else "",
        f"{receiver.dead.count} dead" if receiver.dead.count else "",
        f"paused: {receiver.pause_reason}" if receiver.paused else "",
        "away" if receiver.breaker in (BreakerState.OPEN, BreakerState.HALF_OPEN) else "",
        "" if receiver.active else "switched off",
    )
    detail = ", ".join(filter(None, told))
    return Row(name=receiver.name, level=level, count=unsent.count, since=unsent.oldest, detail=detail)


def _cases(cases: OpenCases) -> Row:
    detail = f"{cases.unowned} without an owner" if cases.unowned else ""
    label = str(dict(CaseKind.choices).get(cases.kind, cases.kind))
    return Row(name=label, level=Level.AMBER, count=cases.count, since=cases.oldest, detail=detail)


def _ledger(last: LedgerCheck | None, *, now: datetime) -> tuple[Row, ...]:
    """The last whole run over the ledger: nothing before the first one has ended."""
    if last is None:
        return ()
    level = by_age(last.finished_at, now=now, red_seconds=AMBER_PART * 2 * ledger_watch.EVERY_SECONDS)
    if last.finding_count:
        level = Level.RED
    detail = last.first_finding[:200]
    return (Row(name="last check", level=level, count=last.finding_count, since=last.finished_at, detail=detail),)


def _lag(lag: Lag) -> Row:
    detail = f"median {lag.median_seconds:.1f} s, 95 % within {lag.p95_seconds:.1f} s, longest {lag.max_seconds:.1f} s"
    return Row(name=f"lag of the newest {lag.rows}", level=Level.GREEN, detail=detail if lag.rows else "")


def _of_breaker(state: str) -> Level:
    if state in (BreakerState.OPEN, BreakerState.HALF_OPEN):
        return Level.RED
    return Level.AMBER if state == BreakerState.PAUSED else Level.GREEN


def _said_of(breaker: BreakerFigure) -> str:
    if breaker.state == BreakerState.PAUSED:
        return f"paused by {breaker.actor}: {breaker.reason}"
    return f"{breaker.state} after {breaker.failures} failures" if breaker.state != BreakerState.CLOSED else ""
