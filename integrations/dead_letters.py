"""What people do with dead letters: queue them again under their old keys, or let later facts pass them."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F, QuerySet

from integrations.models import Delivery, DeliveryReplay, DeliverySkip, DeliveryState
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
            skipped_at=None,
        )
        if ids:
            nudge("deliver")
    return ids


def skip(deliveries: QuerySet[Delivery], *, actor: str, reason: str, now: datetime) -> list[int]:
    """Let later facts pass those of `deliveries` that are dead, where they are taken in order; return their ids.

    They stay dead, and may still be replayed. Recorded with who and why. `actor`: `user:7` or `command:<name>`.
    """
    with transaction.atomic():
        dead = deliveries.filter(state=DeliveryState.DEAD, skipped_at__isnull=True).order_by("pk")
        rows = list(dead.select_for_update(of=("self",)))
        DeliverySkip.objects.bulk_create(
            [DeliverySkip(delivery=row, at=now, actor=actor, reason=reason) for row in rows]
        )
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(skipped_at=now)
        for row in rows:
            _wake_those_behind(row, now=now)
        if rows:
            nudge("deliver")
    return [row.pk for row in rows]


def _wake_those_behind(row: Delivery, *, now: datetime) -> None:
    if row.ordering_key:
        Delivery.objects.filter(
            destination_id=row.destination_id,
            ordering_key=row.ordering_key,
            state=DeliveryState.QUEUED,
            pk__gt=row.pk,
            not_before__gt=now,
        ).update(not_before=now)


def waits_for(delivery: Delivery) -> Delivery | None:
    """Return the earlier delivery about the same order that must come first at this receiver; None: there is none."""
    if delivery.state != DeliveryState.QUEUED or not delivery.destination.ordered or not delivery.ordering_key:
        return None
    earlier = Delivery.objects.filter(
        destination_id=delivery.destination_id, ordering_key=delivery.ordering_key, pk__lt=delivery.pk
    )
    unconfirmed = (
        earlier.exclude(ordering_key="").exclude(state=DeliveryState.DELIVERED).filter(skipped_at__isnull=True)
    )
    return unconfirmed.select_related("event").order_by("pk").first()


def why_waiting(delivery: Delivery) -> str:
    """Return the sentence about what this delivery waits for; empty where it waits for no other."""
    front = waits_for(delivery)
    if front is None:
        return ""
    stands = (
        "which is dead: replay or skip that one."
        if front.state == DeliveryState.DEAD
        else "which is not confirmed yet."
    )
    return f"It waits for delivery {front.pk} ({front.event.fact}) about the same order, {stands}"
