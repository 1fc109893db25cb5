"""A dangerous act of a person: what, on what, why, what it would change, who else agreed, what came of it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse

from orders.money import Money
from payments import roles


class ActionState(models.TextChoices):
    """Where an act stands. All but the first are final."""

    REQUESTED = "requested", "Requested: waits for a second person."
    EXECUTED = "executed", "Executed: done as the preview said."
    REFUSED = "refused", "Refused: the second person said no."
    WITHDRAWN = "withdrawn", "Withdrawn by whoever asked for it."
    EXPIRED = "expired", "Expired: nobody decided within 24 hours."
    OVERTAKEN = "overtaken", "Overtaken: what the preview showed was no longer so; nothing was done."


class StaffAction(models.Model):
    """One act, under one id: sending the same form again finds this row and does nothing twice.

    Its approval, where a second person is needed, is a row of its own (Approval).
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    operation = models.CharField(max_length=40)
    subject_kind = models.CharField(max_length=20)
    subject_id = models.BigIntegerField(help_text="Primary key; 0 where it is about a set, not one row.")
    order = models.ForeignKey("orders.Order", null=True, blank=True, on_delete=models.PROTECT, related_name="actions")
    parameters = models.JSONField(default=dict, help_text="What was asked for beyond the subject; plain JSON.")
    preview = models.JSONField(help_text="What the person saw before they confirmed.")
    fingerprint = models.CharField(max_length=64, help_text="Of the preview; execution compares it.")
    amount_minor = models.BigIntegerField(null=True, blank=True, help_text="Money at stake, in minor units.")
    currency = models.CharField(max_length=3, blank=True)
    reason_code = models.CharField(max_length=40)
    reason = models.TextField(max_length=1000)
    state = models.CharField(max_length=10, choices=ActionState.choices, default=ActionState.REQUESTED)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    via = models.CharField(max_length=10, help_text="admin, api or command")
    correlation_id = models.CharField(max_length=64, blank=True)
    next_try_at = models.DateTimeField(
        null=True, blank=True, help_text="Of an approved act that could not be done yet."
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    result = models.JSONField(default=dict, help_text="What came of it: plain JSON, without personal data.")

    class Meta:
        ordering = ["-pk"]
        permissions = tuple(roles.PERMISSIONS)
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ActionState.values), name="action_state_known"),
            models.CheckConstraint(
                condition=Q(state=ActionState.REQUESTED, finished_at__isnull=True)
                | (~Q(state=ActionState.REQUESTED) & Q(finished_at__isnull=False)),
                name="action_finished_at",
            ),
            models.CheckConstraint(condition=~Q(reason="") & ~Q(reason_code=""), name="action_has_a_reason"),
        ]
        indexes = [
            models.Index(fields=["requested_at"], condition=Q(state="requested"), name="action_waiting"),
            models.Index(fields=["subject_kind", "subject_id"], name="action_subject"),
            models.Index(fields=["correlation_id"], condition=~Q(correlation_id=""), name="action_correlation"),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.pk}: {self.state}"

    def get_absolute_url(self) -> str:
        """Return the page where what came of it stands."""
        return reverse("admin:payments_staffaction_change", args=[self.pk])

    @property
    def stake(self) -> Money | None:
        return None if self.amount_minor is None else Money(self.amount_minor, self.currency)

    @property
    def actor(self) -> str:
        """Who stands in what the act changes: the person who asked; who agreed stands in its Approval."""
        return f"user:{self.requested_by_id}"

    @property
    def cause(self) -> str:
        """What transitions, postings and records name as their cause."""
        return f"action:{self.pk}"


class Decision(models.TextChoices):
    """What the second person said."""

    APPROVED = "approved", "Approved"
    REFUSED = "refused", "Refused"


class Approval(models.Model):
    """The second person: asked for, and given or refused within 24 hours by somebody else than who asked."""

    action = models.OneToOneField(StaffAction, on_delete=models.PROTECT, related_name="approval")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    why = models.CharField(max_length=200, help_text="Why a second person is needed.")
    expires_at = models.DateTimeField()
    decision = models.CharField(max_length=10, blank=True, choices=Decision.choices)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True, max_length=1000)

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=F("requested_by")),
                name="approval_by_somebody_else",
            ),
            models.CheckConstraint(
                condition=Q(decision="", decided_by__isnull=True, decided_at__isnull=True)
                | (~Q(decision="") & Q(decided_by__isnull=False, decided_at__isnull=False)),
                name="approval_decision_complete",
            ),
        ]

    def __str__(self) -> str:
        return f"approval of action {self.action_id}: {self.decision or 'open'}"
