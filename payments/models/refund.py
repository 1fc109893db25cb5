"""A refund: money going back out of one capture, whoever asked for it, and its machine."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from integrations import correlation
from integrations.contract import RefundReason
from orders.money import Money
from payments.states import RefundState as State


def new_refund_reference() -> str:
    """Return our name for one refund as providers carry it: 160 random bits in 43 characters, url-safe."""
    return "rf_" + secrets.token_hex(20)


class Maker(models.TextChoices):
    """Who asked the provider for a refund."""

    OURS = "ours", "Ours: asked for here"
    THEIRS = "theirs", "Theirs: made at the provider"


class Refund(models.Model):
    """Money going back out of one capture. The database refuses ours beyond what is left of it."""

    SUBJECT_KIND: ClassVar[str] = "refund"

    reference = models.CharField(max_length=64, unique=True, default=new_refund_reference, editable=False)
    capture = models.ForeignKey("payments.Capture", on_delete=models.PROTECT, related_name="refunds")
    attempt = models.ForeignKey("payments.PaymentAttempt", on_delete=models.PROTECT, related_name="refunds")
    order = models.ForeignKey("orders.Order", on_delete=models.PROTECT, related_name="refunds")
    action = models.ForeignKey(
        "payments.StaffAction", null=True, blank=True, on_delete=models.PROTECT, related_name="refunds"
    )
    provider = models.CharField(max_length=20)
    account = models.CharField(max_length=64)
    refund_id = models.CharField(max_length=255, blank=True, help_text="The provider's id, once it has told it.")
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    state = FSMField(choices=State.choices, default=State.REQUESTED, protected=True, editable=False)
    made_by = models.CharField(max_length=6, choices=Maker.choices)
    reason = models.CharField(
        max_length=30, blank=True, choices=[(reason.value, reason.value) for reason in RefundReason]
    )
    requested_at = models.DateTimeField(help_text="Of theirs: when the provider says it was made.")
    succeeded_at = models.DateTimeField(
        null=True, blank=True, help_text="When we learned that the money is on its way."
    )
    failed_at = models.DateTimeField(null=True, blank=True)
    failure_reason = models.CharField(max_length=300, blank=True)
    correlation_id = models.CharField(
        max_length=64, blank=True, default=correlation.current, db_default="", editable=False
    )

    class Meta:
        ordering = ["pk"]
        default_permissions = ()  # Django's own “view_refund” would be mistaken for the roles table's
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "account", "refund_id"], condition=~Q(refund_id=""), name="refund_once"
            ),
            models.CheckConstraint(condition=Q(amount_minor__gt=0), name="refund_amount_positive"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="refund_state_known"),
            models.CheckConstraint(condition=Q(made_by__in=Maker.values), name="refund_maker_known"),
            # Theirs has no name of ours at the provider: without the provider's it could never be found again.
            models.CheckConstraint(condition=Q(made_by=Maker.OURS) | ~Q(refund_id=""), name="refund_of_theirs_has_id"),
        ]
        indexes = [
            models.Index(fields=["refund_id"], name="refund_by_id"),
            models.Index(
                fields=["attempt"],
                condition=Q(state__in=[State.REQUESTED, State.PENDING]),
                name="refund_undecided",
            ),
            models.Index(fields=["requested_at"], name="refund_requested"),
        ]

    def __str__(self) -> str:
        return f"Refund {self.refund_id or self.reference} ({self.amount})"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_ours(self) -> bool:
        return self.made_by == Maker.OURS

    @transition(field=state, source=State.REQUESTED, target=State.PENDING)
    def accepted(self) -> None:
        """The provider has it in hand."""

    @transition(field=state, source=State.PENDING, target=State.SUCCEEDED)
    def succeeded(self) -> None:
        """The money has left our account at the provider."""

    @transition(field=state, source=[State.REQUESTED, State.PENDING, State.SUCCEEDED], target=State.FAILED)
    def failed(self) -> None:
        """It did not reach the customer; what had left has come back."""
