"""Our own API's idempotency: the row commits with the object it makes."""

from __future__ import annotations

from django.db import models


class IdempotencyRecord(models.Model):
    """One key of one principal for one method and path, with the object it made and, once known, the final answer.

    Kept 24 h. While `status` is empty the request is in flight until `lease_until`; then the next one resumes it.
    """

    principal = models.CharField(max_length=64, help_text="`user:7`, or `anonymous`.")
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=300)
    key = models.CharField(max_length=255)
    body_sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField(db_index=True)
    lease_until = models.DateTimeField()
    fence = models.PositiveIntegerField(default=1, help_text="Counts claims; an older claim's answer is dropped.")
    object_kind = models.CharField(max_length=20)
    object_id = models.BigIntegerField()
    status = models.PositiveSmallIntegerField(null=True, blank=True)
    response = models.TextField(blank=True, help_text="The body, byte for byte as it was first answered.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["principal", "method", "path", "key"], name="idempotency_key_once"),
            models.CheckConstraint(
                condition=models.Q(status__isnull=True, response="")
                | (models.Q(status__range=(200, 299)) & ~models.Q(response="")),
                name="idempotency_only_success_is_kept",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.object_kind} {self.object_id} ({self.method}, {self.principal})"
