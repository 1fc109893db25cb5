"""Asks receivers whether they have a dead letter already, before it is replayed: opens sockets, writes nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.conf import settings

from integrations import delivery
from integrations.dead_letters import DeadFilter
from integrations.transactions import refuse_open_transaction

MOST = 20
SECONDS = 10
"""A person waits for it."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the receivers said of the first letters of a set.

    `asked`: how many they were asked for. `there`: the deliveries they have. Of the others nothing is known: not every
    receiver can be asked, and one that says no may still be working on it. `failed`: how many could not be asked.
    """

    asked: int
    there: tuple[int, ...]
    failed: int


def ask_receivers(chosen: DeadFilter, *, now: datetime) -> Asked:
    """Ask for up to MOST of those that match, oldest first, for SECONDS in all. Raises TransactionOpen inside one."""
    refuse_open_transaction("asking a receiver")
    ends = time.monotonic() + SECONDS
    asked, failed, there = 0, 0, []
    for row in list(chosen.rows().select_related("event", "destination")[:MOST]):
        left = min(settings.DELIVERY_LOOKUP_SECONDS, ends - time.monotonic())
        if left <= 0:
            break
        asked += 1
        try:
            if delivery.find(row, now=now, deadline_seconds=left):
                there.append(row.pk)
        except Exception:  # whatever one receiver does, the person is told of the others
            log.info("dead_letter_not_asked", key=row.key, exc_info=True)
            failed += 1
    return Asked(asked=asked, there=tuple(there), failed=failed)
