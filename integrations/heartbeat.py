"""Proof that a worker or the ticker works: one row for each name and host, renewed at most every few seconds."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta

from integrations.models import Heartbeat

FORGOTTEN_AFTER_HOURS = 24
"""A host that has been silent for this long is taken for gone, and its row is removed."""


def beat(name: str, *, now: datetime) -> None:
    """Say that `name` (`look`, `deliver`, `keep` or `tick`) works on this host at `now`."""
    Heartbeat.objects.bulk_create(
        [Heartbeat(name=name, host=socket.gethostname(), pid=os.getpid(), beaten_at=now)],
        update_conflicts=True,
        unique_fields=["name", "host"],
        update_fields=["pid", "beaten_at"],
    )


def last_beat(name: str) -> datetime | None:
    """Return when `name` last worked, on whatever host; None where it never did."""
    return Heartbeat.objects.filter(name=name).order_by("-beaten_at").values_list("beaten_at", flat=True).first()


def forget_silent(*, now: datetime) -> int:
    """Remove the rows of hosts that have long been silent; return how many."""
    gone, _ = Heartbeat.objects.filter(beaten_at__lt=now - timedelta(hours=FORGOTTEN_AFTER_HOURS)).delete()
    return gone
