"""What is watched once a minute, by whichever worker comes by first: alerts, suspicious patterns, figures, keys.

Both `look` and `keep` come by, so that one of them tells when the other is silent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from payments import expected, key_watch, rounds, visitors
from payments.bank import overdue as bank_overdue
from payments.disputes import deadlines as dispute_deadlines
from payments.monitoring import alerts, patterns, period_figures
from payments.monitoring.alert_rules import WATCH
from payments.payouts import watch as payout_watch
from payments.people import token_watch
from payments.reconciliation import schedule

EVERY_SECONDS = 60
PERIODS_A_ROUND = 6

log = structlog.get_logger(__name__)


def is_due(at: datetime) -> bool:
    """Say whether the next round may begin."""
    return rounds.is_due(WATCH, every_seconds=EVERY_SECONDS, at=at)


def once_a_minute(at: datetime) -> int:
    """Make the round if it is due; return how many things were seen to. One that fails leaves the others alone."""
    if not rounds.begin(WATCH, every_seconds=EVERY_SECONDS, at=at):
        return 0
    return sum(_try(job, at) for job in JOBS)


def _roll_up(at: datetime) -> int:
    return period_figures.roll_up(at=at, most=PERIODS_A_ROUND)


def _keep_keys(at: datetime) -> int:
    return key_watch.keep_keys(at=at)


JOBS: tuple[Callable[[datetime], int], ...] = (
    alerts.watch,
    patterns.watch,
    _roll_up,
    _keep_keys,
    payout_watch.begin_mirrors,
    schedule.prepare,
    expected.look_at_overdue,
    dispute_deadlines.watch,
    bank_overdue.watch,
    token_watch.watch,
    visitors.forget,
)


def _try(job: Callable[[datetime], int], at: datetime) -> int:
    try:
        return job(at)
    except Exception:
        log.exception("watch_failed", job=job.__name__)
        return 0
