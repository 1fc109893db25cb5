"""Products, baskets and orders for tests, made the way the shop makes them."""

from __future__ import annotations

from datetime import datetime

from orders import baskets, operations
from orders.models import Basket, Order, Price, Product
from orders.transitions import operation
from payments.models import Capture, LedgerEntry, LedgerTransaction, PaymentAttempt


def product(sku: str = "MUG-01", *, max_quantity: int = 10, active: bool = True, **prices_minor: int) -> Product:
    """Make a product with prices in minor units by currency code; 12.50 USD and 11.90 EUR unless told otherwise."""
    made = Product.objects.create(
        sku=sku, slug=sku.lower(), name=f"Product {sku}", max_quantity=max_quantity, active=active
    )
    for currency, amount_minor in (prices_minor or {"USD": 1250, "EUR": 1190}).items():
        Price.objects.create(product=made, currency=currency, amount_minor=amount_minor)
    return made


def basket_of(*products: Product, now: datetime, currency: str = "USD", quantity: int = 1) -> Basket:
    """Make a basket with `quantity` of each product."""
    basket = Basket.objects.create(currency=currency, created_at=now)
    for each in products:
        baskets.add(token=basket.token, sku=each.sku, quantity=quantity, currency=currency, now=now)
    return basket


def order(*, now: datetime, email: str = "shopper@example.com", locale: str = "en_US") -> Order:
    """Place an order of one mug at 12.50 USD."""
    mug = Product.objects.filter(sku="MUG-01").first() or product()
    basket = basket_of(mug, now=now)
    return operations.place_order(basket_token=basket.token, email=email, locale=locale, now=now)


def capture(of: Order, *, now: datetime) -> Capture:
    """Write an applied capture of the whole order with its posting: the database lets no order be paid without."""
    attempt = PaymentAttempt.objects.create(
        order=of, provider="stripe", amount_minor=of.total_minor, currency=of.currency, created_at=now, mode="test"
    )
    made = Capture.objects.create(
        attempt=attempt,
        order=of,
        provider="stripe",
        account="acct_test",
        capture_id=f"ch_{of.pk}",
        amount_minor=of.total_minor,
        currency=of.currency,
        disposition="applied",
        captured_at=now,
        created_at=now,
    )
    posting = LedgerTransaction.objects.create(cause_kind="capture", cause_id=made.pk, currency=of.currency, at=now)
    LedgerEntry.objects.create(transaction=posting, account="clearing:stripe", amount_minor=of.total_minor)
    LedgerEntry.objects.create(transaction=posting, account="sales", amount_minor=-of.total_minor)
    return made


def pay(an_order: Order, *, now: datetime) -> Order:
    """Mark an order paid, with the capture that proves it."""
    with operation():
        locked = Order.objects.select_for_update().get(pk=an_order.pk)
        capture(locked, now=now)
        operations.mark_paid(locked, at=now, cause="look:1", actor="worker:look")
    return Order.objects.get(pk=an_order.pk)
