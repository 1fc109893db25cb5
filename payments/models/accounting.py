"""How the ledger is kept in order: its checks, and the months that were closed."""

from __future__ import annotations

from django.db import models


class LedgerCheck(models.Model):
    """One run over the whole ledger (payments/ledger_check.py), by the keeper piece by piece, or by `verify_ledger`.

    `stage` and `after_key`: where the next piece begins. A run that is finished is never changed again.
    """

    begun_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    actor = models.CharField(max_length=100)
    stage = models.CharField(max_length=30, blank=True)
    after_key = models.BigIntegerField(default=0)
    rows_seen = models.PositiveBigIntegerField(default=0, help_text="Causes and transactions that were compared.")
    finding_count = models.PositiveIntegerField(default=0)
    first_finding = models.TextField(blank=True)

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        indexes = [models.Index(fields=["-finished_at"], name="ledger_check_last")]

    def __str__(self) -> str:
        return f"Check of the ledger, begun {self.begun_at:%Y-%m-%d %H:%M}: {self.finding_count} findings"
