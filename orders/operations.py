"""Everything that changes an order. Each change and its fact commit together.

`place_…` join the caller's transaction or open their own. All others require an open transaction in which the caller
holds the order's row lock (lock order: order → attempt → …).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import connection, transaction

from integrations.facts import Fact
from integrations.failpoints import failpoint
from orders import facts, locales
from orders.baskets import contents_of
from orders.lines import (
    OrderRefused,
    PricedLine,
    UnknownProduct,
    check_count,
    check_currency,
    price_line,
    total_of,
)
from orders.models import Basket, Order, OrderLine, Product, Transition
from orders.transitions import move

_EMAIL_MAX_LENGTH = 254
_LINE_KEYS = {"sku", "quantity"}


class UnknownBasket(OrderRefused):
    """No basket has this token. Begin a new one."""

    code = "unknown_basket"


class BasketChanged(OrderRefused):
    """The basket or a price is not what the shopper was shown. Show it again before anything is owed."""

    code = "basket_changed"


class EmailRefused(OrderRefused):
    """The address is none that mail can reach."""

    code = "email_refused"


class LinesRefused(OrderRefused):
    """The lines are not a list of `{sku, quantity}`, each product once."""

    code = "lines_refused"


class NoTransaction(RuntimeError):
    """A defect of the caller: open a transaction and lock the order first."""


def place_order(
    *,
    basket_token: str,
    email: str,
    locale: str,
    now: datetime,
    seen: str | None = None,
) -> Order:
    """Turn a basket into an order at today's prices, once: any further call returns that same order.

    `seen` is the fingerprint (orders.baskets.Contents) of what the shopper agreed to; None asks for no such check.
    Raises OrderRefused in one of its kinds; then nothing changed.
    """
    address = check_email(email)
    with transaction.atomic():
        # The lock makes two tabs wait for each other; the second finds the order of the first.
        basket = Basket.objects.select_for_update().filter(token=basket_token).first()
        if basket is None:
            raise UnknownBasket("This basket no longer exists. Please start a new one.")
        placed = Order.objects.filter(basket=basket).first()
        if placed is not None:
            return placed
        contents = contents_of(basket)
        check_count(len(contents.lines))
        lines = [price_line(line.product, quantity=line.quantity, currency=basket.currency) for line in contents.lines]
        if seen is not None and seen != contents.fingerprint:
            raise BasketChanged("Your basket or a price has changed. Please check the total, then place the order.")
        return _place(
            lines,
            currency=basket.currency,
            email=address,
            locale=locale,
            now=now,
            basket=basket,
        )


def place_order_from_lines(
    *,
    lines: Sequence[Mapping[str, Any]],
    currency: str,
    email: str,
    locale: str,
    now: datetime,
) -> Order:
    """Place an order of `[{"sku": str, "quantity": int}]`, for the API. Raises OrderRefused; then nothing changed."""
    address = check_email(email)
    code = check_currency(currency)
    wanted = _wanted(lines)
    with transaction.atomic():
        products = Product.objects.prefetch_related("prices").filter(sku__in=wanted)
        by_sku = {product.sku: product for product in products}
        priced = []
        for sku, quantity in wanted.items():
            if sku not in by_sku or not by_sku[sku].active:
                raise UnknownProduct(f"There is no product “{sku}”.", sku=sku)
            priced.append(price_line(by_sku[sku], quantity=quantity, currency=code))
        return _place(priced, currency=code, email=address, locale=locale, now=now, basket=None)


def mark_paid(
    order: Order, *, at: datetime, cause: str, actor: str, payment: Mapping[str, Any] | None = None
) -> Transition:
    """`placed → paid`. `at` is when the money moved; `payment`: what the fact tells of it, as plain JSON.

    Raises ForbiddenTransition; the caller records it.
    """
    _require_transaction()
    row = move(order, "paid", actor=actor, cause=cause, at=at)
    order.paid_at = at
    order.save(update_fields=["paid_at"])
    failpoint("paid.before_fact")
    facts.record(Fact.ORDER_PAID, order, at=at, cause=cause, more=payment)
    return row


def cancel(order: Order, *, at: datetime, cause: str, actor: str) -> Transition:
    """`placed → cancelled`. The caller has made sure that no attempt can still take money."""
    return _step(order, "cancelled", Fact.ORDER_CANCELLED, at=at, cause=cause, actor=actor)


def expire(order: Order, *, at: datetime, cause: str, actor: str) -> Transition:
    """`placed → expired`. The caller has looked, closed and looked again (DESIGN.md, Expiry)."""
    return _step(order, "expired", Fact.ORDER_EXPIRED, at=at, cause=cause, actor=actor)


def reopen(order: Order, *, at: datetime, cause: str, actor: str) -> Transition:
    """`expired | cancelled → placed`, with a new time to pay. Only an approved correction may ask for it."""
    _require_transaction()
    row = move(order, "reopened", actor=actor, cause=cause, at=at)
    order.expires_at = at + _lifetime()
    order.save(update_fields=["expires_at"])
    facts.record(Fact.ORDER_REOPENED, order, at=at, cause=cause)
    return row


def check_email(email: object) -> str:
    """Return the address, stripped and lower-cased. Raises EmailRefused."""
    address = email.strip().lower() if isinstance(email, str) else ""
    try:
        if len(address) > _EMAIL_MAX_LENGTH or not address.isprintable():
            raise ValidationError("too long, or not printable")
        validate_email(address)
    except ValidationError as error:
        raise EmailRefused("Enter an e-mail address such as name@example.com. We send the receipt there.") from error
    return address


def _step(order: Order, event: str, fact: Fact, *, at: datetime, cause: str, actor: str) -> Transition:
    _require_transaction()
    row = move(order, event, actor=actor, cause=cause, at=at)
    facts.record(fact, order, at=at, cause=cause)
    return row


def _place(
    lines: Sequence[PricedLine],
    *,
    currency: str,
    email: str,
    locale: str,
    now: datetime,
    basket: Basket | None,
) -> Order:
    order = Order.objects.create(
        basket=basket,
        currency=currency,
        total_minor=total_of(lines, currency=currency).amount_minor,
        email=email,
        locale=locales.known(locale),
        placed_at=now,
        expires_at=now + _lifetime(),
    )
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            sku=line.product.sku,
            name=line.product.name,
            quantity=line.quantity,
            unit_price_minor=line.unit_price.amount_minor,
        )
        for line in lines
    )
    facts.record(Fact.ORDER_PLACED, order, at=now)
    failpoint("order.before_commit")
    return order


def _wanted(lines: Iterable[Mapping[str, Any]]) -> dict[str, object]:
    """Return quantity by SKU, in the order given. Only shape and doubles are checked here."""
    if not isinstance(lines, Sequence) or isinstance(lines, str | bytes):
        raise LinesRefused("`lines` must be a list such as [{“sku”: “MUG-01”, “quantity”: 1}].")
    check_count(len(lines))
    wanted: dict[str, object] = {}
    for line in lines:
        if not isinstance(line, Mapping) or set(line) != _LINE_KEYS or not isinstance(line["sku"], str):
            raise LinesRefused("Each line has exactly two members: a text `sku` and a whole number `quantity`.")
        sku = line["sku"]
        if not sku.isprintable() or len(sku) > 64:
            raise UnknownProduct("There is no such product.", sku="")
        if sku in wanted:
            raise LinesRefused(
                f"“{sku}” stands twice among the lines. Name each product once.",
                sku=sku,
            )
        wanted[sku] = line["quantity"]
    return wanted


def _lifetime() -> timedelta:
    return timedelta(minutes=settings.ORDER_LIFETIME_MINUTES)


def _require_transaction() -> None:
    if not connection.in_atomic_block:
        raise NoTransaction("An order changes inside a transaction that holds its row lock.")
