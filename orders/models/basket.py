"""A basket: what a shopper may want to buy. It holds no price; the order takes its snapshot when it is placed."""

from __future__ import annotations

import secrets

from django.db import models


def new_token() -> str:
    """Return 192 random bits, url-safe: whoever holds the token holds what it names."""
    return secrets.token_urlsafe(24)


class Basket(models.Model):
    """One shopper's basket in one currency; it becomes one order at most."""

    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Basket {self.pk}"


class BasketLine(models.Model):
    """So many pieces of one product."""

    basket = models.ForeignKey(Basket, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey("orders.Product", on_delete=models.CASCADE, related_name="+")
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["basket", "product"], name="basket_line_once_a_product"),
            models.CheckConstraint(condition=models.Q(quantity__gte=1), name="basket_line_quantity_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product_id}"
