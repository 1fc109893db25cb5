"""The audit log's own rows: what people and commands did that is no change of a row (payments/audit/recording.py writes
them)."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class AuditRecord(models.Model):
    """One event: who, what, on what, why. Append-only, by role and by trigger.

    Changes of rows are django-auditlog's LogEntry; the audit log's screen shows both.
    """

    at = models.DateTimeField()
    event = models.CharField(max_length=30, help_text="payments/audit/events.py")
    actor = models.CharField(max_length=100, help_text="`user:7`, `command:<os user>`, `worker:…`, `anonymous`.")
    subject_kind = models.CharField(max_length=20, blank=True)
    subject_id = models.BigIntegerField(default=0, help_text="Primary key; 0 where it is about no one row.")
    reason_code = models.CharField(max_length=40, blank=True)
    reason = models.CharField(max_length=1000, blank=True)
    details = models.JSONField(default=dict, help_text="Plain JSON, scrubbed of secrets and personal data.")
    client = models.GenericIPAddressField(null=True, blank=True, help_text="The address it came from.")
    correlation_id = models.CharField(max_length=64, blank=True, db_index=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name = "audit log entry"
        verbose_name_plural = "audit log"
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=~Q(event="") & ~Q(actor=""), name="audit_who_and_what")]
        indexes = [
            models.Index(fields=["at", "id"], name="audit_time"),
            models.Index(fields=["event", "at"], name="audit_event"),
            models.Index(fields=["actor", "at"], name="audit_actor"),
            models.Index(fields=["subject_kind", "subject_id", "at"], name="audit_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.event} by {self.actor}"


class AuditSeal(models.Model):
    """A link of the chain: the digest of every audit row written since the seal before, and that seal's digest.

    Made once a day is over, and in between when many rows wait or somebody asks (payments/audit/sealing.py).
    Append-only. docs/audit.md says how to compute it again elsewhere.
    """

    number = models.PositiveBigIntegerField(unique=True, help_text="1, 2, 3 …, without gaps.")
    day = models.DateField(help_text="The day (UTC) whose end it tells, or on which it was made before the end.")
    closes_day = models.BooleanField(help_text="Every row of the day and the days before is sealed by now.")
    sealed_at = models.DateTimeField()
    row_count = models.PositiveIntegerField()
    previous_digest = models.CharField(max_length=64, blank=True, help_text="Of the seal before; empty for the first.")
    digest = models.CharField(max_length=64, unique=True)
    key_id = models.CharField(max_length=16, help_text="Of ENCRYPTION_KEYS: the key that `mac` is made with.")
    mac = models.CharField(max_length=64, help_text="HMAC of the digest: whoever owns the database cannot make one.")

    class Meta:
        ordering = ["-number"]
        verbose_name = "audit seal"
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(number=1, previous_digest="") | Q(number__gt=1) & ~Q(previous_digest=""),
                name="seal_names_its_predecessor",
            )
        ]
        indexes = [models.Index(fields=["-number"], condition=Q(closes_day=True), name="seal_closing")]

    def __str__(self) -> str:
        return f"seal {self.number}"


class SealedRows(models.Model):
    """What one seal says of one table: which rows, and the digest of each. Append-only."""

    seal = models.ForeignKey(AuditSeal, on_delete=models.PROTECT, related_name="parts")
    table_name = models.CharField(max_length=63)
    columns = ArrayField(models.CharField(max_length=63), help_text="What of each row entered its digest.")
    from_key = models.BigIntegerField(help_text="Rows above this key …")
    to_key = models.BigIntegerField(help_text="… up to this one, and earlier ones that were still open.")
    keys = ArrayField(models.BigIntegerField(), help_text="The rows that are sealed here.")
    digests = models.BinaryField(help_text="32 bytes for each of them, in the order of `keys`.")
    open_keys = ArrayField(models.BigIntegerField(), help_text="Rows up to `to_key` that are not final yet.")
    digest = models.CharField(max_length=64, help_text="Of keys and digests.")

    class Meta:
        ordering = ["seal", "table_name"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["seal", "table_name"], name="seal_once_a_table")]

    def __str__(self) -> str:
        return f"{self.table_name} in seal {self.seal_id}"
