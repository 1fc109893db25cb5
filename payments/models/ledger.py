"""The ledger: double entry in integer minor units, append-only by role and by trigger."""

from __future__ import annotations

from django.db import models


class LedgerTransaction(models.Model):
    """What one cause did to the accounts. Its entries sum to zero (deferred constraint trigger)."""

    cause_kind = models.CharField(max_length=20)
    cause_id = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    at = models.DateTimeField()
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["cause_kind", "cause_id"], name="ledger_once_a_cause")]
        indexes = [models.Index(fields=["at"], name="ledger_transaction_at")]

    def __str__(self) -> str:
        return f"Ledger transaction {self.pk}: {self.cause_kind} {self.cause_id}"


class LedgerEntry(models.Model):
    """One line: debit positive, credit negative, in minor units of the transaction's currency."""

    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="entries")
    account = models.CharField(max_length=60)
    amount_minor = models.BigIntegerField()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(amount_minor=0), name="ledger_entry_not_zero"),
        ]
        indexes = [models.Index(fields=["account", "transaction"], name="ledger_entry_of_account")]

    def __str__(self) -> str:
        return f"{self.account} {self.amount_minor}"
