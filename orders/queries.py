"""What is read of the catalogue, of baskets and of orders. Nothing here writes or locks."""

from __future__ import annotations

import re

from django.db.models import Sum

from orders.baskets import Contents, contents_of
from orders.models import Basket, BasketLine, Order, Price, Product

_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")


def products() -> list[Product]:
    """Return what the shop sells, by name, with prices."""
    return list(Product.objects.filter(active=True).prefetch_related("prices"))


def product(slug: str) -> Product | None:
    """Return a product on sale, or None."""
    return Product.objects.filter(slug=slug, active=True).prefetch_related("prices").first()


def currencies() -> list[str]:
    """Return the codes in which anything on sale has a price, in alphabetical order."""
    sold = Price.objects.filter(product__active=True).order_by("currency")
    return list(sold.values_list("currency", flat=True).distinct())


def basket(token: str) -> Contents | None:
    """Return what an open or ordered basket holds at today's prices, or None where no basket has this token."""
    found = Basket.objects.filter(token=token).first() if _TOKEN.fullmatch(token) else None
    return contents_of(found) if found else None


def pieces_in(token: str) -> int:
    """Return how many pieces lie in an open basket; an ordered one counts as empty."""
    lines = BasketLine.objects.filter(basket__token=token, basket__order__isnull=True)
    return lines.aggregate(pieces=Sum("quantity"))["pieces"] or 0


def order(token: str) -> Order | None:
    """Return the order whose page this token opens, with its lines, or None."""
    if not _TOKEN.fullmatch(token):
        return None
    return Order.objects.filter(token=token).prefetch_related("lines").first()


def order_of_basket(token: str) -> Order | None:
    """Return the order that a basket became, or None."""
    return Order.objects.filter(basket__token=token).first() if _TOKEN.fullmatch(token) else None


def pictures_of(order: Order) -> dict[str, Product]:
    """Return today's products by SKU for the lines of an order; a product since deleted is missing."""
    return {each.sku: each for each in Product.objects.filter(sku__in=[line.sku for line in order.lines.all()])}
