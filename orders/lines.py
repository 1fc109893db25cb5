"""What may be bought: the rules of one line and of a whole order, in sentences that a person reads.

Basket, checkout and API all go through here; a price comes from the database and from nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from orders.models import Product
from orders.money import EXPONENTS, MAX_AMOUNT_MINOR, Money

MAX_LINES = 50
"""The most different products in one order; hosted pages take 100 lines at least, mails stay readable."""


class OrderRefused(Exception):
    """What was asked cannot be bought as it is. Nothing changed; show `message` to the person who asked.

    `code` is a stable word for programs, `sku` names the product where it is about one.
    """

    code = "refused"

    def __init__(self, message: str, *, sku: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.sku = sku


class UnknownProduct(OrderRefused):
    """No such product, or it is no longer sold. Choose another."""

    code = "unknown_product"


class NotSoldInCurrency(OrderRefused):
    """The product has no price in this currency. Choose another currency, or leave it out."""

    code = "not_sold_in_currency"


class QuantityRefused(OrderRefused):
    """The quantity is no whole number from 1 to the product's limit."""

    code = "quantity_refused"


class CurrencyRefused(OrderRefused):
    """The currency is none that we know."""

    code = "currency_refused"


class TooManyLines(OrderRefused):
    """More different products than one order takes. Place a second order."""

    code = "too_many_lines"


class TotalTooLarge(OrderRefused):
    """The total is beyond what an amount may be. Order less at once."""

    code = "total_too_large"


class NothingToOrder(OrderRefused):
    """There is no line. Put something into the basket first."""

    code = "nothing_to_order"


@dataclass(frozen=True, slots=True)
class PricedLine:
    """So many pieces of a product at today's price; `unit_price` is per piece."""

    product: Product
    quantity: int
    unit_price: Money
    total: Money


def check_currency(currency: object) -> str:
    """Return `currency` if it is a code of orders.money.EXPONENTS. Raises CurrencyRefused."""
    if not isinstance(currency, str) or currency not in EXPONENTS:
        raise CurrencyRefused("Choose a currency by its three capital letters, for example EUR.")
    return currency


def check_quantity(product: Product, quantity: object) -> int:
    """Return `quantity` if it is an int (no bool, no float) from 1 to the product's limit. Raises QuantityRefused."""
    if type(quantity) is not int or quantity < 1:
        raise QuantityRefused(
            f"The quantity of {product.name} must be a whole number from 1 to {product.max_quantity}.",
            sku=product.sku,
        )
    if quantity > product.max_quantity:
        raise QuantityRefused(
            f"At most {product.max_quantity} of {product.name} can be ordered at once.",
            sku=product.sku,
        )
    return quantity


def price_line(product: Product, *, quantity: object, currency: str) -> PricedLine:
    """Return the line at today's price in `currency`. Raises OrderRefused in one of its kinds."""
    if not product.active:
        raise UnknownProduct(f"{product.name} is no longer sold. Please remove it.", sku=product.sku)
    pieces = check_quantity(product, quantity)
    unit_price = product.price_in(currency)
    if unit_price is None:
        raise NotSoldInCurrency(f"{product.name} is not sold in {currency}.", sku=product.sku)
    return PricedLine(product, pieces, unit_price, _times(unit_price, pieces))


def total_of(lines: Iterable[PricedLine], *, currency: str) -> Money:
    """Return the sum of `lines`. Raises TotalTooLarge beyond orders.money.MAX_AMOUNT_MINOR."""
    total_minor = sum(line.total.amount_minor for line in lines)
    if total_minor > MAX_AMOUNT_MINOR:
        raise TotalTooLarge("This order is too large. Please split it into several.")
    return Money(total_minor, currency)


def check_count(count: int) -> None:
    """Raises NothingToOrder for none, TooManyLines for more than MAX_LINES."""
    if count == 0:
        raise NothingToOrder("There is nothing to order yet. Put something into your basket first.")
    if count > MAX_LINES:
        raise TooManyLines(f"At most {MAX_LINES} different products fit into one order.")


def _times(unit_price: Money, quantity: int) -> Money:
    if unit_price.amount_minor * quantity > MAX_AMOUNT_MINOR:
        raise TotalTooLarge("This order is too large. Please split it into several.")
    return unit_price * quantity
