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
        standing = [match for match in self.matches.all() if match.stands]
        return max(standing, key=lambda match: match.payout_id is not None, default=None)


class BankMatchRows(models.QuerySet["BankMatch"]):
    """What was said of bank lines."""

    def standing(self) -> BankMatchRows:
        """Return those that nobody has undone."""
        return self.filter(undoing=None)


class BankMatch(models.Model):
    """What a bank line is: the arrival of a payout, its return by the bank, or (no payout) none of a provider's.

    Append-only. `matched_by` is empty where the rule found exactly one candidate. A line that was set aside by mistake
    may still be matched with a payout. Undone by a person (BankMatchUndoing), it frees line and payout for the next:
    the turns, which a trigger holds against the undone ones, let one stand at a time.
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
    line_turn = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How many of the line's matches (or set-asides) were undone before."
    )
    payout_turn = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How many of the payout's arrivals (or returns) were undone before."
    )

    objects = BankMatchRows.as_manager()

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["payout", "is_return", "payout_turn"], name="bank_match_one_stands"),
            models.UniqueConstraint(
                fields=["line", "line_turn"],
                condition=models.Q(payout__isnull=False),
                name="bank_line_one_payout_stands",
            ),
            models.UniqueConstraint(
                fields=["line", "line_turn"],
                condition=models.Q(payout__isnull=True),
                name="bank_line_one_set_aside_stands",
            ),
            models.CheckConstraint(
                condition=models.Q(payout__isnull=False) | models.Q(matched_by__isnull=False),
                name="bank_match_set_aside_by_a_person",
            ),
        ]

    def __str__(self) -> str:
        return f"Bank line {self.line_id} is {f'payout {self.payout_id}' if self.payout_id else 'of no payout'}"

    @property
    def meaning(self) -> str:
        """What it says of its line, in words."""
        return (
            f"{'return' if self.is_return else 'arrival'} of {self.payout.payout_id}" if self.payout else "of no payout"
        )

    @property
    def stands(self) -> bool:
        """Whether nobody has undone it."""
        return not hasattr(self, "undoing")


class BankMatchUndoing(models.Model):
    """That a person took back what was said of a bank line. Append-only; its posting is reversed with it."""

    match = models.OneToOneField(BankMatch, on_delete=models.PROTECT, related_name="undoing")
    undone_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    note = models.CharField(max_length=1000, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["-pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"No longer: {self.match}"
