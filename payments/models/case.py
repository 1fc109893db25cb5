"""A case: something a person must know, with what to do next."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from integrations import correlation
from orders.money import Money


class CaseKind(models.TextChoices):
    """What is wrong."""

    AMOUNT_MISMATCH = "amount_mismatch", "Amount differs"
    CURRENCY_MISMATCH = "currency_mismatch", "Currency differs"
    REFERENCE_MISMATCH = "reference_mismatch", "The provider's object names another payment"
    WRONG_ACCOUNT = "wrong_account", "Another account"
    WRONG_MODE = "wrong_mode", "Test among live, or live among test"
    LATE_MONEY = "late_money", "Paid after it had ended"
    DOUBLE_PAYMENT = "double_payment", "Paid more than once"
    PROVIDER_REFUND = "provider_refund", "Refunded at the provider"
    REFUND_FAILED = "refund_failed", "A refund failed"
    REFUND_EXCESS = "refund_excess", "More was refunded than was taken"
    PROVIDER_DISPUTE = "provider_dispute", "Disputed at the provider"
    DISPUTE_DEADLINE = "dispute_deadline", "A dispute's deadline is near"
    PARKED_EVENT = "parked_event", "An event matches nothing here"
    DEAD_EVENT = "dead_event", "An event could not be processed"
    DEAD_DELIVERY = "dead_delivery", "A fact could not be delivered"
    AWAY = "away", "A provider or receiver is away"
    UNKNOWN_OBJECT = "unknown_object", "The provider does not know this payment"
    CALL_REFUSED = "call_refused", "The provider refused our request"
    PROVIDER_CONFIGURATION = "provider_configuration", "The provider refuses our keys"
    STALE_EVENTS = "stale_events", "Events wait too long"
    STALE_DELIVERIES = "stale_deliveries", "Deliveries wait too long"
    STALE_CALLS = "stale_calls", "Calls to a provider have no known outcome"
    LATE_LOOKS = "late_looks", "Looks at payments are overdue"
    WORKER_SILENT = "worker_silent", "A process gives no sign of life"
    PROVIDER_SILENT = "provider_silent", "A provider sends no webhooks"
    BAD_SIGNATURES = "bad_signatures", "A provider's webhooks fail our signature check"
    FAILED_TRIES = "failed_tries", "Many declined tries"
    MANY_CARDS = "many_cards", "Many cards"
    SMALL_AMOUNTS = "small_amounts", "Many small payments"
    REFUND_SPIKE = "refund_spike", "More refunds than usual"
    CREDENTIAL_EXPIRY = "credential_expiry", "An integration key expires"
    TOKEN_EXPIRY = "token_expiry", "A staff token expires"
    ENCRYPTION_KEY = "encryption_key", "An encryption key is old, or was changed"
    AUDIT_BROKEN = "audit_broken", "The audit log is not as it was written"
    LEDGER_BROKEN = "ledger_broken", "The ledger does not agree with itself or its causes"
    RECONCILE_MISSING_HERE = "reconcile_missing_here", "The provider lists money that is not recorded here"
    RECONCILE_MISSING_THERE = "reconcile_missing_there", "The provider does not know money that is recorded here"
    RECONCILE_STATE = "reconcile_state", "The provider and we differ about a payment's state"
    RECONCILE_UNKNOWN = "reconcile_unknown_capture", "The provider took money for no payment of ours"
    RECONCILE_FEE = "reconcile_fee", "The provider's fee differs from the one we posted"
    EVENTS_UNCHECKED = "events_unchecked", "Missed events may soon be lost for good"
    EXPECTED_MISSED = "expected_missed", "An answer that was expected did not come"
    PAYOUT_REMAINDER = "payout_remainder", "A payout is not explained to the cent"
    PAYOUT_UNSEEN = "payout_unseen", "The bank has not shown a payout, or its return"
    FORBIDDEN_TRANSITION = "forbidden_transition", "The provider says what our states do not allow"


def kinds() -> list[tuple[str, str]]:
    """Return the kinds as choices. A function, so that a new kind is no change of the table and needs no migration."""
    return CaseKind.choices


class Resolution(models.TextChoices):
    """How a case ended."""

    MENDED = "mended", "Mended: what was wrong is right now"
    ACCEPTED = "accepted", "Accepted: it stays as it is, knowingly"
    NO_ERROR = "no_error", "No error: it was as it should be"


class Case(models.Model):
    """Ours against theirs, the money at stake and a suggested fix. One open case a kind and subject."""

    kind = models.CharField(max_length=30, choices=kinds)
    subject_kind = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    order = models.ForeignKey("orders.Order", null=True, blank=True, on_delete=models.PROTECT, related_name="cases")
    opened_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    times_seen = models.PositiveIntegerField(default=1)
    recovered_at = models.DateTimeField(
        null=True, blank=True, help_text="Of an alert: since when what it tells of has been over. A person closes it."
    )
    closed_at = models.DateTimeField(null=True, blank=True)
    amount_minor = models.BigIntegerField(null=True, blank=True, help_text="Money at stake, in minor units.")
    currency = models.CharField(max_length=3, blank=True)
    ours = models.TextField(help_text="What we hold true.")
    theirs = models.TextField(help_text="What the provider says.")
    suggested_fix = models.TextField()
    closed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    resolution = models.CharField(max_length=10, blank=True, default="", db_default="", choices=Resolution.choices)
    accepted_until = models.DateTimeField(
        null=True, blank=True, help_text="Seen again after this, an accepted difference is a new case."
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT)
    note = models.TextField(blank=True)
    correlation_id = models.CharField(
        max_length=64, blank=True, default=correlation.current, db_default="", editable=False
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject_kind", "subject_id"],
                condition=models.Q(closed_at__isnull=True),
                name="case_one_open_a_subject",
            ),
            models.CheckConstraint(
                condition=models.Q(closed_at__isnull=True, resolution="")
                | (models.Q(closed_at__isnull=False) & ~models.Q(resolution="")),
                name="case_closed_with_a_resolution",
            ),
        ]

    def __str__(self) -> str:
        return f"Case {self.pk}: {self.get_kind_display()}"

    @property
    def stake(self) -> Money | None:
        return None if self.amount_minor is None or not self.currency else Money(self.amount_minor, self.currency)


class CaseNote(models.Model):
    """What somebody found out about a case. Append-only; its form carries `uid`: sent twice, it is written once."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=2000)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=~models.Q(text=""), name="case_note_has_text")]

    def __str__(self) -> str:
        return f"note {self.pk} on case {self.case_id}"
