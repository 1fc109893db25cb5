"""What deliveries are compared with: a queue task for each of them, with the same guarantees. Run by a real worker."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from integrations import delivery


def deliver_one(*, destination: int, **_: Any) -> int:
    """Claim one delivery, send it, mark it: two transactions and a connection of its own, as a task by itself must."""
    claims = delivery.claim(now=timezone.now(), limit=1, room={destination: 1})
    for claimed in claims:
        delivery.mark(claimed, delivery.attempt(claimed, now=timezone.now()), now=timezone.now())
    return len(claims)
