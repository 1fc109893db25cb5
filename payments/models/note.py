"""A note of a person on an order: append-only, by role and by trigger."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from integrations import correlation


class Note(models.Model):
    """What somebody wanted the next reader to know. Its form carries `uid`, so that sending it twice writes once."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    order = models.ForeignKey("orders.Order", on_delete=models.PROTECT, related_name="notes")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField(max_length=2000)
    at = models.DateTimeField()
    correlation_id = models.CharField(
        max_length=64, blank=True, default=correlation.current, db_default="", editable=False
    )

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=~models.Q(text=""), name="note_has_text")]

    def __str__(self) -> str:
        return f"note {self.pk} on order {self.order_id}"
