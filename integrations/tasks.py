"""What django-q2 runs of the edge. Tasks accept unknown keywords, so that old workers survive new messages."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from integrations import delivery, heartbeat


def drain_deliveries(**_: Any) -> None:
    """Deliver what is due, for at most settings.DRAIN_SECONDS and the tries that run by then."""
    heartbeat.beat("deliver", now=timezone.now())
    delivery.drain(clock=timezone.now)
