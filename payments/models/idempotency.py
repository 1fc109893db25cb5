"""Our own API's idempotency: the row commits with the object it makes."""

from __future__ import annotations

from django.db import models


class IdempotencyRecord(models.Model):
    """One key of one principal for one method and path, kept 24 h."""

    principal = models.CharField(max_length=64, help_text="`user:7`, or `anonymous`.")
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=300)
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_index=True)
    lease_until = models.DateTimeField()
    fence = models.PositiveIntegerField(default=1)
    object_kind = models.CharField(max_length=20, blank=True)
    object_id = models.BigIntegerField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    response = models.JSONField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["principal", "method", "path", "key"], name="idempotency_key_once")
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} ({self.principal})"
