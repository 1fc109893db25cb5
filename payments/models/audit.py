"""The audit log's own rows: what people and commands did that is no change of a row (payments/audit.py writes them)."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class AuditRecord(models.Model):
    """One event: who, what, on what, why. Append-only, by role and by trigger.

    Changes of rows are django-auditlog's LogEntry; the audit log's screen shows both.
    """

    at = models.DateTimeField()
    event = models.CharField(max_length=30, help_text="payments/audit_events.py")
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
