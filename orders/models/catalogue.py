"""Products and their prices. A price comes from here and from nowhere else."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models

from orders.money import EXPONENTS, Money


class Product(models.Model):
    """Something the shop sells."""

    sku = models.CharField(max_length=64, unique=True, validators=[RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9._-]*$")])
    slug = models.SlugField(max_length=80, unique=True)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    active = models.BooleanField(default=True)
    picture = models.CharField(
        max_length=200,
        blank=True,
        validators=[RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")],
        help_text="Path of a static file, for example shop/products/mug.svg; empty shows a plain picture.",
    )
    max_quantity = models.PositiveIntegerField(default=10, help_text="The most pieces of it in one order.")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=models.Q(max_quantity__gte=1), name="product_max_quantity_positive")
        ]

    def __str__(self) -> str:
        return self.name

    def price_in(self, currency: str) -> Money | None:
        """Return the price of one piece in `currency`, or None where it is not sold in it."""
        for price in self.prices.all():
            if price.currency == currency:
                return price.money
        return None


class Price(models.Model):
    """What one piece costs in one currency, in minor units."""

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="prices")
    currency = models.CharField(max_length=3, choices=[(code, code) for code in sorted(EXPONENTS)])
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["product", "currency"], name="price_once_a_currency"),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="price_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.product.sku}: {self.money}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)
