"""Keys as rows: encryption keys by id, every opening of a sealed value, and integration keys (credentials)."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from integrations.contract import Mode
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
            models.CheckConstraint(condition=Q(purpose__in=Purpose.values), name="decryption_purpose_known"),
            models.CheckConstraint(condition=~Q(actor=""), name="decryption_has_actor"),
            models.CheckConstraint(
                condition=~Q(purpose=Purpose.REVEAL) | ~Q(reason=""), name="decryption_reveal_has_reason"
            ),
        ]
        indexes = [models.Index(fields=["row_uid", "-at"], name="decryption_row")]

    def __str__(self) -> str:
        return f"{self.table_name}.{self.column_name} of {self.row_uid}: {self.purpose} by {self.actor}"


class Credential(models.Model):
    """An integration key: a secret that opens somebody's API or proves their messages. Sealed; shown by fingerprint.

    Staged (no `active_from`) it has no effect. One is current a provider and name; the one before it stays accepted up
    to `overlap_until`. A revoked one is not accepted from that moment, and its value is gone. Written by
    integrations/credentials.py only; the database refuses to change or delete what a row once said (payments/0020).
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    provider = models.CharField(max_length=20)
    name = models.CharField(max_length=30, help_text="What it is at the provider: `api_key`, `webhook_secret`.")
    mode = models.CharField(max_length=4, choices=[(mode.value, mode.value) for mode in Mode])
    scope = models.CharField(max_length=200, blank=True, help_text="What it may do there, in words.")
    owner = models.CharField(max_length=120, help_text="Whom to ask about it.")
    value_sealed = models.BinaryField(null=True, editable=False)
    fingerprint = models.CharField(max_length=24, editable=False, help_text="64 bits of its SHA-256.")
    hint = models.CharField(max_length=40, blank=True, editable=False, help_text="What the provider's own page shows.")
    created_by = models.CharField(max_length=100)
    created_at = models.DateTimeField()
    reason = models.CharField(max_length=300)
    active_from = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    overlap_until = models.DateTimeField(
        null=True, blank=True, help_text="Another has taken its place; up to then it is accepted still."
    )
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=100, blank=True)
    revoke_reason = models.CharField(max_length=300, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the minute.")
    expiry_told_days = models.PositiveSmallIntegerField(
        null=True, blank=True, help_text="The last warning said that it expires within so many days."
    )

    class Meta:
        ordering = ["provider", "name", "-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "name"],
                condition=Q(active_from__isnull=False, overlap_until__isnull=True, revoked_at__isnull=True),
                name="credential_one_current",
            ),
            models.CheckConstraint(condition=Q(mode__in=[mode.value for mode in Mode]), name="credential_mode_known"),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, revoked_by="", revoke_reason="")
                | (Q(revoked_at__isnull=False, value_sealed__isnull=True) & ~Q(revoked_by="") & ~Q(revoke_reason="")),
                name="credential_revoked_is_gone",
            ),
            models.CheckConstraint(
                condition=~Q(owner="") & ~Q(created_by="") & ~Q(reason=""), name="credential_answered_for"
            ),
            models.CheckConstraint(
                condition=Q(overlap_until__isnull=True) | Q(active_from__isnull=False),
                name="credential_overlap_of_active",
            ),
        ]
        indexes = [models.Index(fields=["expires_at"], condition=Q(revoked_at__isnull=True), name="credential_expiry")]

    def __str__(self) -> str:
        return f"{self.provider} {self.name} {self.fingerprint}"
