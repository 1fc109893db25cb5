"""A payment attempt and its machine, and what the provider said of it at each look that told something new."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.db import models
from django_fsm import RETURN_VALUE, FSMField, transition

from integrations import correlation
from integrations.contract import Presentation, ProviderIds
from orders.money import Money
from payments.states import LIVE_STATES
from payments.states import AttemptState as State


def new_reference() -> str:
    """Return our name for one attempt as providers carry it: 144 random bits in 39 characters (Square takes 40)."""
    return "pa_" + secrets.token_hex(18)


class PaymentAttempt(models.Model):
    """One try to pay one order at one provider; an order has one live attempt at most."""

    SUBJECT_KIND: ClassVar[str] = "attempt"

    reference = models.CharField(max_length=64, unique=True, default=new_reference, editable=False)
    order = models.ForeignKey("orders.Order", on_delete=models.PROTECT, related_name="attempts")
    provider = models.CharField(max_length=20)
    state = FSMField(choices=State.choices, default=State.CREATED, protected=True, editable=False)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    created_at = models.DateTimeField()
    correlation_id = models.CharField(
        max_length=64, blank=True, default=correlation.current, db_default="", editable=False
    )

    client_key = models.CharField(
        max_length=32,
        blank=True,
        default="",
        db_default="",
        editable=False,
        help_text="Keyed hash of the network address that asked for it (payments/keyed_hashes.py).",
    )

    presentation = models.CharField(
        max_length=10,
        default=Presentation.HOSTED.value,
        db_default=Presentation.HOSTED.value,
        editable=False,
        help_text="Where the shopper pays: on the provider's page (hosted), or in its frame on ours (embedded).",
    )

    # What the provider told of itself when it answered.
    mode = models.CharField(max_length=4)
    account = models.CharField(max_length=64, blank=True)
    page_id = models.CharField(max_length=255, blank=True)
    intent_id = models.CharField(max_length=255, blank=True)
    page_url = models.TextField(blank=True)
    page_expires_at = models.DateTimeField(null=True, blank=True)
    page_open = models.BooleanField(default=False, help_text="The provider's page may still take money.")
    url_given_at = models.DateTimeField(null=True, blank=True, help_text="When the shopper first received the URL.")
    close_requested_at = models.DateTimeField(null=True, blank=True)
    in_review = models.BooleanField(
        default=False, db_default=False, help_text="The provider holds the payment back until somebody there decides."
    )

    # Looks: the fence, and when to look next without being told to.
    look_number = models.PositiveIntegerField(default=0, help_text="Number of the last look begun.")
    applied_look = models.PositiveIntegerField(default=0, help_text="Number of the last look settled.")
    looked_at = models.DateTimeField(null=True, blank=True, help_text="When the provider last answered a look.")
    look_failures = models.PositiveIntegerField(default=0, help_text="Looks without an answer since the last one.")
    look_error = models.CharField(max_length=300, blank=True)
    next_look_at = models.DateTimeField(null=True, blank=True, help_text="Empty: nothing is expected any more.")
    sweep_lease_until = models.DateTimeField(null=True, blank=True)

    # The last refusal the shopper may retry. It is not a failure of the attempt.
    decline_reason = models.CharField(max_length=40, blank=True)
    decline_code = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["order"], condition=models.Q(state__in=LIVE_STATES), name="attempt_one_live_an_order"
            ),
            models.UniqueConstraint(
                fields=["provider", "account", "page_id"], condition=~models.Q(page_id=""), name="attempt_page_unique"
            ),
            models.UniqueConstraint(
                fields=["provider", "account", "intent_id"],
                condition=~models.Q(intent_id=""),
                name="attempt_intent_unique",
            ),
            models.CheckConstraint(condition=models.Q(amount_minor__gt=0), name="attempt_amount_positive"),
            models.CheckConstraint(condition=models.Q(state__in=State.values), name="attempt_state_known"),
            models.CheckConstraint(
                condition=models.Q(applied_look__lte=models.F("look_number")), name="attempt_looks_fenced"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_look_at"], condition=models.Q(next_look_at__isnull=False), name="attempt_next_look"
            ),
            models.Index(
                fields=["provider", "looked_at"],
                condition=models.Q(looked_at__isnull=False),
                name="attempt_last_look",
            ),
            models.Index(fields=["created_at"], name="attempt_created"),  # payments/monitoring/period_figures.py
            models.Index(fields=["page_id"], name="attempt_page"),
            models.Index(fields=["intent_id"], name="attempt_intent"),
        ]

    def __str__(self) -> str:
        return f"Attempt {self.pk} of order {self.order_id} at {self.provider}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def ids(self) -> ProviderIds:
        return ProviderIds(page_id=self.page_id, intent_id=self.intent_id)

    @property
    def is_embedded(self) -> bool:
        """Whether the shopper pays on our own page (`/pay/<token>/<provider>/`)."""
        return self.presentation == Presentation.EMBEDDED

    @property
    def is_live(self) -> bool:
        return self.state in LIVE_STATES

    @transition(field=state, source=[State.CREATED, State.REQUIRES_ACTION], target=State.PENDING)
    def opened(self) -> None:
        """The provider's page stands open, or the shopper's step is done and the payment on its way."""

    @transition(field=state, source=[State.CREATED, State.PENDING], target=State.REQUIRES_ACTION)
    def action_required(self) -> None:
        """The shopper's bank wants one more step."""

    @transition(field=state, source=[State.CREATED, State.PENDING, State.REQUIRES_ACTION], target=State.AUTHORIZED)
    def authorized(self) -> None:
        """Money is reserved."""

    @transition(field=state, source=list(LIVE_STATES), target=State.PAID)
    def paid(self) -> None:
        """Captured, exactly as asked."""

    @transition(field=state, source=list(LIVE_STATES), target=State.FAILED)
    def failed(self) -> None:
        """The provider says that it can no longer succeed."""

    @transition(field=state, source=list(LIVE_STATES), target=State.CANCELLED)
    def cancelled(self) -> None:
        """Closed before money moved."""

    @transition(field=state, source=[State.FAILED, State.CANCELLED], target=State.PAID)
    def late_capture(self) -> None:
        """Money came after the attempt had ended. From settle() only, always with a Case."""

    @transition(field=state, source=State.PAID, target=State.PARTIALLY_REFUNDED)
    def partially_refunded(self) -> None:
        """Some of the money went back."""

    @transition(field=state, source=[State.PAID, State.PARTIALLY_REFUNDED], target=State.REFUNDED)
    def refunded(self) -> None:
        """All of the money went back."""

    @transition(field=state, source=State.REFUNDED, target=RETURN_VALUE(State.PAID, State.PARTIALLY_REFUNDED))
    @transition(field=state, source=State.PARTIALLY_REFUNDED, target=State.PAID)
    def refund_failed(self, *, still_refunded_minor: int) -> str:
        """A refund that had succeeded failed; `still_refunded_minor` is what remains refunded of the capture."""
        return State.PARTIALLY_REFUNDED if still_refunded_minor else State.PAID


class Look(models.Model):
    """What the provider said at one look, masked; kept whenever it differs from the time before."""

    attempt = models.ForeignKey(PaymentAttempt, on_delete=models.PROTECT, related_name="looks")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    status = models.CharField(max_length=20)
    digest = models.CharField(max_length=64, help_text="SHA-256 of what was said.")
    said = models.JSONField(help_text="The provider's objects, reduced to an allow-list of keys.")
    correlation_id = models.CharField(
        max_length=64, blank=True, default=correlation.current, db_default="", editable=False
    )

    class Meta:
        ordering = ["attempt", "number"]
        constraints = [models.UniqueConstraint(fields=["attempt", "number"], name="look_number_once")]

    def __str__(self) -> str:
        return f"Look {self.number} at attempt {self.attempt_id}: {self.status}"
