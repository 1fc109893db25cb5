"""The inbox: one row for each event a provider sent, durable before it was answered."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from integrations.contract import ProviderIds
from payments.states import EventState as State


class EventSource(models.TextChoices):
    """How an event came to us."""

    WEBHOOK = "webhook", "Webhook"
    BACKFILL = "backfill", "Fetched from the provider's list: its webhook never came"


class ProviderEvent(models.Model):
    """A hint to look again. Its raw bytes are exact and encrypted; only what finds it is clear."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    provider = models.CharField(max_length=20)
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=120)
    mode = models.CharField(max_length=4)
    account = models.CharField(max_length=64, blank=True)
    api_version = models.CharField(max_length=40, blank=True)
    source = models.CharField(
        max_length=10, choices=EventSource.choices, default=EventSource.WEBHOOK, db_default=EventSource.WEBHOOK
    )
    state = models.CharField(max_length=10, choices=State.choices)
    provider_created_at = models.DateTimeField()
    received_at = models.DateTimeField()
    object_ids = ArrayField(models.CharField(max_length=255), default=list)
    page_id = models.CharField(max_length=255, blank=True)
    intent_id = models.CharField(max_length=255, blank=True)
    reference = models.CharField(max_length=255, blank=True)
    attempt = models.ForeignKey(
        "payments.PaymentAttempt", null=True, blank=True, on_delete=models.PROTECT, related_name="events"
    )
    body_sealed = models.BinaryField(help_text="The raw bytes, sealed (integrations/encryption.py).")
    body_sha256 = models.CharField(max_length=64)
    headers_sealed = models.BinaryField(null=True, help_text="The proof's headers, kept while unverified.")
    correlation_id = models.CharField(max_length=64, blank=True)

    tries = models.PositiveIntegerField(default=0)
    fence = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    next_try_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    used_by_look = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "event_id"], name="event_once"),
            models.CheckConstraint(condition=models.Q(state__in=State.values), name="event_state_known"),
        ]
        indexes = [
            models.Index(
                fields=["next_try_at"],
                condition=models.Q(state__in=[State.RECEIVED, State.FAILED]),
                name="event_due",
            ),
            # What waits, by state, the oldest first (payments/monitoring/figures.py).
            models.Index(
                fields=["state", "received_at"],
                condition=models.Q(
                    state__in=[State.RECEIVED, State.FAILED, State.PARKED, State.UNVERIFIED, State.DEAD]
                ),
                name="event_waiting",
            ),
            # Of each provider the newest, and those of an hour (payments/monitoring/period_figures.py).
            models.Index(fields=["provider", "received_at"], name="event_of_provider"),
            GinIndex(fields=["object_ids"], condition=models.Q(state=State.PARKED), name="event_parked_objects"),
            models.Index(fields=["correlation_id"], condition=~models.Q(correlation_id=""), name="event_correlation"),
            # By hand and not db_index, which makes a second one for LIKE: every webhook pays for each.
            models.Index(fields=["reference"], name="event_reference"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.type} {self.event_id}: {self.state}"

    @property
    def ids(self) -> ProviderIds:
        return ProviderIds(page_id=self.page_id, intent_id=self.intent_id)
