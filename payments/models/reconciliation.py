"""Reconciliation of lists: a run over one provider's lists, what it found, and up to when its events are complete."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from orders.money import Money


class Phase(models.TextChoices):
    """Which list a run is at."""

    CAPTURES = "captures", "Payments"
    REFUNDS = "refunds", "Refunds"
    PAYOUTS = "payouts", "Payouts"
    DONE = "done", "Done"


class Ending(models.TextChoices):
    """How a run ended."""

    DONE = "done", "Done: both sides were read to the end"
    ABANDONED = "abandoned", "Abandoned: a later run asked for more"


class ReconciliationRun(models.Model):
    """One walk through a provider's lists and our rows beside them. Each page is one commit, so that it goes on where
    it was, whoever goes on. One unfinished run a provider; who holds its lease works on it."""

    provider = models.CharField(max_length=20)
    since = models.DateTimeField()
    until = models.DateTimeField()
    dry_run = models.BooleanField(default=False, help_text="Looks at nothing and opens no case: it tells suspicions.")
    actor = models.CharField(max_length=80)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    ending = models.CharField(max_length=10, blank=True, default="", choices=Ending.choices)
    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(
        default=0, help_text="Counts who took it up; an older one's writes are dropped."
    )
    next_try_at = models.DateTimeField(null=True, blank=True, help_text="After the provider could not be asked.")

    # Where it is.
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.CAPTURES)
    cursor = models.CharField(max_length=255, blank=True, default="")
    ours_read_to = models.DateTimeField(help_text="Our rows from here on have been compared already.")
    listed_to = models.DateTimeField(help_text="The oldest time that the last page told.")
    recent = models.JSONField(default=list, help_text="Ids of the last pages: our rows are read a page behind.")

    confirming = models.JSONField(
        null=True, blank=True, help_text="What is being asked about: told by whoever goes on, if this process dies."
    )

    # What it has seen.
    pages = models.PositiveIntegerField(default=0)
    listed = models.PositiveIntegerField(default=0)
    compared = models.PositiveIntegerField(default=0, help_text="Our rows.")

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["provider"], condition=Q(finished_at=None), name="reconciliation_one_a_provider"
            ),
            models.CheckConstraint(
                condition=Q(finished_at=None, ending="") | (Q(finished_at__isnull=False) & ~Q(ending="")),
                name="reconciliation_ending",
            ),
        ]
        indexes = [models.Index(fields=["provider", "-finished_at"], name="reconciliation_last")]

    def __str__(self) -> str:
        return f"reconciliation {self.pk} of {self.provider}"


class Difference(models.TextChoices):
    """How two sides can differ."""

    MISSING_HERE = "missing_here", "Missing here"
    MISSING_THERE = "missing_there", "Missing there"
    AMOUNT = "amount", "Amount"
    CURRENCY = "currency", "Currency"
    STATE = "state", "State"
    DUPLICATE = "duplicate", "Duplicate"
    UNKNOWN_CAPTURE = "unknown_capture", "Unknown capture"
    FEE = "fee", "Fee"
    PAYOUT_REMAINDER = "payout_remainder", "Payout remainder"
    WRONG_MODE = "wrong_mode", "Wrong mode"
    WRONG_ACCOUNT = "wrong_account", "Wrong account"
    LATE = "late", "Late"


class Upshot(models.TextChoices):
    """What became of a difference."""

    SETTLED = "settled", "Settled: a look has made it right"
    CASE = "case", "Case: told to a person"
    KNOWN = "known", "Known: its case was there before"
    UNCONFIRMED = "unconfirmed", "Unconfirmed: the provider could not be asked; the next run sees it again"
    SUSPECTED = "suspected", "Suspected: a dry run, nothing was asked"


class ReconciliationFinding(models.Model):
    """One difference that a run met, and what became of it. Append-only: it is written once it is confirmed."""

    run = models.ForeignKey(ReconciliationRun, on_delete=models.PROTECT, related_name="findings")
    difference = models.CharField(max_length=20, choices=Difference.choices)
    upshot = models.CharField(max_length=12, choices=Upshot.choices)
    object_id = models.CharField(max_length=255, help_text="The provider's id of what differs.")
    order = models.ForeignKey("orders.Order", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    attempt = models.ForeignKey(
        "payments.PaymentAttempt", null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    case = models.ForeignKey("payments.Case", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    amount_minor = models.BigIntegerField(null=True, blank=True, help_text="Money at stake, in minor units.")
    currency = models.CharField(max_length=3, blank=True)
    ours = models.CharField(max_length=300)
    theirs = models.CharField(max_length=300)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["run", "object_id", "difference"], name="finding_once_a_run"),
        ]

    def __str__(self) -> str:
        return f"{self.difference} {self.object_id}: {self.upshot}"

    @property
    def stake(self) -> Money | None:
        return None if self.amount_minor is None or not self.currency else Money(self.amount_minor, self.currency)


class EventWatermark(models.Model):
    """Up to when a provider's events are all in the inbox: its own list of them was read without a gap.

    A reading goes from the newest event down to the watermark, and is resumed by `cursor` where it was broken off.
    """

    provider = models.CharField(max_length=20, unique=True)
    complete_until = models.DateTimeField()
    checked_at = models.DateTimeField(null=True, blank=True, help_text="When the list was last read without a gap.")
    missed = models.PositiveIntegerField(default=0, help_text="Events the last reading found that never came to us.")
    missed_at = models.DateTimeField(null=True, blank=True, help_text="When such events were last found.")

    next_at = models.DateTimeField(db_default=Now(), help_text="When the list is to be read again.")
    lease_until = models.DateTimeField(null=True, blank=True)
    reading_since = models.DateTimeField(null=True, blank=True, help_text="When the unfinished reading was begun.")
    reading_missed = models.PositiveIntegerField(default=0, db_default=0)
    cursor = models.CharField(max_length=255, blank=True, default="", db_default="")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.provider}: complete until {self.complete_until:%Y-%m-%d %H:%M}"
