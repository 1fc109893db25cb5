"""An order: what is owed, at the prices of the moment it was placed, and its state machine."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_fsm import RETURN_VALUE, FSMField, transition

from orders.models.basket import new_token
from orders.money import Money
from orders.states import OrderState as State


class Order(models.Model):
    """What one shopper owes. Its number is its primary key (from 1001); its token opens its page."""

    SUBJECT_KIND: ClassVar[str] = "order"

    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    # One order a basket, even from two tabs. Orders of the API have no basket.
    basket = models.OneToOneField(
        "orders.Basket", null=True, blank=True, on_delete=models.SET_NULL, related_name="order", editable=False
    )
    state = FSMField(choices=State.choices, default=State.PLACED, protected=True, editable=False)
    currency = models.CharField(max_length=3)
    total_minor = models.BigIntegerField()
    email = models.EmailField(db_index=True, help_text="Lower-cased.")
    locale = models.CharField(max_length=20, default="en_US")
    placed_at = models.DateTimeField()
    expires_at = models.DateTimeField(help_text="Until when it may be paid; then it is closed after a look.")
    paid_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(total_minor__gt=0), name="order_total_positive"),
            models.CheckConstraint(condition=models.Q(state__in=State.values), name="order_state_known"),
        ]
        indexes = [
            models.Index(fields=["state", "expires_at"], name="order_state_expires"),
            # "49.90 on 21 November" (payments/finding.py).
            models.Index(fields=["total_minor", "placed_at"], name="order_amount"),
        ]

    def __str__(self) -> str:
        return f"Order {self.number}"

    @property
    def number(self) -> int:
        """The number people read out. A new order has none before it is saved."""
        return self.pk

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    @transition(field=state, source=State.PLACED, target=State.PAID)
    def paid(self) -> None:
        """One applied capture covers the total."""

    @transition(field=state, source=State.PLACED, target=State.CANCELLED)
    def cancelled(self) -> None:
        """Called off before it was paid."""

    @transition(field=state, source=State.PLACED, target=State.EXPIRED)
    def expired(self) -> None:
        """Its time ran out, verified with the provider."""

    @transition(field=state, source=[State.EXPIRED, State.CANCELLED], target=State.PLACED)
    def reopened(self) -> None:
        """Taken up again by an approved correction."""

    @transition(field=state, source=State.PAID, target=State.PARTIALLY_REFUNDED)
    def partially_refunded(self) -> None:
        """Some of the money went back."""

    @transition(field=state, source=[State.PAID, State.PARTIALLY_REFUNDED], target=State.REFUNDED)
    def refunded(self) -> None:
        """All of the money went back."""

    @transition(field=state, source=State.REFUNDED, target=RETURN_VALUE(State.PAID, State.PARTIALLY_REFUNDED))
    @transition(field=state, source=State.PARTIALLY_REFUNDED, target=State.PAID)
    def refund_failed(self, *, still_refunded_minor: int) -> str:
        """A refund that had succeeded failed; `still_refunded_minor` is what remains refunded of the total."""
        return State.PARTIALLY_REFUNDED if still_refunded_minor else State.PAID


class OrderLine(models.Model):
    """One line of an order: a snapshot, so that later price changes do not reach it."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines")
    sku = models.CharField(max_length=64)
    name = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField()
    unit_price_minor = models.BigIntegerField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["order", "sku"], name="order_line_once_a_sku"),
            models.CheckConstraint(
                condition=models.Q(quantity__gte=1, unit_price_minor__gt=0), name="order_line_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.sku}"

    @property
    def unit_price(self) -> Money:
        return Money(self.unit_price_minor, self.order.currency)

    @property
    def total(self) -> Money:
        return self.unit_price * self.quantity
