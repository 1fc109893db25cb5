"""How far each fact has come on its way to each receiver.

A Delivery is a work row: delivery_claims.py and delivery_marks.py claim and mark it, dead_letters.py queues it again,
and nothing else writes it after the fan-out. The database refuses every other edge and any change of its key
(migration 0002).
"""

from __future__ import annotations

import uuid

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q, Value

from integrations.failure import Failure
from integrations.models.destination import Destination
from integrations.models.event import OutboxEvent


def new_delivery_key() -> str:
    """Return 128 random bits in the form the receivers see as `webhook-id`."""
    return f"msg_{uuid.uuid4().hex}"


class DeliveryState(models.TextChoices):
    """Where a delivery stands (DESIGN.md, edges)."""

    QUEUED = "queued", "Waiting for its time"
    SENDING = "sending", "Claimed by a worker"
    DELIVERED = "delivered", "The receiver confirmed it"
    DEAD = "dead", "Given up; a person is needed"


class Delivery(models.Model):
    """One fact on its way to one receiver, under one key that never changes."""

    # Its index is the unique constraint's.
    event = models.ForeignKey(OutboxEvent, on_delete=models.PROTECT, related_name="deliveries", db_index=False)
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT, related_name="deliveries")
    key = models.CharField(max_length=64, unique=True, default=new_delivery_key, editable=False)
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.QUEUED)
    ordering_key = models.CharField(max_length=40, blank=True, default="", db_default="", help_text="Its event's.")
    queued_at = models.DateTimeField(help_text="When it was queued, or queued again by a person.")
    # While `sending`, this is the end of the lease: in both states, no worker may take the row before it.
    not_before = models.DateTimeField()
    fence = models.PositiveIntegerField(default=0, help_text="Counts claims; an older claim's answer is dropped.")
    tries = models.PositiveIntegerField(default=0)
    tries_before_replay = models.PositiveIntegerField(default=0)
    unfinished_tries = models.PositiveIntegerField(default=0, help_text="In a row, whose worker never came back.")
    outcome_unknown = models.BooleanField(default=False, help_text="The receiver may have it already.")
    last_http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    last_failure = models.CharField(max_length=20, blank=True, choices=Failure.choices)
    last_detail = models.CharField(max_length=300, blank=True)
    error_fingerprint = models.CharField(
        max_length=16, blank=True, default="", db_default="", help_text="Equal for equal errors; empty without one."
    )
    dead_reason = models.CharField(max_length=20, blank=True, choices=Failure.choices)
    external_ids = models.JSONField(
        default=dict,
        db_default=Value({}, models.JSONField()),
        blank=True,
        help_text="What the receiver calls what it made of this, by kind of thing.",
    )
    delivered_at = models.DateTimeField(null=True, blank=True)
    died_at = models.DateTimeField(null=True, blank=True)
    case_opened_at = models.DateTimeField(
        null=True, blank=True, help_text="When payments/ opened a Case for its death."
    )
    repeats = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="repetitions",
        db_index=False,
        help_text="The delivered mail that a person had sent once more by this (DeliveryRepeat).",
    )
    skipped_at = models.DateTimeField(
        null=True, blank=True, help_text="When a person let later ones pass this dead one (DeliverySkip)."
    )

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["event", "destination"],
                condition=Q(repeats__isnull=True),
                name="delivery_first_once_a_receiver",
            ),
            models.CheckConstraint(condition=Q(state__in=DeliveryState.values), name="delivery_state_known"),
            models.CheckConstraint(
                condition=Q(state=DeliveryState.DELIVERED, delivered_at__isnull=False)
                | (~Q(state=DeliveryState.DELIVERED) & Q(delivered_at__isnull=True)),
                name="delivery_delivered_at",
            ),
            models.CheckConstraint(
                condition=(Q(state=DeliveryState.DEAD, died_at__isnull=False) & ~Q(dead_reason=""))
                | (~Q(state=DeliveryState.DEAD) & Q(died_at__isnull=True, dead_reason="", case_opened_at__isnull=True)),
                name="delivery_dead_reason",
            ),
            models.CheckConstraint(
                condition=Q(state=DeliveryState.DEAD) | Q(skipped_at__isnull=True), name="delivery_skipped_is_dead"
            ),
        ]
        indexes = [
            # With the key, in which a claim takes them: a replay gives thousands the same time.
            models.Index(
                fields=["destination", "not_before", "id"],
                condition=Q(state__in=[DeliveryState.QUEUED, DeliveryState.SENDING]),
                name="delivery_next",
            ),
            models.Index(fields=["died_at"], condition=Q(state=DeliveryState.DEAD), name="delivery_dead"),
            # What each receiver has not got, the oldest first (payments/monitoring/figures.py).
            models.Index(
                fields=["destination", "state", "queued_at"],
                condition=Q(state__in=[DeliveryState.QUEUED, DeliveryState.SENDING]),
                name="delivery_unsent",
            ),
            models.Index(
                fields=["destination", "died_at"],
                condition=Q(state=DeliveryState.DEAD),
                name="delivery_dead_at_receiver",
            ),
            models.Index(
                fields=["died_at"],
                condition=Q(state=DeliveryState.DEAD, case_opened_at__isnull=True),
                name="delivery_dead_untold",
            ),
            models.Index(
                fields=["error_fingerprint", "destination", "died_at"],
                condition=Q(state=DeliveryState.DEAD),
                name="delivery_dead_alike",
            ),
            models.Index(
                fields=["destination", "ordering_key", "id"],
                condition=~Q(ordering_key="") & ~Q(state=DeliveryState.DELIVERED) & Q(skipped_at__isnull=True),
                name="delivery_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}: {self.state}"


class AttemptOutcome(models.TextChoices):
    """How one try ended. Empty while it runs."""

    DELIVERED = "delivered", "Confirmed"
    FOUND = "found", "Had arrived by an earlier try"
    FAILED = "failed", "Not confirmed"
    UNFINISHED = "unfinished", "The worker never came back"


class DeliveryAttempt(models.Model):
    """One try, committed before the request goes out."""

    # Its index is the unique constraint's.
    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="attempts", db_index=False)
    number = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=10, blank=True, choices=AttemptOutcome.choices)
    http_status = models.PositiveSmallIntegerField(null=True, blank=True)
    failure = models.CharField(max_length=20, blank=True, choices=Failure.choices)
    detail = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["delivery", "number"]
        constraints = [
            models.UniqueConstraint(fields=["delivery", "number"], name="delivery_attempt_number"),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=True, outcome="") | (Q(finished_at__isnull=False) & ~Q(outcome="")),
                name="delivery_attempt_finished",
            ),
        ]
        # Rows stand in the order of their time, so this small index finds an hour
        # (payments/monitoring/period_figures.py).
        indexes = [BrinIndex(fields=["started_at"], autosummarize=True, name="delivery_attempt_time")]

    def __str__(self) -> str:
        return f"try {self.number} of delivery {self.delivery_id}"


