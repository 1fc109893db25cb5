"""What the bank says: the lines of imported statements, and which payout each is of."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from orders.money import Money


class BankLine(models.Model):
    """One line of a bank statement. Append-only; the same file twice brings nothing new.

    `digest` is over account, day, amount, currency, texts and the how-manieth of its like it is in its file.
    """

    account = models.CharField(max_length=64, help_text="Our bank account, as the import named it.")
    digest = models.CharField(max_length=64, unique=True)
    booked_on = models.DateField()
    amount_minor = models.BigIntegerField(help_text="Positive: the bank received it.")
    currency = models.CharField(max_length=3)
    reference = models.CharField(max_length=500, blank=True)
    counterparty = models.CharField(max_length=200, blank=True)
    line_number = models.PositiveIntegerField(help_text="In its file.")
    file_digest = models.CharField(max_length=64, help_text="SHA-256 of the file.")
    imported_at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(condition=~models.Q(amount_minor=0), name="bank_line_not_zero"),
        ]
        indexes = [models.Index(fields=["booked_on"], name="bank_line_day")]

    def __str__(self) -> str:
        return f"Bank line of {self.booked_on}: {self.amount}"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def match(self) -> BankMatch | None:
        """What it is; None while nobody has said it. A payout counts more than a set-aside that it corrects."""
        return max(self.matches.all(), key=lambda match: match.payout_id is not None, default=None)


class BankMatch(models.Model):
    """What a bank line is: the arrival of a payout, its return by the bank, or (no payout) none of a provider's.

    Append-only. `matched_by` is empty where the rule found exactly one candidate. A line that was set aside by mistake
    may still be matched with a payout; that is final.
    """

    line = models.ForeignKey(BankLine, on_delete=models.PROTECT, related_name="matches")
    payout = models.ForeignKey(
        "payments.Payout", null=True, blank=True, on_delete=models.PROTECT, related_name="bank_matches"
    )
    is_return = models.BooleanField(default=False)
    matched_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    note = models.CharField(max_length=1000, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["payout", "is_return"], name="bank_match_once"),
            models.UniqueConstraint(
                fields=["line"], condition=models.Q(payout__isnull=False), name="bank_line_one_payout"
            ),
            models.UniqueConstraint(
                fields=["line"], condition=models.Q(payout__isnull=True), name="bank_line_set_aside_once"
            ),
            models.CheckConstraint(
                condition=models.Q(payout__isnull=False) | models.Q(matched_by__isnull=False),
                name="bank_match_set_aside_by_a_person",
            ),
        ]

    def __str__(self) -> str:
        return f"Bank line {self.line_id} is {f'payout {self.payout_id}' if self.payout_id else 'of no payout'}"
