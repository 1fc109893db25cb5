"""What people do with dead letters: queue them again under their old keys, or let later facts pass them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet

from integrations.models import Delivery, DeliveryReplay, DeliveryState
from integrations.wakeups import nudge


def dead_without_case() -> QuerySet[Delivery]:
    """Return the dead deliveries for which nobody has opened a Case: open one, then set `case_opened_at`."""
    return Delivery.objects.filter(state=DeliveryState.DEAD, case_opened_at__isnull=True).order_by("died_at")


def redeliver(deliveries: QuerySet[Delivery], *, actor: str, reason: str, now: datetime) -> list[int]:
    """Queue again those of `deliveries` that are dead, under their old keys, and record who and why; return their ids.

    `actor`: `user:7` or `command:<name>`. The schedule begins anew.
    """
    with transaction.atomic():
        # In one order everywhere, so that two replays cannot lock each other out.
        dead = deliveries.filter(state=DeliveryState.DEAD).order_by("pk")
        rows = list(dead.select_for_update(of=("self",)))
        DeliveryReplay.objects.bulk_create(
            [
                DeliveryReplay(
                    delivery=row, at=now, actor=actor, reason=reason, dead_reason=row.dead_reason, tries=row.tries
                )
                for row in rows
            ]
        )
        ids = [row.pk for row in rows]
        Delivery.objects.filter(pk__in=ids).update(
            state=DeliveryState.QUEUED,
            queued_at=now,
            not_before=now,
            tries_before_replay=F("tries"),
            unfinished_tries=0,
            died_at=None,
            dead_reason="",
            case_opened_at=None,
        )
        if ids:
            nudge("deliver")
    return ids
