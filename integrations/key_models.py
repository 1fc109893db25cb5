"""Keys as rows: encryption keys by id, every opening of a sealed value, and integration keys (credentials)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from integrations.decryptions import Purpose


class EncryptionKey(models.Model):
    """A key of ENCRYPTION_KEYS as this database first met it. Append-only; the key itself is never here."""

    key_id = models.CharField(max_length=16, unique=True)
    first_seen_at = models.DateTimeField()
    check_value = models.CharField(
        max_length=16, help_text="64 bits of an HMAC under the key: another key under this id is noticed."
    )

    class Meta:
        ordering = ["first_seen_at"]

    def __str__(self) -> str:
        return self.key_id


class DecryptionRecord(models.Model):
    """One opening of a sealed value, or an hour of a process's own use of it (integrations/decryptions.py)."""

    at = models.DateTimeField(db_default=Now(), editable=False)
    until = models.DateTimeField(
        null=True, blank=True, help_text="A process's own work: it may have opened the value up to here."
    )
    key_id = models.CharField(max_length=16)
    table_name = models.CharField(max_length=63)
    column_name = models.CharField(max_length=63)
    row_uid = models.UUIDField(help_text="The row's uid.")
    purpose = models.CharField(max_length=10, choices=Purpose.choices)
    actor = models.CharField(max_length=100, help_text="`user:7`, `command:` and who ran it, or `process`.")
    reason = models.CharField(max_length=300, blank=True)
    process = models.CharField(max_length=130, help_text="What ran, on which host, under which process id.")
    opened = models.BooleanField(help_text="No: the value did not open.")
    correlation_id = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=models.Q(purpose__in=Purpose.values), name="decryption_purpose_known"),
            models.CheckConstraint(condition=~models.Q(actor=""), name="decryption_has_actor"),
            models.CheckConstraint(
                condition=~models.Q(purpose=Purpose.REVEAL) | ~models.Q(reason=""), name="decryption_reveal_has_reason"
            ),
        ]
        indexes = [models.Index(fields=["row_uid", "-at"], name="decryption_row")]

    def __str__(self) -> str:
        return f"{self.table_name}.{self.column_name} of {self.row_uid}: {self.purpose} by {self.actor}"
