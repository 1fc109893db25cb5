"""What the rest of the world is told of an order: plain JSON, complete in itself, so that no receiver has to ask back.

Amounts are integers in minor units beside the ISO 4217 code and the number of its decimals (`currency_exponent`);
`…_display` is for people, in the order's locale.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings

from integrations import outbox
from integrations.facts import Fact
from orders.models import Order, OrderLine
from orders.money import EXPONENTS


def record(fact: Fact, order: Order, *, at: datetime, cause: str = "", more: Mapping[str, Any] | None = None) -> None:
    """Write `fact` about `order` into the outbox, in the caller's transaction.

    `cause` as in the Transition row. `more`: what the caller knows besides, as plain JSON; it hides nothing of the
    order's own.
    """
    payload = {**(more or {}), **order_payload(order), "occurred_at": at.isoformat(), "cause": cause}
    outbox.record(
        fact,
        subject_kind=Order.SUBJECT_KIND,
        subject_id=order.pk,
        payload=payload,
        now=at,
    )


def order_payload(order: Order) -> dict[str, Any]:
    """Return the order as receivers get it. Reads its lines from the database."""
    return {
        "number": order.number,
        "token": order.token,
        "state": str(order.state),
        "email": order.email,
        "locale": order.locale,
        "currency": order.currency,
        "currency_exponent": EXPONENTS[order.currency],
        "total_minor": order.total_minor,
        "total_display": order.total.format(locale=order.locale),
        "lines": [_line(line, order=order) for line in order.lines.all()],
        "placed_at": order.placed_at.isoformat(),
        "expires_at": order.expires_at.isoformat(),
        "paid_at": order.paid_at.isoformat() if order.paid_at else None,
        "status_url": status_url(order),
        "pay_url": pay_url(order),
    }


def status_url(order: Order) -> str:
    """Return the absolute address of the order's page. The path is fixed (DESIGN.md, public surface)."""
    return f"{settings.PUBLIC_BASE_URL.rstrip('/')}/orders/{order.token}/"


def pay_url(order: Order) -> str:
    """Return the absolute address where the order is paid. The path is fixed (DESIGN.md, public surface)."""
    return f"{settings.PUBLIC_BASE_URL.rstrip('/')}/pay/{order.token}/"


def _line(line: OrderLine, *, order: Order) -> dict[str, Any]:
    return {
        "sku": line.sku,
        "name": line.name,
        "quantity": line.quantity,
        "unit_price_minor": line.unit_price_minor,
        "unit_price_display": line.unit_price.format(locale=order.locale),
        "total_minor": line.total.amount_minor,
        "total_display": line.total.format(locale=order.locale),
    }