class DeliveryReplay(models.Model):
    """A person queued a dead delivery again: who, when and why."""

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="replays")
    at = models.DateTimeField()
    actor = models.CharField(max_length=80, help_text="`user:7`, or `command:` and the operating system's user.")
    reason = models.CharField(max_length=300)
    dead_reason = models.CharField(max_length=20, choices=Failure.choices)
    tries = models.PositiveIntegerField(help_text="How often it had been tried by then.")

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "delivery replays"

    def __str__(self) -> str:
        return f"replay of delivery {self.delivery_id} by {self.actor}"


class DeliverySkip(models.Model):
    """A person let later facts pass a dead delivery that stood before them: who, when and why."""

    delivery = models.ForeignKey(Delivery, on_delete=models.PROTECT, related_name="skips")
    at = models.DateTimeField()
    actor = models.CharField(max_length=80, help_text="`user:7`, or `command:` and the operating system's user.")
    reason = models.CharField(max_length=300)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "delivery skips"

    def __str__(self) -> str:
        return f"skip of delivery {self.delivery_id} by {self.actor}"


class DeliveryRepeat(models.Model):
    """A person had a delivered mail sent once more, under a key of its own: who, when and why."""

    delivery = models.OneToOneField(Delivery, on_delete=models.PROTECT, related_name="repetition")
    at = models.DateTimeField()
    actor = models.CharField(max_length=80, help_text="`user:7`.")
    reason = models.CharField(max_length=300)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"delivery {self.delivery_id}, asked for by {self.actor}"
