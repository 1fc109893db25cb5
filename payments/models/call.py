"""ProviderCall: every mutating call is a row before it is a request, with the key it is sent under."""

from __future__ import annotations

import secrets

from django.db import models

from integrations import correlation
from payments.states import CallState as State


def new_idempotency_key() -> str:
    """Return 128 random bits in 32 characters: within every provider's limit (Square: 45)."""
    return secrets.token_hex(16)


class Operation(models.TextChoices):
    """What a call asks for. How each may be given up: `ProviderCall.kind`."""

    START = "start", "Open the provider's page"
    CLOSE = "close", "Close the provider's page"
    RELEASE = "release", "Release an authorization"
    PAY = "pay", "Pay by a token from the card form"
    CAPTURE = "capture", "Capture what was approved"
    REFUND = "refund", "Refund a capture"
    STAGE = "stage", "Stage the evidence of a dispute"
    EVIDENCE = "evidence", "Submit the evidence of a dispute"
    ACCEPT = "accept", "Accept a dispute"


def operations() -> list[tuple[str, str]]:
    """Return the operations as choices. A function, so that a new one needs no migration."""
    return Operation.choices


class Kind(models.TextChoices):
    """What is at stake when a call's outcome is unknown."""

    MOVES_MONEY = "moves_money", "Never abandoned, never a new key"
    OPENS_PAGE = "opens_page", "May be abandoned while no shopper has its URL"
    CLOSES_PAGE = "closes_page", "May be abandoned: doing it twice does nothing, and a look tells what happened"
    ONCE = "once", "Under one key only; abandoned when the provider forgets it, and then a look tells what happened"


KIND_OF = {
    Operation.START: Kind.OPENS_PAGE,
    Operation.CLOSE: Kind.CLOSES_PAGE,
    Operation.RELEASE: Kind.CLOSES_PAGE,
    Operation.PAY: Kind.MOVES_MONEY,
    Operation.CAPTURE: Kind.MOVES_MONEY,
    Operation.REFUND: Kind.MOVES_MONEY,
    Operation.STAGE: Kind.ONCE,
    Operation.EVIDENCE: Kind.ONCE,
    Operation.ACCEPT: Kind.ONCE,
}


class ProviderCall(models.Model):
    """One call, its idempotency key and its answer. Only payments/calls/sending.py and payments/calls/answers.py change
    its state, and payments/calls/open.py where a look has found what became of it."""

    attempt = models.ForeignKey("payments.PaymentAttempt", on_delete=models.PROTECT, related_name="calls")
    refund = models.ForeignKey("payments.Refund", null=True, blank=True, on_delete=models.PROTECT, related_name="calls")
    operation = models.CharField(max_length=10, choices=operations)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    idempotency_key = models.CharField(max_length=64, unique=True, default=new_idempotency_key, editable=False)
    request = models.JSONField(help_text="What is asked, exactly as it is asked again under the same key.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.PREPARED)
    created_at = models.DateTimeField()
    first_sent_at = models.DateTimeField(null=True, blank=True)
    last_sent_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0, help_text="Counts claims; an older claim's answer is dropped.")
    lease_until = models.DateTimeField(null=True, blank=True)
    next_try_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answer = models.JSONField(null=True, blank=True, help_text="The answer, reduced to an allow-list of keys.")
    error_category = models.CharField(max_length=30, blank=True)
    error = models.CharField(max_length=300, blank=True)
    correlation_id = models.CharField(
        max_length=64, blank=True, default=correlation.current, db_default="", editable=False
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(state__in=State.values), name="call_state_known"),
            models.UniqueConstraint(
                fields=["attempt"], condition=models.Q(operation="start"), name="call_one_start_an_attempt"
            ),
            models.UniqueConstraint(
                fields=["attempt"], condition=models.Q(operation="pay"), name="call_one_payment_an_attempt"
            ),
            models.UniqueConstraint(
                fields=["attempt"],
                condition=models.Q(operation="capture") & ~models.Q(state="abandoned"),
                name="call_one_capture_an_attempt",
            ),
            models.UniqueConstraint(
                fields=["refund"], condition=models.Q(refund__isnull=False), name="call_one_a_refund"
            ),
            models.CheckConstraint(
                condition=models.Q(operation="refund", refund__isnull=False)
                | (~models.Q(operation="refund") & models.Q(refund__isnull=True)),
                name="call_of_a_refund_names_it",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=models.Q(state__in=[State.PREPARED, State.SENT, State.UNKNOWN]),
                name="call_unfinished",
            ),
            # What waits, by state, the oldest first (payments/monitoring/figures.py).
            models.Index(
                fields=["state", "created_at"],
                condition=models.Q(state__in=[State.PREPARED, State.SENT, State.UNKNOWN]),
                name="call_waiting",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.operation} of attempt {self.attempt_id}: {self.state}"
