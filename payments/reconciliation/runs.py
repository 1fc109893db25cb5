"""The row of a run: begun, held by a lease, advanced by one commit a page, ended.

A lease is a row's, not a session's: whoever holds it renews it with each step; after it has run out, the next one goes
on where the last commit was, and the former holder's writes touch nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from payments.models import ReconciliationRun
from payments.models.reconciliation import Ending, Phase

LEASE_SECONDS = 60
"""Longer than one look and one page of a list may take together (LOOK_SECONDS each)."""


class RunInProgress(Exception):
    """Somebody is reconciling this provider's lists at this moment: wait for it, or see who it is."""

    def __init__(self, run: ReconciliationRun) -> None:
        super().__init__(
            f"{run.provider} is being reconciled by {run.actor} since {run.started_at:%Y-%m-%d %H:%M} UTC, "
            f"last seen working at {run.heartbeat_at:%H:%M:%S}. Try again when it is done."
        )
        self.run = run


class LeaseLost(Exception):
    """Another process took this run up after our lease had ended: leave it alone."""


def unfinished(provider: str) -> ReconciliationRun | None:
    """Return the run of this provider that has not ended, if there is one."""
    return ReconciliationRun.objects.filter(provider=provider, finished_at=None).first()


def last_finished(provider: str) -> ReconciliationRun | None:
    """Return the last run of this provider that was read to its end and was no dry run."""
    done = ReconciliationRun.objects.filter(provider=provider, ending=Ending.DONE, dry_run=False)
    return done.order_by("-finished_at").first()


def begin(
    provider: str, *, since: datetime, until: datetime, dry_run: bool, actor: str, at: datetime
) -> ReconciliationRun:
    """Write a new run down, leased to the caller. Raises RunInProgress where another one has not ended."""
    try:
        with transaction.atomic(durable=True):
            return ReconciliationRun.objects.create(
                provider=provider,
                since=since,
                until=until,
                dry_run=dry_run,
                actor=actor,
                started_at=at,
                heartbeat_at=at,
                lease_until=at + timedelta(seconds=LEASE_SECONDS),
                fence=1,
                ours_read_to=until + timedelta(seconds=1),
                listed_to=until + timedelta(seconds=1),
            )
    except IntegrityError:
        other = unfinished(provider)
        if other is None:
            raise
        raise RunInProgress(other) from None


def take_up(run: ReconciliationRun, *, at: datetime) -> ReconciliationRun:
    """Take the lease of an unfinished run whose holder is gone; return it as it stands. Raises RunInProgress."""
    with transaction.atomic(durable=True):
        held = ReconciliationRun.objects.select_for_update().get(pk=run.pk)
        if held.lease_until is not None and held.lease_until > at:
            raise RunInProgress(held)
        held.fence += 1
        held.heartbeat_at, held.lease_until, held.next_try_at = at, at + timedelta(seconds=LEASE_SECONDS), None
        held.save(update_fields=["fence", "heartbeat_at", "lease_until", "next_try_at"])
    return held


def keep(run: ReconciliationRun, *, at: datetime, **progress: Any) -> None:
    """Renew the lease, and commit `progress` with it. Raises LeaseLost."""
    _write(run, heartbeat_at=at, lease_until=at + timedelta(seconds=LEASE_SECONDS), **progress)


def leave(run: ReconciliationRun, *, next_try_at: datetime | None = None) -> None:
    """Give the lease back, so that anybody may go on (from `next_try_at`, where the provider needs time)."""
    _write(run, lease_until=None, next_try_at=next_try_at)


def finish(run: ReconciliationRun, *, at: datetime) -> None:
    """Note that both sides were read to the end. Raises LeaseLost."""
    _write(run, phase=Phase.DONE, ending=Ending.DONE, finished_at=at, heartbeat_at=at, lease_until=None)


def abandon(run: ReconciliationRun, *, at: datetime) -> None:
    """End a run that nobody works on, since more is asked for. Raises RunInProgress."""
    held = take_up(run, at=at)
    _write(held, ending=Ending.ABANDONED, finished_at=at, lease_until=None)


def waiting(at: datetime) -> Q:
    """Return the filter for unfinished runs that somebody should take up."""
    free = Q(lease_until=None) | Q(lease_until__lte=at)
    return Q(finished_at=None) & free & (Q(next_try_at=None) | Q(next_try_at__lte=at))


def _write(run: ReconciliationRun, **fields: Any) -> None:
    if not ReconciliationRun.objects.filter(pk=run.pk, fence=run.fence, finished_at=None).update(**fields):
        raise LeaseLost(f"run {run.pk} was taken up by another process")
    for name, value in fields.items():
        setattr(run, name, value)
