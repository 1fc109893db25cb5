"""Money that an order holds beyond what it owes: late or double captures, less what of them went back."""

from __future__ import annotations

from typing import Any

from django.db.models import Sum

from orders.models import Order
from orders.money import Money
from payments.models import Capture, Refund
from payments.models.capture import Disposition
from payments.states import RefundState


def held_beyond(order: Order) -> list[tuple[Capture, Money]]:
    """Return each capture that pays nothing, the oldest first, with how much of it is still held; without those of
    which nothing is."""
    captures = order.captures.filter(disposition=Disposition.UNAPPLIED).order_by("pk")
    returned = Refund.objects.filter(capture__in=captures, state=RefundState.SUCCEEDED).order_by()
    totals = returned.values("capture").annotate(total=Sum("amount_minor")).values_list("capture", "total")
    sums: dict[Any, int] = dict(totals)
    left = [
        (capture, Money(max(capture.amount_minor - sums.get(capture.pk, 0), 0), capture.currency))
        for capture in captures
    ]
    return [(capture, amount) for capture, amount in left if amount.amount_minor]
