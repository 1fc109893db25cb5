"""A capture: money that moved, one row each, whatever it was meant for."""

from __future__ import annotations

from django.db import models

from integrations import correlation
from orders.money import Money


class Disposition(models.TextChoices):
    """Where the money of a capture belongs."""

    APPLIED = "applied", "It pays the order."
    UNAPPLIED = "unapplied", "It is money beyond what the order owes: late or double."
    SUSPENSE = "suspense", "Its amount or currency differs from what was asked."


class Capture(models.Model):
    """Money the provider says it took for us. An order is paid by exactly one applied capture."""

    attempt = models.ForeignKey("payments.PaymentAttempt", on_delete=models.PROTECT, related_name="captures")
    order = models.ForeignKey("orders.Order", on_delete=models.PROTECT, related_name="captures")
    provider = models.CharField(max_length=20)
    account = models.CharField(max_length=64)
    capture_id = models.CharField(max_length=255)
    intent_id = models.CharField(
        max_length=255,
        blank=True,
        default="",
        db_default="",
        help_text="The provider's payment it belongs to, where it told it: not always its attempt's.",
    )
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    disposition = models.CharField(max_length=10, choices=Disposition.choices)
    captured_at = models.DateTimeField(help_text="The provider's time.")
    created_at = models.DateTimeField(help_text="Our time.")
    fee_minor = models.BigIntegerField(null=True, blank=True, help_text="The provider's fee, once it has told it.")
    correlation_id = models.CharField(
        max_length=64, blank=True, default=correlation.current, db_default="", editable=False
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "account", "capture_id"], name="capture_once"),
            models.UniqueConstraint(
                fields=["order"], condition=models.Q(disposition="applied"), name="capture_one_applied_an_order"
            ),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="capture_amount_positive"),
        ]
        indexes = [
            # What staff search for (payments/finding.py).
            models.Index(fields=["capture_id"], name="capture_by_id"),
            models.Index(fields=["amount_minor", "captured_at"], name="capture_amount"),
            # Ours beside a page of the provider's list (payments/reconciliation/ours.py).
            models.Index(fields=["provider", "captured_at", "id"], name="capture_of_provider"),
        ]

    def __str__(self) -> str:
        return f"Capture {self.capture_id} ({self.amount})"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def fee(self) -> Money | None:
        """The provider's fee, in this capture's currency; None while it has not told it."""
        return None if self.fee_minor is None else Money(self.fee_minor, self.currency)
