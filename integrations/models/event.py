"""Facts, as they were when they became true."""

from __future__ import annotations

import uuid

from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q

from integrations.facts import Fact

FACTS = [fact.value for fact in Fact]


class OutboxEvent(models.Model):
    """One fact, written in the transaction that made it true (integrations/outbox.py)."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    fact = models.CharField(max_length=40)
    subject_kind = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    ordering_key = models.CharField(
        max_length=40, blank=True, default="", db_default="", help_text="Facts of one key are in order: `order:1042`."
    )
    payload = models.JSONField(help_text="What every receiver is told, frozen at that moment.")
    correlation_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [models.CheckConstraint(condition=Q(fact__in=FACTS), name="outbox_fact_known")]
        indexes = [
            models.Index(fields=["subject_kind", "subject_id"], name="outbox_subject"),
            models.Index(fields=["correlation_id"], condition=~Q(correlation_id=""), name="outbox_correlation"),
            BrinIndex(fields=["created_at"], name="outbox_time"),
        ]

    def __str__(self) -> str:
        return f"{self.fact} of {self.subject_kind} {self.subject_id}"
