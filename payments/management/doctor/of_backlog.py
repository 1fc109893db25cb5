"""D060–D069: what waits too long or was given up, by the figures that `status` shows."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from payments.ledger import watch as ledger_watch
from payments.management.doctor.examination import Place, examination
from payments.models.case import CaseKind
from payments.monitoring import alerts
from payments.monitoring import figures as health_figures
from payments.states import CallState, EventState


@examination(
    "D060",
    holds="no event waits for longer than ALERT_EVENT_SECONDS",
    remedy="docs/runbooks/stale-events.md",
)
def events(place: Place) -> list[str]:
    states = (EventState.RECEIVED, EventState.FAILED, EventState.UNVERIFIED)
    return [
        f"{row.count} {row.state}, the oldest for {_age(place, row.oldest)}."
        for row in health_figures.inbox()
        if row.state in states and _older(place, row.oldest, settings.ALERT_EVENT_SECONDS)
    ]


@examination(
    "D061",
    holds="no delivery to a receiver that is not paused waits for longer than ALERT_DELIVERY_SECONDS",
    remedy="docs/runbooks/stale-deliveries.md",
)
def deliveries(place: Place) -> list[str]:
    return [
        f"{receiver.name}: {receiver.unsent.count} unsent, the oldest for {_age(place, receiver.unsent.oldest)}."
        for receiver in health_figures.receivers(now=place.at)
        if receiver.active
        and not receiver.paused
        and _older(place, receiver.unsent.oldest, settings.ALERT_DELIVERY_SECONDS)
    ]


@examination(
    "D062",
    holds="there are no dead letters",
    remedy="docs/runbooks/dead-letters.md; `manage.py redeliver` queues them again under their keys.",
)
def dead_letters(place: Place) -> list[str]:
    return [
        f"{receiver.name}: {receiver.dead.count}, the oldest for {_age(place, receiver.dead.oldest)}."
        for receiver in health_figures.receivers(now=place.at)
        if receiver.dead.count
    ]


@examination(
    "D063",
    holds="there are no dead events",
    remedy="docs/runbooks/dead-events.md; `manage.py replay_inbox` puts them back to work.",
)
def dead_events(place: Place) -> list[str]:
    return [
        f"{row.count} dead, the oldest arrived {_age(place, row.oldest)} ago."
        for row in health_figures.inbox()
        if row.state == EventState.DEAD and row.count
    ]


@examination(
    "D064",
    holds="no call to a provider has had an unknown outcome for longer than ALERT_CALL_SECONDS",
    remedy="docs/runbooks/stale-calls.md; never send the same again by hand.",
)
def calls(place: Place) -> list[str]:
    return [
        f"{row.count} unknown, the oldest for {_age(place, row.oldest)}."
        for row in health_figures.provider_calls()
        if row.state == CallState.UNKNOWN and _older(place, row.oldest, settings.ALERT_CALL_SECONDS)
    ]


@examination(
    "D065",
    holds="no provider or receiver is away or paused",
    remedy="docs/runbooks/away.md; what a person has paused, a person resumes.",
)
def breakers(place: Place) -> list[str]:
    return [
        f"{each.name} ({each.kind}) is {each.state} for {_age(place, each.not_closed_since)}"
        + (f", by {each.actor}: {each.reason}" if each.state == "paused" else "")
        + "."
        for each in health_figures.breakers()
        if each.not_closed_since is not None
    ]


@examination(
    "D066",
    holds="no provider is silent although it was paid, and none has all its webhooks refused",
    remedy="docs/runbooks/provider-silent.md, docs/runbooks/bad-signatures.md",
)
def webhooks_come(place: Place) -> list[str]:
    kinds = (CaseKind.PROVIDER_SILENT, CaseKind.BAD_SIGNATURES)
    return [f"{each.finding.theirs}" for each in alerts.raised(place.at) if each.rule.kind in kinds]


@examination(
    "D067",
    holds="the ledger was verified within two days, and nothing was found",
    remedy="docs/runbooks/ledger-broken.md; `manage.py verify_ledger` runs now. Without a run, see the cluster `keep`.",
)
def ledger_verified(place: Place) -> list[str]:
    last = ledger_watch.last_finished()
    if last is None or last.finished_at is None:
        return []  # the first run begins with the first money
    old = _older(place, last.finished_at, 2 * ledger_watch.EVERY_SECONDS)
    return [
        *([f"The last run ended {_age(place, last.finished_at)} ago."] if old else []),
        *([f"{last.finding_count} found; first: {last.first_finding}"] if last.finding_count else []),
    ]


@examination(
    "D068",
    holds="each provider's list of events was read long before what was missed would be lost for good",
    remedy="docs/runbooks/events-unchecked.md; `manage.py fetch_events` reads it now.",
)
def events_checked(place: Place) -> list[str]:
    return [f"{each.finding.ours} {each.finding.theirs}" for each in _raised(place, CaseKind.EVENTS_UNCHECKED)]


@examination(
    "D069",
    holds="every call and payment under way was answered by its deadline, or a look could tell",
    remedy="docs/runbooks/expected-missed.md; never send the same again by hand.",
)
def answers_came(place: Place) -> list[str]:
    return [each.finding.theirs for each in _raised(place, CaseKind.EXPECTED_MISSED)]


def _raised(place: Place, kind: CaseKind) -> list[alerts.Raised]:
    return [each for each in alerts.raised(place.at) if each.rule.kind == kind]


def _older(place: Place, since: datetime | None, seconds: int) -> bool:
    return since is not None and place.at - since > timedelta(seconds=seconds)


def _age(place: Place, since: datetime | None) -> str:
    if since is None:
        return "no time"
    minutes = int((place.at - since).total_seconds()) // 60
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"
