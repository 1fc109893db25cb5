"""How the ledger is kept in order: its checks, and the months that were closed."""

from __future__ import annotations

from datetime import UTC, date, timedelta

from django.db import models

from integrations import correlation


class LedgerCheck(models.Model):
    """One run over the whole ledger (payments/ledger/check.py), by the keeper piece by piece, or by `verify_ledger`.

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


class AccountingPeriod(models.Model):
    """A month that was closed: nothing is posted into it any more (trigger on the ledger). Append-only."""

    month = models.DateField(unique=True, help_text="Its first day. Months are those of UTC.")
    ends_at = models.DateTimeField(unique=True, help_text="The first moment after it.")
    closed_at = models.DateTimeField()
    actor = models.CharField(max_length=100)
    correlation_id = models.CharField(max_length=64, blank=True, default=correlation.current, editable=False)

    class Meta:
        ordering = ["-month"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.month:%Y-%m}"

    @property
    def last_day(self) -> date:
        """The last day of it."""
        return (self.ends_at.astimezone(UTC) - timedelta(days=1)).date()


class AccountBalance(models.Model):
    """The trial balance that closing a month froze: one account in one currency, in minor units. Append-only.

    Debits and credits are the month's; the balance is that at its end, debit positive.
    """

    period = models.ForeignKey(AccountingPeriod, on_delete=models.PROTECT, related_name="balances")
    account = models.CharField(max_length=60)
    currency = models.CharField(max_length=3)
    debit_minor = models.BigIntegerField()
    credit_minor = models.BigIntegerField()
    balance_minor = models.BigIntegerField()

    class Meta:
        ordering = ["period", "currency", "account"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["period", "account", "currency"], name="account_balance_once"),
            models.CheckConstraint(
                condition=models.Q(debit_minor__gte=0, credit_minor__gte=0), name="account_balance_sides"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account} at the end of {self.period}"
