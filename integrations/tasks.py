"""What django-q2 runs of the edge. Tasks accept unknown keywords, so that old workers survive new messages."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.utils import timezone

from integrations import delivery


def drain_deliveries(**_: Any) -> dict[str, int]:
    """Deliver what is due, for at most settings.DRAIN_SECONDS and the tries that run by then."""
    return asdict(delivery.drain(clock=timezone.now))
