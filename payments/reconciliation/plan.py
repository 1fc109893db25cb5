"""From when to when the lists are read, and which run that is: a new one, or one that was left behind."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from payments.models import ReconciliationRun
from payments.reconciliation import runs

FIRST_DAYS = 7
"""How far back the first run reads where nobody says otherwise."""


def since_last(provider: str, *, at: datetime) -> datetime:
    """Return from when to read: the end of the last finished run less the overlap, since lists may lag."""
    last = runs.last_finished(provider)
    if last is None:
        return at - timedelta(days=FIRST_DAYS)
    return min(last.until, at) - timedelta(minutes=settings.RECONCILE_OVERLAP_MINUTES)


def open_run(
    provider: str, *, since: datetime, until: datetime, dry_run: bool, actor: str, at: datetime
) -> ReconciliationRun:
    """Return a run to work on, leased to the caller: one left behind that reads what is asked for, else a new one.

    A run left behind reaches until its own `until`: read on from there afterwards (`rest_of`). Raises RunInProgress.
    """
    left = runs.unfinished(provider)
    if left is None:
        return runs.begin(provider, since=since, until=until, dry_run=dry_run, actor=actor, at=at)
    if left.dry_run == dry_run and left.since <= since:
        return runs.take_up(left, at=at)
    runs.abandon(left, at=at)
    return runs.begin(provider, since=since, until=until, dry_run=dry_run, actor=actor, at=at)


def rest_of(run: ReconciliationRun, *, until: datetime) -> datetime | None:
    """Return from when to read on after a run that was taken up; None where it reached far enough."""
    if run.until >= until:
        return None
    return max(run.since, run.until - timedelta(minutes=settings.RECONCILE_OVERLAP_MINUTES))
