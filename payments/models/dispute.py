"""A dispute and its machine, and each movement of money that it caused."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django_fsm import FSMField, transition

from integrations import correlation
from integrations.contract import MovementKind
from orders.money import Money
from payments.states import UNDECIDED_DISPUTES
from payments.states import DisputeState as State


class Dispute(models.Model):
    """Money of one capture that a bank claims back. It changes no order or attempt; the ledger shows it."""

    SUBJECT_KIND: ClassVar[str] = "dispute"
    BEGINS: ClassVar[tuple[State, ...]] = (State.INQUIRY, State.OPEN)

    provider = models.CharField(max_length=20)
    account = models.CharField(max_length=64)
    dispute_id = models.CharField(max_length=255, help_text="The provider's id.")
    capture = models.ForeignKey("payments.Capture", on_delete=models.PROTECT, related_name="disputes")
    attempt = models.ForeignKey("payments.PaymentAttempt", on_delete=models.PROTECT, related_name="disputes")
    order = models.ForeignKey("orders.Order", on_delete=models.PROTECT, related_name="disputes")
    state = FSMField(choices=State.choices, default=State.OPEN, protected=True, editable=False)
    amount_minor = models.BigIntegerField(help_text="What the cardholder claims, as the provider last told it.")
    currency = models.CharField(max_length=3)
    reason = models.CharField(max_length=60, blank=True, help_text="The provider's word.")
    respond_by = models.DateTimeField(null=True, blank=True, help_text="Until when the bank takes evidence.")
    opened_at = models.DateTimeField(help_text="The provider's time.")
    seen_at = models.DateTimeField(help_text="When a look first told us of it.")
    closed_at = models.DateTimeField(null=True, blank=True, help_text="When a look told us of its end.")
    evidence_submitted_at = models.DateTimeField(
        null=True, blank=True, help_text="When a look first told us that the bank has our evidence."
    )
    deadline_told_days = models.SmallIntegerField(
        null=True, blank=True, editable=False, help_text="How near its deadline was when staff were last told."
    )
    correlation_id = models.CharField(
        max_length=64, blank=True, default=correlation.current, db_default="", editable=False
    )

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()  # Django's own “view_dispute” would be mistaken for the roles table's
        constraints = [
            models.UniqueConstraint(fields=["provider", "account", "dispute_id"], name="dispute_once"),
            models.CheckConstraint(condition=Q(state__in=State.values), name="dispute_state_known"),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="dispute_amount_not_negative"),
            models.CheckConstraint(
                condition=Q(state__in=UNDECIDED_DISPUTES) | Q(closed_at__isnull=False), name="dispute_closed_at"
            ),
        ]
        indexes = [
            models.Index(fields=["dispute_id"], name="dispute_by_id"),  # payments/finding.py
            models.Index(fields=["respond_by"], condition=Q(state__in=UNDECIDED_DISPUTES), name="dispute_undecided"),
        ]

    def __str__(self) -> str:
        return f"Dispute {self.dispute_id} ({self.amount})"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_undecided(self) -> bool:
        return self.state in UNDECIDED_DISPUTES

    @property
    def awaits_answer(self) -> bool:
        """Whether evidence is still to be sent: the bank has none yet."""
        return self.state in (State.INQUIRY, State.OPEN) and self.evidence_submitted_at is None

    def outstanding(self) -> dict[str, int]:
        """Return what the bank has taken and not given back, in minor units by currency of the provider's balance."""
        held: dict[str, int] = {}
        for movement in self.movements.all():
            held[movement.currency] = held.get(movement.currency, 0) + movement.withdrawn.amount_minor
        return held

    @transition(field=state, source=State.INQUIRY, target=State.OPEN)
    def escalated(self) -> None:
        """The bank takes the money back after all."""

    @transition(field=state, source=[State.INQUIRY, State.OPEN], target=State.UNDER_REVIEW)
    def answered(self) -> None:
        """The bank has our evidence."""

    @transition(field=state, source=[State.OPEN, State.UNDER_REVIEW], target=State.WON)
    def won(self) -> None:
        """The bank decided for us."""

    @transition(field=state, source=[State.OPEN, State.UNDER_REVIEW], target=State.LOST)
    def lost(self) -> None:
        """The bank decided against us."""

    @transition(field=state, source=State.INQUIRY, target=State.CLOSED)
    def closed(self) -> None:
        """The inquiry ended without a chargeback."""


class DisputeMovement(models.Model):
    """One entry of the provider's balance that a dispute caused. Append-only; posted in the same transaction."""

    dispute = models.ForeignKey(Dispute, on_delete=models.PROTECT, related_name="movements")
    provider = models.CharField(max_length=20)
    account = models.CharField(max_length=64)
    entry_id = models.CharField(max_length=255, help_text="The provider's id (Stripe: the balance transaction's).")
    kind = models.CharField(max_length=10, choices=[(kind.value, kind.value.capitalize()) for kind in MovementKind])
    amount_minor = models.BigIntegerField(help_text="Taken or given back; never negative.")
    fee_minor = models.BigIntegerField(default=0, help_text="The provider's fee; negative where it gave one back.")
    currency = models.CharField(max_length=3, help_text="Of the provider's balance.")
    at = models.DateTimeField(help_text="The provider's time.")
    seen_at = models.DateTimeField(help_text="When a look first told us of it.")

    class Meta:
        ordering = ["pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["provider", "account", "entry_id"], name="dispute_movement_once"),
            models.CheckConstraint(condition=Q(amount_minor__gte=0), name="dispute_movement_not_negative"),
            models.CheckConstraint(
                condition=Q(kind__in=[kind.value for kind in MovementKind]), name="dispute_movement_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount} ({self.entry_id})"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def fee(self) -> Money:
        return Money(self.fee_minor, self.currency)

    @property
    def withdrawn(self) -> Money:
        """What it took from us: negative where it gave back."""
        return self.amount if self.kind == MovementKind.WITHDRAWN else Money(-self.amount_minor, self.currency)
