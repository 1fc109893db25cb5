"""Reconciliation and the fetching of events by the workers of `keep`: in slices of seconds, each resumed by the next.

Each hour from where the last run ended (less an overlap), each night the last 48 hours; events each hour, every ten
minutes while a provider's webhooks are silent, and at once after an outage of ours or a provider's own notice.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from django.conf import settings

from integrations import providers
from integrations.contract import ConfigurationError, ProviderError
from payments import backfill, event_watermarks, rounds
from payments.clock import Clock
from payments.models import Case, EventWatermark, KeeperRound, ReconciliationRun
from payments.models.case import CaseKind
from payments.monitoring import alert_rules
from payments.reconciliation import lists, plan, runs
from payments.reconciliation.walking import OutOfTime, Walk

ACTOR = "worker:keep"
HOUR_SECONDS = 3600
NIGHT_HOURS = 48
EVENTS_EVERY = timedelta(hours=1)
EVENTS_EVERY_IN_SILENCE = timedelta(minutes=10)
RETRY_AFTER = timedelta(minutes=5)
ALIVE = "alive"
"""The round whose gaps tell of an outage of our own."""

GoesOn = Callable[[], bool]

log = structlog.get_logger(__name__)


def prepare(at: datetime) -> int:
    """Once a minute: make the watermark rows that are missing, and hasten everything after an outage of our own."""
    if not settings.RECONCILE_SCHEDULED:
        return 0
    names = lists.listing_providers()
    for name in names:
        if days := _window_days(name):
            event_watermarks.make(name, furthest=at - timedelta(days=days), at=at)
    if not _was_out(at):
        return 0
    for name in names:
        event_watermarks.hasten(name, at=at)
    log.warning("own_outage_noticed", providers=list(names))
    return len(names)


def is_due(at: datetime) -> bool:
    """Say whether `keep` has something to read."""
    if not settings.RECONCILE_SCHEDULED:
        return False
    if event_watermarks.due(at).filter(provider__in=providers.enabled()).exists():
        return True
    return any(_lists_are_due(name, at) for name in lists.listing_providers())


def work(*, clock: Clock, deadline: float) -> int:
    """Read on for as long as there is time; return how many readings were worked on. One that fails leaves the others
    alone. `deadline`: of time.monotonic(); no question is asked after it."""
    if not settings.RECONCILE_SCHEDULED:
        return 0

    def goes_on() -> bool:
        return time.monotonic() < deadline

    count = 0
    for mark in event_watermarks.due(clock()).filter(provider__in=providers.enabled()).order_by("next_at"):
        if goes_on() and event_watermarks.claim(mark, at=clock()):
            _fetch(mark, clock=clock, goes_on=goes_on)
            count += 1
    for name in lists.listing_providers():
        if goes_on() and _lists_are_due(name, clock()):
            _reconcile(name, clock=clock, deadline=deadline)
            count += 1
    return count


def _fetch(mark: EventWatermark, *, clock: Clock, goes_on: GoesOn) -> None:
    next_at = clock() + RETRY_AFTER
    try:
        done = backfill.fetch(mark.provider, since=None, dry_run=False, clock=clock, goes_on=goes_on)
        silent = _is_silent(mark.provider)
        next_at = clock() + (EVENTS_EVERY_IN_SILENCE if silent else EVENTS_EVERY) if done.whole else clock()
    except backfill.NoEvents:
        next_at = clock() + timedelta(days=1)
    except ProviderError as error:
        log.warning("events_not_fetched", provider=mark.provider, category=error.category)
    except Exception:
        log.exception("event_fetch_failed", provider=mark.provider)
    event_watermarks.leave(mark, next_at=next_at)


def _reconcile(name: str, *, clock: Clock, deadline: float) -> None:
    """Work for one slice on the run that waits, or begin the one that is due."""
    run = _take_up_or_begin(name, at=clock())
    if run is None:
        return
    next_try_at = None
    try:
        Walk(run, clock=clock, deadline=deadline).to_the_end()
    except runs.LeaseLost:
        log.info("reconciliation_taken_over", run=run.pk)
        return
    except OutOfTime:
        log.info("reconciliation_goes_on", run=run.pk, pages=run.pages)
    except ProviderError as error:
        next_try_at = clock() + RETRY_AFTER
        log.warning("reconciliation_put_off", run=run.pk, category=error.category)
    except Exception:
        next_try_at = clock() + RETRY_AFTER
        log.exception("reconciliation_failed", run=run.pk)
    else:
        return
    with suppress(runs.LeaseLost):
        runs.leave(run, next_try_at=next_try_at)


def _take_up_or_begin(name: str, *, at: datetime) -> ReconciliationRun | None:
    try:
        left = ReconciliationRun.objects.filter(runs.waiting(at), provider=name, dry_run=False).first()
        if left is not None:
            return runs.take_up(left, at=at)
        since = _since(name, at=at)
        if since is None:
            return None
        return plan.open_run(name, since=since, until=at, dry_run=False, actor=ACTOR, at=at)
    except runs.RunInProgress:  # a person is at it; what is due then is due again
        return None


def _since(name: str, *, at: datetime) -> datetime | None:
    """Begin the round that is due and return from when to read; None where another worker has begun it."""
    night = _night(at)
    seconds = int((at - night).total_seconds())
    if rounds.begin(f"reconcile-night:{name}", every_seconds=seconds, at=at):
        rounds.begin(event_watermarks.round_of(name), every_seconds=0, at=at)
        return min(plan.since_last(name, at=at), at - timedelta(hours=NIGHT_HOURS))
    if rounds.begin(event_watermarks.round_of(name), every_seconds=HOUR_SECONDS, at=at):
        return plan.since_last(name, at=at)
    return None


def _lists_are_due(name: str, at: datetime) -> bool:
    left = runs.unfinished(name)
    if left is not None:
        waits = ReconciliationRun.objects.filter(runs.waiting(at), pk=left.pk).exists()
        if not waits or not left.dry_run:  # a dry run left behind is abandoned by the next one
            return waits
    hourly = rounds.is_due(event_watermarks.round_of(name), every_seconds=HOUR_SECONDS, at=at)
    seconds = int((at - _night(at)).total_seconds())
    return hourly or rounds.is_due(f"reconcile-night:{name}", every_seconds=seconds, at=at)


def _night(at: datetime) -> datetime:
    """Return the last moment at which a night's reading was due."""
    tonight = at.replace(hour=settings.RECONCILE_NIGHT_HOUR, minute=0, second=0, microsecond=0)
    return tonight if tonight <= at else tonight - timedelta(days=1)


def _was_out(at: datetime) -> bool:
    """Say whether no worker of ours came by for longer than EVENTS_GAP_MINUTES, and note that one has now."""
    last = KeeperRound.objects.filter(name=ALIVE).values_list("begun_at", flat=True).first()
    rounds.begin(ALIVE, every_seconds=0, at=at)
    return last is not None and at - last > timedelta(minutes=settings.EVENTS_GAP_MINUTES)


def _is_silent(provider: str) -> bool:
    silent = Case.objects.filter(kind=CaseKind.PROVIDER_SILENT, closed_at=None, recovered_at=None)
    return silent.filter(subject_id=alert_rules.number_of(provider)).exists()


def _window_days(name: str) -> int:
    try:
        return backfill.window_days(name)
    except (ConfigurationError, providers.UnknownProvider):
        return 0
