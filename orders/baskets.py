"""Baskets: put in, change, take out. Each operation locks the basket's row, so that two tabs never mix their writes.

A basket that became an order is closed and stays as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import prefetch_related_objects

from orders.lines import (
    NotSoldInCurrency,
    OrderRefused,
    PricedLine,
    UnknownProduct,
    check_count,
    check_currency,
    check_quantity,
    price_line,
    total_of,
)
from orders.models import Basket, BasketLine, Order, Product
from orders.money import Money


class BasketClosed(OrderRefused):
    """The basket became an order already. Begin a new one."""

    code = "basket_closed"


@dataclass(frozen=True, slots=True)
class ContentsLine:
    """One line as it stands today. `priced` is None where it cannot be ordered; `problem` then says why."""

    product: Product
    quantity: int
    priced: PricedLine | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a basket holds at today's prices. `total` is None while a line cannot be ordered, or there is none."""

    basket: Basket
    lines: tuple[ContentsLine, ...]
    total: Money | None
    problem: str = ""

    @property
    def currency(self) -> str:
        return self.basket.currency

    @property
    def count(self) -> int:
        """How many pieces in all."""
        return sum(line.quantity for line in self.lines)

    @property
    def fingerprint(self) -> str:
        """A digest of products, quantities, prices and currency: what the shopper sees and agrees to."""
        seen = [self.currency]
        for line in self.lines:
            unit_price_minor = line.priced.unit_price.amount_minor if line.priced else 0
            seen.append(f"{line.product.sku}:{line.quantity}:{unit_price_minor}")
        return hashlib.sha256("\n".join(seen).encode()).hexdigest()[:32]


def contents_of(basket: Basket) -> Contents:
    """Return the basket's lines at today's prices, in the order they were put in."""
    rows = list(basket.lines.select_related("product").order_by("pk"))
    prefetch_related_objects([row.product for row in rows], "prices")
    lines = tuple(_contents_line(row, currency=basket.currency) for row in rows)
    total, problem = None, ""
    try:
        check_count(len(lines))
        if all(line.priced for line in lines):
            total = total_of((line.priced for line in lines if line.priced), currency=basket.currency)
    except OrderRefused as refused:
        problem = refused.message
    return Contents(basket, lines, total, problem)


def add(*, token: str | None, sku: str, quantity: int, currency: str, now: datetime) -> Basket:
    """Put `quantity` pieces more into the basket; without one, or with a closed one, begin a new one in `currency`.

    An open basket keeps its own currency. Raises OrderRefused; then nothing changed.
    """
    with transaction.atomic():
        basket = _open_or_new(token=token, currency=currency, now=now)
        product = _product(sku)
        line = BasketLine.objects.filter(basket=basket, product=product).first()
        check_quantity(product, quantity)
        wanted = quantity + (line.quantity if line else 0)
        price_line(product, quantity=wanted, currency=basket.currency)
        if line is None:
            check_count(basket.lines.count() + 1)
            BasketLine.objects.create(basket=basket, product=product, quantity=wanted)
        else:
            line.quantity = wanted
            line.save(update_fields=["quantity"])
        return basket


def change(*, token: str, sku: str, quantity: int) -> None:
    """Set how many pieces of a product that is in the basket; 0 takes it out. Raises OrderRefused."""
    with _locked(token) as basket:
        line = _line(basket, sku)
        if quantity == 0 and type(quantity) is int:
            line.delete()
            return
        line.quantity = check_quantity(line.product, quantity)
        line.save(update_fields=["quantity"])


def remove(*, token: str, sku: str) -> None:
    """Take a product out; one that is not in it is out already. Raises BasketClosed, UnknownProduct."""
    with _locked(token) as basket:
        BasketLine.objects.filter(basket=basket, product__sku=sku).delete()


def change_currency(*, token: str, currency: str) -> None:
    """Price the whole basket in another currency. Raises NotSoldInCurrency, naming what is in the way."""
    check_currency(currency)
    with _locked(token) as basket:
        products = list(Product.objects.prefetch_related("prices").filter(pk__in=basket.lines.values("product")))
        without = [product.name for product in products if product.active and product.price_in(currency) is None]
        if without:
            raise NotSoldInCurrency(f"{', '.join(without)}: not sold in {currency}. Remove that first.")
        basket.currency = currency
        basket.save(update_fields=["currency"])


def again(order: Order, *, now: datetime) -> Basket:
    """Begin a new basket with what `order` held, as far as it is still sold; for a shopper who starts over."""
    with transaction.atomic():
        basket = Basket.objects.create(currency=order.currency, created_at=now)
        wanted = {line.sku: line.quantity for line in order.lines.all()}
        for product in Product.objects.prefetch_related("prices").filter(sku__in=wanted, active=True).order_by("pk"):
            if product.price_in(order.currency) is not None:
                quantity = min(wanted[product.sku], product.max_quantity)
                BasketLine.objects.create(basket=basket, product=product, quantity=quantity)
        return basket


def forget(tokens: Collection[str]) -> int:
    """Delete those of these baskets that became no order; return how many. For tokens that nobody holds any more."""
    with transaction.atomic():
        # The rows first, then whether they became orders: who is placing one right now holds its row (operations.py).
        held = list(
            Basket.objects.select_for_update().filter(token__in=tokens).order_by("pk").values_list("pk", flat=True)
        )
        left = Basket.objects.filter(pk__in=held, order=None)
        return left.delete()[1].get(Basket._meta.label, 0)


def _contents_line(row: BasketLine, *, currency: str) -> ContentsLine:
    try:
        priced = price_line(row.product, quantity=row.quantity, currency=currency)
    except OrderRefused as refused:
        return ContentsLine(row.product, row.quantity, None, refused.message)
    return ContentsLine(row.product, row.quantity, priced)


def _open_or_new(*, token: str | None, currency: str, now: datetime) -> Basket:
    if token:
        basket = Basket.objects.select_for_update().filter(token=token).first()
        if basket is not None and not _is_closed(basket):
            return basket
    return Basket.objects.create(currency=check_currency(currency), created_at=now)


@contextmanager
def _locked(token: str) -> Iterator[Basket]:
    with transaction.atomic():
        basket = Basket.objects.select_for_update().filter(token=token).first()
        if basket is None:
            raise BasketClosed("This basket no longer exists. Please start a new one.")
        if _is_closed(basket):
            raise BasketClosed("This basket was ordered already. Changes start a new basket.")
        yield basket


def _is_closed(basket: Basket) -> bool:
    return Order.objects.filter(basket=basket).exists()


def _product(sku: str) -> Product:
    product = Product.objects.prefetch_related("prices").filter(sku=sku, active=True).first()
    if product is None:
        raise UnknownProduct("We no longer sell this product. Please choose another.", sku=sku)
    return product


def _line(basket: Basket, sku: str) -> BasketLine:
    line = BasketLine.objects.select_related("product").filter(basket=basket, product__sku=sku).first()
    if line is None:
        raise UnknownProduct("This product is no longer in your basket.", sku=sku)
    return line
