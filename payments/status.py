"""What an on-call person needs first: what is wrong, what waits and since when, what was given up, who is paused.

The same figures as /metrics and the monitoring page (payments/health_figures.py), and the same rules as the alerts
(payments/alerts.py). Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from integrations.models import BreakerState
from payments import alerts, health_figures, runbooks
from payments.health_figures import Waiting
from payments.models.case import CaseKind
from payments.states import CallState, EventState


class Light(StrEnum):
    """How a line stands, in a word."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing. `count` and `oldest`: how many rows, and since when the oldest of them is so."""

    area: str
    what: str
    light: Light
    count: int = 0
    oldest: datetime | None = None
    detail: str = ""
    runbook: str = ""


def lines(*, at: datetime) -> list[Line]:
    """Return everything at this moment, what is red first within each area."""
    return [
        *_alerts(at),
        *_inbox(),
        *_calls(),
        *_receivers(at),
        *_breakers(),
        *_cases(),
        *_processes(),
    ]


def worst(found: list[Line]) -> Light:
    """Return the worst light of all."""
    order = [Light.RED, Light.AMBER]
    return next((light for light in order if any(line.light is light for line in found)), Light.GREEN)


def _alerts(at: datetime) -> Iterator[Line]:
    for each in alerts.raised(at):
        yield Line(
            area="alert",
            what=str(CaseKind(each.rule.kind).label),
            light=Light.RED,
            oldest=each.finding.since,
            detail=f"{each.finding.ours} {each.finding.theirs}".strip(),
            runbook=runbooks.url_of(each.rule.kind),
        )


def _inbox() -> Iterator[Line]:
    bad = {EventState.DEAD: Light.RED, EventState.FAILED: Light.AMBER, EventState.UNVERIFIED: Light.AMBER}
    for waiting in health_figures.inbox():
        yield _waiting("inbox", waiting, bad.get(EventState(waiting.state), Light.GREEN))


def _calls() -> Iterator[Line]:
    for waiting in health_figures.provider_calls():
        yield _waiting("call", waiting, Light.AMBER if waiting.state == CallState.UNKNOWN else Light.GREEN)


def _receivers(at: datetime) -> Iterator[Line]:
    for receiver in health_figures.receivers(now=at):
        unsent = receiver.unsent
        yield Line(
            area="receiver",
            what=f"{receiver.name}: unsent",
            light=Light.AMBER if receiver.paused or not receiver.active else Light.GREEN,
            count=unsent.count,
            oldest=unsent.oldest,
            detail=_how(receiver.active, receiver.paused, receiver.pause_reason),
        )
        if receiver.dead.count:
            yield Line(
                area="receiver",
                what=f"{receiver.name}: dead letters",
                light=Light.RED,
                count=receiver.dead.count,
                oldest=receiver.dead.oldest,
            )


def _how(active: bool, paused: bool, reason: str) -> str:
    if not active:
        return "disabled"
    return f"paused: {reason}" if paused else ""


def _breakers() -> Iterator[Line]:
    for row in health_figures.breakers():
        if row.state != BreakerState.CLOSED:
            paused = row.state == BreakerState.PAUSED
            yield Line(
                area="breaker",
                what=f"{row.kind} {row.name}",
                light=Light.AMBER if paused else Light.RED,
                count=row.failures,
                oldest=row.not_closed_since,
                detail=f"{row.state}: {row.reason if paused else row.last_failure}",
            )


def _cases() -> Iterator[Line]:
    for each in health_figures.open_cases():
        yield Line(
            area="case",
            what=str(CaseKind(each.kind).label),
            light=Light.AMBER,
            count=each.count,
            oldest=each.oldest,
            detail=f"{each.unowned} without an owner" if each.unowned else "",
        )


def _processes() -> Iterator[Line]:
    """Whether each works: silence has an alert of its own."""
    for beat in health_figures.heartbeats():
        light = Light.GREEN if beat.last is not None else Light.RED
        yield Line(area="process", what=beat.name, light=light, count=beat.hosts, oldest=beat.last, detail="last beat")


def _waiting(area: str, waiting: Waiting, light: Light) -> Line:
    shown = light if waiting.count else Light.GREEN
    return Line(area=area, what=waiting.state, light=shown, count=waiting.count, oldest=waiting.oldest)
