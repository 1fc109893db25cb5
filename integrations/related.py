"""The other facts of the same object at the same receiver, for the connectors that ask for them."""

from __future__ import annotations

from integrations.connectors.contract import Related
from integrations.models import Delivery, DeliveryState

MOST = 100
"""Of one object at one receiver; an order has a handful."""


def related_to(delivery: Delivery) -> tuple[Related, ...]:
    """Return what else this delivery's receiver was told, or is to be told, of the same object, oldest first."""
    event = delivery.event
    rows = (
        Delivery.objects.filter(
            destination_id=delivery.destination_id,
            event__subject_kind=event.subject_kind,
            event__subject_id=event.subject_id,
        )
        .exclude(pk=delivery.pk)
        .select_related("event")
        .order_by("-pk")[:MOST]
    )
    return tuple(_related(row) for row in reversed(rows))


def _related(row: Delivery) -> Related:
    return Related(
        key=row.key,
        fact=row.event.fact,
        occurred_at=row.event.created_at,
        payload=row.event.payload,
        delivered=row.state == DeliveryState.DELIVERED,
        external_ids=row.external_ids,
    )
