"""The conditions of alerts, over the figures of payments/monitoring/figures.py. Pure reading;
payments/monitoring/alerts.py acts.

Each looks at the age of the oldest, never at a mean: one forgotten order is as bad as many.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from django.conf import settings

from integrations import providers
from payments import rounds, signatures
from payments.monitoring import figures as health_figures
from payments.monitoring.figures import Beat, ReceiverBacklog, Waiting
from payments.states import CallState, EventState

WATCH = "watch"
"""The round that evaluates the rules (payments/monitoring/watch.py)."""
WEBHOOK_GRACE_SECONDS = 120
"""A payment found by a look so lately may still be told by its webhook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found wrong: about what, what we hold, what is seen, since when. No personal data."""

    subject_kind: str
    subject_id: int
    ours: str
    theirs: str
    since: datetime | None = None


class Seen:
    """The figures of one moment, each asked for once."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    @cached_property
    def inbox(self) -> tuple[Waiting, ...]:
        return health_figures.inbox()

    @cached_property
    def calls(self) -> tuple[Waiting, ...]:
        return health_figures.provider_calls()

    @cached_property
    def receivers(self) -> tuple[ReceiverBacklog, ...]:
        return health_figures.receivers(now=self.at)

    @cached_property
    def looks_overdue(self) -> Waiting:
        return health_figures.looks_overdue(now=self.at)

    @cached_property
    def heartbeats(self) -> tuple[Beat, ...]:
        return health_figures.heartbeats()

    def is_older(self, since: datetime | None, seconds: int) -> bool:
        """Say whether that was more than `seconds` ago; nothing is never old."""
        return since is not None and self.at - since > timedelta(seconds=seconds)


def stale_events(seen: Seen) -> Iterator[Finding]:
    """Events that workers have not taken to their end."""
    states = (EventState.RECEIVED, EventState.FAILED, EventState.UNVERIFIED)
    waiting = [each for each in seen.inbox if each.state in states and each.oldest is not None]
    for each in sorted(waiting, key=lambda row: row.oldest or seen.at)[:1]:
        if seen.is_older(each.oldest, settings.ALERT_EVENT_SECONDS):
            yield Finding(
                subject_kind="inbox",
                subject_id=0,
                ours=f"An event is looked into within {settings.ALERT_EVENT_SECONDS} s of its arrival.",
                theirs=f"The oldest one that is {each.state} has waited for {age(each.oldest, seen.at)}.",
                since=each.oldest,
            )


def stale_deliveries(seen: Seen) -> Iterator[Finding]:
    """Receivers that do not get what they are to be told. Paused and disabled ones are somebody's decision."""
    for receiver in seen.receivers:
        oldest = receiver.unsent.oldest
        if receiver.active and not receiver.paused and seen.is_older(oldest, settings.ALERT_DELIVERY_SECONDS):
            yield Finding(
                subject_kind="destination",
                subject_id=receiver.destination_id,
                ours=f"{receiver.name} is told within {settings.ALERT_DELIVERY_SECONDS} s.",
                theirs=f"Its oldest delivery has waited for {age(oldest, seen.at)}; {receiver.unsent.count} wait.",
                since=oldest,
            )


def stale_calls(seen: Seen) -> Iterator[Finding]:
    """Calls that may have moved money or opened a page, and nobody knows."""
    ages = [each.oldest for each in seen.calls if each.state in (CallState.SENT, CallState.UNKNOWN) and each.oldest]
    oldest = min(ages, default=None)
    if seen.is_older(oldest, settings.ALERT_CALL_SECONDS):
        yield Finding(
            subject_kind="calls",
            subject_id=0,
            ours=f"The outcome of a call is known within {settings.ALERT_CALL_SECONDS} s.",
            theirs=f"The oldest one without a stored answer was prepared {age(oldest, seen.at)} ago.",
            since=oldest,
        )


def late_looks(seen: Seen) -> Iterator[Finding]:
    """Attempts that the sweeper should have looked at."""
    overdue = seen.looks_overdue
    if seen.is_older(overdue.oldest, settings.ALERT_LOOK_SECONDS):
        yield Finding(
            subject_kind="looks",
            subject_id=0,
            ours=f"A look begins within {settings.ALERT_LOOK_SECONDS} s of when it is due.",
            theirs=f"The oldest one is {age(overdue.oldest, seen.at)} late; {overdue.count} are due.",
            since=overdue.oldest,
        )


def worker_silent(seen: Seen) -> Iterator[Finding]:
    """Processes that must run. One that never has is given its time from the first round on."""
    for beat in seen.heartbeats:
        if beat.name not in health_figures.PROCESSES:
            continue
        last = beat.last or rounds.first(WATCH)
        if seen.is_older(last, settings.ALERT_HEARTBEAT_SECONDS):
            yield Finding(
                subject_kind="process",
                subject_id=number_of(beat.name),
                ours=f"`{beat.name}` works at least every {settings.ALERT_HEARTBEAT_SECONDS} s on some host.",
                theirs=f"It last did {age(beat.last, seen.at)} ago." if beat.last else "It has never worked.",
                since=last,
            )


def provider_silent(seen: Seen) -> Iterator[Finding]:
    """No verified webhook for a while, although there was something to tell."""
    minutes = settings.ALERT_SILENCE_MINUTES
    begin = seen.at - timedelta(minutes=minutes)
    for name in providers.enabled():
        last = health_figures.last_event(name)
        if last is not None and last > begin:
            continue
        until = seen.at - timedelta(seconds=WEBHOOK_GRACE_SECONDS)
        found = health_figures.payments_found(name, begin=begin, end=until)
        opened = health_figures.attempts_opened(name, begin=begin, most=settings.ALERT_SILENCE_ATTEMPTS)
        missed = health_figures.events_fetched(name, begin=begin, most=settings.ALERT_SILENCE_ATTEMPTS)
        if found or missed or opened >= settings.ALERT_SILENCE_ATTEMPTS:
            heard = f"The last one came {age(last, seen.at)} ago." if last else "None has ever come."
            yield Finding(
                subject_kind="provider",
                subject_id=number_of(name),
                ours=f"In {minutes} minutes {_payments(found)} at {name} and {opened} or more attempts opened."
                + (f" {missed} or more events were fetched from its list." if missed else ""),
                theirs=f"{name} has sent no verified webhook in that time. {heard}",
                since=last,
            )


def bad_signatures(seen: Seen) -> Iterator[Finding]:
    """Every webhook of a provider is refused: most likely our secret is not theirs."""
    for name in providers.enabled():
        since = signatures.trouble_since(name, at=seen.at)
        if seen.is_older(since, settings.ALERT_SIGNATURE_SECONDS):
            yield Finding(
                subject_kind="provider",
                subject_id=number_of(name),
                ours=f"Webhooks of {name} are signed with one of our secrets for it.",
                theirs=f"For {age(since, seen.at)} each one has failed the check, and none was verified.",
                since=since,
            )


def number_of(name: str) -> int:
    """Return the same number for the same name: the subject of a case about what has no row."""
    return zlib.crc32(name.encode())


def _payments(count: int) -> str:
    return f"{count} payment{'' if count == 1 else 's'} {'was' if count == 1 else 'were'} found by looking"


def age(since: datetime | None, at: datetime) -> str:
    """Return how long ago that was, in words."""
    seconds = int((at - since).total_seconds()) if since is not None else 0
    if seconds < 120:
        return f"{seconds} seconds"
    if seconds < 7200:
        return f"{seconds // 60} minutes"
    return f"{seconds // 3600} hours" if seconds < 172_800 else f"{seconds // 86_400} days"
