"""Payouts of a provider and the entries of its balance, mirrored: what the provider says, row by row."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django_fsm import FSMField, transition

from integrations.contract import EntryKind
from orders.money import Money
from payments.states import PayoutState

State = PayoutState


class Payout(models.Model):
    """Money on its way from a provider to the bank. Its state follows the provider's word, through move().

    `remainder_minor`: what its entries do not explain; None while they are not all here, or cannot be told (a manual
    payout).
    """

    SUBJECT_KIND: ClassVar[str] = "payout"

    state = FSMField(default=State.PENDING, choices=State.choices, protected=True)
    provider = models.CharField(max_length=20)
    account = models.CharField(max_length=64)
    payout_id = models.CharField(max_length=255)
    amount_minor = models.BigIntegerField(help_text="What goes to the bank; negative: what the bank is debited.")
    currency = models.CharField(max_length=3)
    automatic = models.BooleanField(help_text="The provider chose its entries and can tell them.")
    made_at = models.DateTimeField(help_text="The provider's time.")
    recorded_at = models.DateTimeField(help_text="Our time.")

    # What the provider said last.
    said = models.CharField(max_length=12, help_text="The status it told last.")
    arrives_at = models.DateTimeField(help_text="When the bank should have it.")
    entries_complete = models.BooleanField(default=False, help_text="It tells all of the entries from now on.")
    bank_reference = models.CharField(max_length=200, blank=True)
    failure_code = models.CharField(max_length=200, blank=True)

    # Mirroring and explaining.
    entries_cursor = models.CharField(max_length=255, blank=True, help_text="Where reading its entries goes on.")
    entries_read_at = models.DateTimeField(null=True, blank=True, help_text="Since when all its entries are here.")
    explained_at = models.DateTimeField(null=True, blank=True)
    remainder_minor = models.BigIntegerField(null=True, blank=True)
    unexplained_entries = models.PositiveIntegerField(
        default=0, db_default=0, help_text="Entries that no row of ours stands for; they may cancel each other out."
    )

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["provider", "account", "payout_id"], name="payout_once"),
            models.CheckConstraint(condition=models.Q(state__in=State.values), name="payout_state_known"),
            models.CheckConstraint(
                condition=models.Q(remainder_minor=None) | models.Q(explained_at__isnull=False),
                name="payout_remainder_explained",
            ),
        ]
        indexes = [
            models.Index(fields=["payout_id"], name="payout_by_id"),
            models.Index(
                fields=["provider", "made_at"],
                condition=models.Q(automatic=True, entries_read_at=None),
                name="payout_unread",
            ),
            models.Index(fields=["arrives_at"], condition=~models.Q(remainder_minor=0), name="payout_not_explained"),
        ]

    def __str__(self) -> str:
        return f"Payout {self.payout_id} ({self.amount})"

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def is_explained(self) -> bool:
        """Whether each entry is known, and all of them come to the amount."""
        return self.remainder_minor == 0 and not self.unexplained_entries

    @property
    def remainder(self) -> Money | None:
        return None if self.remainder_minor is None else Money(self.remainder_minor, self.currency)

    @transition(field=state, source=State.PENDING, target=State.IN_TRANSIT)
    def sent(self) -> None:
        """The provider has handed it to the bank."""

    @transition(field=state, source=[State.PENDING, State.IN_TRANSIT], target=State.PAID)
    def paid(self) -> None:
        """The provider says that the bank has it."""

    @transition(field=state, source=[State.PENDING, State.IN_TRANSIT, State.PAID], target=State.FAILED)
    def failed(self) -> None:
        """The bank sent it back; the money is in the provider's balance again."""

    @transition(field=state, source=[State.PENDING, State.IN_TRANSIT], target=State.CANCELLED)
    def cancelled(self) -> None:
        """Called off before the bank had it."""


class BalanceEntry(models.Model):
    """One movement of a provider's balance as it told it. Append-only.

    It refers to what caused it by the provider's id (`source_id`): the capture or refund may come to be known later.
    """

    provider = models.CharField(max_length=20)
    account = models.CharField(max_length=64)
    entry_id = models.CharField(max_length=255)
    kind = models.CharField(max_length=20, choices=[(kind.value, kind.value.replace("_", " ")) for kind in EntryKind])
    provider_type = models.CharField(max_length=60)
    source_id = models.CharField(max_length=255, blank=True)
    amount_minor = models.BigIntegerField()
    fee_minor = models.BigIntegerField()
    net_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    exchange_rate = models.CharField(max_length=30, blank=True, help_text="As the provider told it; only shown.")
    description = models.CharField(max_length=200, blank=True)
    made_at = models.DateTimeField(help_text="The provider's time.")
    available_at = models.DateTimeField(help_text="From when it may be paid out.")
    recorded_at = models.DateTimeField(help_text="Our time.")

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "balance entries"
        constraints = [
            models.UniqueConstraint(fields=["provider", "account", "entry_id"], name="balance_entry_once"),
            models.CheckConstraint(
                condition=models.Q(net_minor=models.F("amount_minor") - models.F("fee_minor")),
                name="balance_entry_adds_up",
            ),
        ]
        indexes = [
            models.Index(fields=["entry_id"], name="balance_entry_by_id"),
            models.Index(fields=["source_id"], condition=~models.Q(source_id=""), name="balance_entry_source"),
            models.Index(fields=["recorded_at"], condition=~models.Q(exchange_rate=""), name="balance_entry_converted"),
        ]

    def __str__(self) -> str:
        return f"Entry {self.entry_id} ({self.net})"

    @property
    def net(self) -> Money:
        return Money(self.net_minor, self.currency)


class PayoutLine(models.Model):
    """Which payout an entry was paid out with. Append-only: the entry's own row is never changed."""

    payout = models.ForeignKey(Payout, on_delete=models.PROTECT, related_name="lines")
    entry = models.OneToOneField(BalanceEntry, on_delete=models.PROTECT, related_name="line")

    class Meta:
        ordering = ["pk"]
        default_permissions = ()

    def __str__(self) -> str:
        return f"Entry {self.entry_id} in payout {self.payout_id}"


class PayoutMirror(models.Model):
    """How far a provider's payouts and balance are mirrored, so that whoever goes on begins where it ended.

    Every entry made before `entries_until` is here. A window that is being read ends at `window_until` and goes on at
    `cursor`. `fence` makes a stale worker's writes touch nothing.
    """

    provider = models.CharField(max_length=20, unique=True)
    entries_until = models.DateTimeField()
    window_until = models.DateTimeField(null=True, blank=True)
    cursor = models.CharField(max_length=255, blank=True)
    next_at = models.DateTimeField(help_text="When to look again without being told to.")
    done_at = models.DateTimeField(null=True, blank=True, help_text="When it last came to the end.")
    error = models.CharField(max_length=300, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    fence = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"Mirror of {self.provider}, entries until {self.entries_until:%Y-%m-%d %H:%M}"
