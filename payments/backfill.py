"""Missed events, fetched from the provider's own list into the inbox: by the same door as webhooks, the newest first.

A watermark a provider says up to when its events are all here (payments/event_watermarks.py). It moves only after the
list was read without a gap down to it, and warns before the provider's window (`Capabilities.events_backfill_days`)
makes the loss of one final.
Threats: a list that lies can only make us look; an event of another mode or account is judged by its worker, as ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from integrations import providers
from integrations.contract import ListedEvent
from payments import event_watermarks, inbox
from payments.clock import Clock
from payments.models import EventWatermark, ProviderEvent
from payments.models.inbox import EventSource

READING_LIVES = timedelta(hours=24)
"""An unfinished reading that is older is begun anew: its cursor may have left the provider's window."""

log = structlog.get_logger(__name__)


class NoEvents(Exception):
    """This provider lists no events: reconcile its payments instead (`manage.py reconcile`)."""


@dataclass(slots=True, kw_only=True)
class Fetched:
    """What one reading of the list came to. `missed`: events that were not here; of a dry run, that would be fetched.

    `down_to`: how far back it reads; `stopped_at_watermark`: older ones are known to be here; `whole`: it got there.
    """

    provider: str
    begun: datetime
    down_to: datetime
    stopped_at_watermark: bool
    listed: int = 0
    missed: int = 0
    irrelevant: int = 0
    pages: int = 0
    whole: bool = False


def fetch(
    provider: str,
    *,
    since: datetime | None,
    dry_run: bool,
    clock: Clock,
    told: Callable[[Fetched], None] = lambda _: None,
    goes_on: Callable[[], bool] = lambda: True,
) -> Fetched:
    """Read the provider's list of events back to `since`, or to the watermark if that is later; take in what is missed.

    `since` None: back to the watermark, resuming a reading that was broken off. `goes_on` is asked before each page;
    when it says no, the next call resumes. Opens its own transactions; never inside one. Raises NoEvents,
    ProviderError.
    """
    adapter = providers.get(provider)
    days = adapter.capabilities.events_backfill_days
    if not days:
        raise NoEvents(f"{provider} lists no events: manage.py reconcile --provider {provider} reads its payments.")
    at = clock()
    furthest = at - timedelta(days=days)
    mark = _mark(provider, furthest=furthest, at=at, dry_run=dry_run)
    done, cursor = _plan(mark, since=since, furthest=furthest, at=at)
    while goes_on():
        page = adapter.list_events(since=done.down_to, cursor=cursor)
        for event in page.items:
            _take(event, done, dry_run=dry_run, at=clock())
        done.pages += 1
        cursor = page.cursor
        told(done)
        if not cursor:
            done.whole = True
            break
        if since is None and not dry_run:
            event_watermarks.note_page(mark, begun=done.begun, cursor=cursor, missed=done.missed, at=clock())
    if done.whole and not dry_run:
        event_watermarks.note_read(mark, begun=done.begun, down_to=done.down_to, missed=done.missed)
    log.info("events_fetched", provider=provider, listed=done.listed, missed=done.missed, whole=done.whole)
    return done


def window_days(provider: str) -> int:
    """Return how many days back the provider lists events; 0 for none. Raises ConfigurationError, UnknownProvider."""
    return providers.get(provider).capabilities.events_backfill_days


def warns_from(mark: EventWatermark, *, days: int) -> datetime:
    """Return from when it must be said that missed events are about to be lost: at two thirds of the window."""
    return mark.complete_until + timedelta(days=days) * 2 // 3


def lost_from(mark: EventWatermark, *, days: int) -> datetime:
    """Return from when a missed event can no longer be fetched."""
    return mark.complete_until + timedelta(days=days)


def _mark(provider: str, *, furthest: datetime, at: datetime, dry_run: bool) -> EventWatermark:
    if not dry_run:
        return event_watermarks.make(provider, furthest=furthest, at=at)
    known = EventWatermark.objects.filter(provider=provider).first()
    beginning = event_watermarks.beginning(provider, furthest=furthest, at=at)
    return known or EventWatermark(provider=provider, complete_until=beginning)


def _plan(mark: EventWatermark, *, since: datetime | None, furthest: datetime, at: datetime) -> tuple[Fetched, str]:
    """Return what to read, and the cursor to begin with."""
    down_to = max(furthest, mark.complete_until, since or furthest)
    stopped = mark.complete_until >= max(furthest, since or furthest)
    if since is None and mark.cursor and mark.reading_since and mark.reading_since > at - READING_LIVES:
        resumed = Fetched(
            provider=mark.provider,
            begun=mark.reading_since,
            down_to=down_to,
            stopped_at_watermark=stopped,
            missed=mark.reading_missed,
        )
        return resumed, mark.cursor
    return Fetched(provider=mark.provider, begun=at, down_to=down_to, stopped_at_watermark=stopped), ""


def _take(event: ListedEvent, done: Fetched, *, dry_run: bool, at: datetime) -> None:
    notification = event.notification
    done.listed += 1
    if not notification.relevant and not notification.of_payouts:
        done.irrelevant += 1
    elif dry_run:
        known = ProviderEvent.objects.filter(provider=notification.provider, event_id=notification.event_id).exists()
        done.missed += not known
    elif inbox.receive(notification, body=event.body, at=at, source=EventSource.BACKFILL):
        done.missed += 1
