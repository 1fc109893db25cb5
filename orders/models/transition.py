"""Every passage through a state machine, and every refused one, as a row that is never changed."""

from __future__ import annotations

from django.db import models

from integrations import correlation


class CurrentTransactionId(models.Func):
    """PostgreSQL's number of the running transaction, so that a trigger can ask for a row of the same one."""

    function = "pg_current_xact_id"
    template = "%(function)s()::text::bigint"
    arity = 0
    output_field = models.BigIntegerField()


class Transition(models.Model):
    """One step of one subject (order, attempt, refund, dispute). Append-only, by role and by trigger."""

    subject_kind = models.CharField(max_length=20)
    subject_id = models.BigIntegerField()
    sequence = models.PositiveIntegerField(help_text="1, 2, 3 … for each subject.")
    from_state = models.CharField(max_length=30)
    to_state = models.CharField(max_length=30, blank=True, help_text="Empty where the step was forbidden.")
    event = models.CharField(max_length=40)
    forbidden = models.BooleanField(default=False)
    actor = models.CharField(max_length=100)
    cause = models.CharField(max_length=200)
    at = models.DateTimeField()
    correlation_id = models.CharField(
        max_length=64, blank=True, default=correlation.current, db_default="", editable=False
    )
    transaction_id = models.BigIntegerField(db_default=CurrentTransactionId(), editable=False)

    class Meta:
        ordering = ["subject_kind", "subject_id", "sequence"]
        constraints = [
            models.UniqueConstraint(fields=["subject_kind", "subject_id", "sequence"], name="transition_sequence"),
            models.CheckConstraint(
                condition=models.Q(forbidden=True, to_state="") | models.Q(forbidden=False) & ~models.Q(to_state=""),
                name="transition_forbidden_has_no_target",
            ),
        ]
        indexes = [
            models.Index(
                fields=["correlation_id"], condition=~models.Q(correlation_id=""), name="transition_correlation"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject_id}: {self.from_state} → {self.to_state or '✗'} ({self.event})"
