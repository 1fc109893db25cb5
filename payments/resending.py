"""*Send a mail again*: the shopper says it never came. Only mails to shoppers, and only to the order's own address.

Delivered: the same fact once more to the same mail receiver, under a key of its own (integrations/repeats.py). Dead:
the dead letter itself, under its old key. No other receiver hears of it. Threats: a shopper's mailbox filled by a
person or a script in their place (one at a time, three a day an order), a mail of another order (the delivery is
looked up among the order's own).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from integrations import dead_letters, repeats
from integrations.models import Delivery, DeliveryRepeat, DeliveryState, DestinationKind
from orders.models import Order
from payments.roles import Area, Verb, check_may
from payments.staff_operations import NotPossible
from payments.why import moment

MOST_A_DAY = 3
REASON_MIN_CHARACTERS = 5
_UNFINISHED = (DeliveryState.QUEUED, DeliveryState.SENDING)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail of an order as a person chooses it."""

    delivery_id: int
    fact: str
    state: str
    delivered_at: datetime | None


class NoReason(ValueError):
    """Why is not told. Ask the person again."""


def letters(order: Order) -> list[Letter]:
    """Return the mails to the shopper about this order, the newest first."""
    rows = _mails(order).select_related("event").order_by("-pk")
    return [Letter(row.pk, row.event.fact, row.state, row.delivered_at) for row in rows]


def check_resend(order: Order, *, user: Any) -> None:
    """Raise PermissionDenied or NotPossible, with the sentence a person reads, unless they may send a mail again."""
    check_may(user, Verb.DO, Area.NOTE)
    if not _mails(order).exists():
        raise NotPossible("No mail to the shopper was ever due for this order.")


def resend(order: Order, *, delivery_id: int, user: Any, reason: str, at: datetime) -> str:
    """Queue a mail of the order again and return what was done, as a sentence. Its own transaction.

    Raises PermissionDenied, NoReason, and NotPossible where it is on its way, or was sent often enough.
    """
    check_resend(order, user=user)
    reason = reason.replace("\x00", "").strip()
    if len(reason) < REASON_MIN_CHARACTERS:
        raise NoReason("Say in a few words why it is sent again.")
    actor = f"user:{user.pk}"
    with transaction.atomic(durable=True):
        first = _mails(order).select_for_update(of=("self",)).filter(pk=delivery_id).first()
        if first is None:
            raise NotPossible("This order has no such mail.")
        if not first.destination.active:
            raise NotPossible(f"“{first.destination.name}” is switched off.")
        mine = [first, *Delivery.objects.filter(event_id=first.event_id, repeats=first).order_by("pk")]
        _check_none_on_its_way(mine, at=at)
        dead = [row.pk for row in mine if row.state == DeliveryState.DEAD]
        if dead:
            dead_letters.redeliver(Delivery.objects.filter(pk__in=dead[-1:]), actor=actor, reason=reason[:300], now=at)
            return "The mail that had been given up is tried again."
        _check_not_too_often(order, at=at)
        repeats.repeat_mail(first, actor=actor, reason=reason, now=at)
    return "The mail is sent once more."


def _mails(order: Order) -> QuerySet[Delivery]:
    """Return the first deliveries of mails to the shopper's own address."""
    return Delivery.objects.filter(
        event__subject_kind=Order.SUBJECT_KIND,
        event__subject_id=order.pk,
        destination__kind=DestinationKind.MAIL,
        destination__address="",
        repeats=None,
    ).select_related("destination")


def _check_none_on_its_way(mine: list[Delivery], *, at: datetime) -> None:
    for row in mine:
        if row.state in _UNFINISHED:
            raise NotPossible(f"It is on its way; the next try is at {moment(row.not_before, now=at)}.")


def _check_not_too_often(order: Order, *, at: datetime) -> None:
    sent = DeliveryRepeat.objects.filter(
        delivery__event__subject_kind=Order.SUBJECT_KIND,
        delivery__event__subject_id=order.pk,
        at__gt=at - timedelta(days=1),
    )
    if sent.count() >= MOST_A_DAY:
        raise NotPossible(f"Mails of this order were sent again {MOST_A_DAY} times within a day. Call the customer.")
