"""Rows for tests, made through the product's own doors."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta

from orders.models import Order, OrderLine, Price, Product

_numbers = itertools.count(1)


def make_product(*, price_minor: int = 1000, currency: str = "EUR", sku: str = "") -> Product:
    """Return a product with one price, in minor units."""
    sku = sku or f"SKU-{next(_numbers)}"
    product = Product.objects.create(sku=sku, slug=sku.lower(), name=f"Thing {sku}")
    Price.objects.create(product=product, currency=currency, amount_minor=price_minor)
    return product


def make_order(
    *, now: datetime, price_minor: int = 1000, quantity: int = 2, currency: str = "EUR", minutes: int = 60
) -> Order:
    """Return a placed order of one line; its total is price × quantity, in minor units."""
    order = Order.objects.create(
        currency=currency,
        total_minor=price_minor * quantity,
        email="shopper@example.com",
        placed_at=now,
        expires_at=now + timedelta(minutes=minutes),
    )
    OrderLine.objects.create(order=order, sku="MUG", name="Mug", quantity=quantity, unit_price_minor=price_minor)
    return order
