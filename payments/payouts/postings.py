"""What payouts, balance entries and bank lines do to the ledger: one function a cause, each posted once.

What a capture, refund or dispute posts itself is not posted here again: its entry in the balance only confirms it.
"""

from __future__ import annotations

from datetime import datetime

from integrations.contract import EntryKind
from orders.money import Money
from payments.ledger import chart
from payments.ledger.chart import clearing
from payments.ledger.posting import post
from payments.models import BalanceEntry, BankLine, BankMatch, LedgerTransaction, Payout

PAYOUT = "payout"
PAYOUT_REVERSAL = "payout_reversal"
BALANCE_FEE = "balance_fee"
ADJUSTMENT = "adjustment"
EXCHANGE_FROM, EXCHANGE_TO = "exchange_from", "exchange_to"
BANK_LINE, BANK_LINE_AGAIN, BANK_LINE_UNDONE = "bank_line", "bank_line_again", "bank_line_undone"

_FEE_IS_THEIRS = frozenset({EntryKind.PAYMENT, EntryKind.DISPUTE, EntryKind.DISPUTE_REVERSAL})
"""The fee of these is posted with the capture, or with the dispute."""


def post_payout(payout: Payout, *, at: datetime) -> LedgerTransaction | None:
    """Post what left the provider for the bank; None where that is nothing."""
    return _post(PAYOUT, payout.pk, payout.amount, chart.PAYOUTS, clearing(payout.provider), at, f"{payout}")


def reverse_payout(payout: Payout, *, at: datetime) -> LedgerTransaction | None:
    """Post the way back of a payout that had been paid; None where it was nothing."""
    note = f"{payout} came back"
    return _post(PAYOUT_REVERSAL, payout.pk, -payout.amount, chart.PAYOUTS, clearing(payout.provider), at, note)


def post_entry(entry: BalanceEntry, *, at: datetime) -> None:
    """Post what no other row of ours stands for: fees that belong to no capture or dispute, and adjustments."""
    kind = EntryKind(entry.kind)
    if kind is EntryKind.FEE:
        _post_fee(entry, -entry.net, at=at)
    elif kind not in _FEE_IS_THEIRS:
        _post_fee(entry, Money(entry.fee_minor, entry.currency), at=at)
    if kind is EntryKind.ADJUSTMENT:
        amount = Money(entry.amount_minor, entry.currency)
        _post(ADJUSTMENT, entry.pk, amount, clearing(entry.provider), chart.ADJUSTMENTS, at, _note(entry))


def post_conversion(entry: BalanceEntry, source: Money, *, at: datetime) -> None:
    """Post that the provider settles `source` (as its own row posted it) in another currency: a leg in each.

    A payment's fee is told in the currency of the entry, so its capture does not carry it: it is posted here.
    """
    name, note = clearing(entry.provider), f"Converted at {entry.exchange_rate}: entry {entry.entry_id}"
    _post(EXCHANGE_FROM, entry.pk, source, chart.EXCHANGE, name, at, note)
    _post(EXCHANGE_TO, entry.pk, Money(entry.amount_minor, entry.currency), name, chart.EXCHANGE, at, note)
    if EntryKind(entry.kind) is EntryKind.PAYMENT:
        _post_fee(entry, Money(entry.fee_minor, entry.currency), at=at)


def post_bank_line(line: BankLine, match: BankMatch, *, at: datetime) -> LedgerTransaction | None:
    """Post that the bank has shown a payout, or its return; None for a line that is of no payout."""
    if match.payout is None:
        return None
    # A cause is posted once: the first match as its line's, a later one as its own.
    cause, cause_id = (BANK_LINE_AGAIN, match.pk) if match.line_turn else (BANK_LINE, line.pk)
    note = f"{line} is {match.payout.payout_id}"
    return _post(cause, cause_id, line.amount, chart.BANK, chart.PAYOUTS, at, note)


def undo_bank_line(line: BankLine, match: BankMatch, *, at: datetime) -> LedgerTransaction | None:
    """Post the opposite of a match that a person has undone; None for one with no payout."""
    if match.payout is None:
        return None
    note = f"{line} is not {match.payout.payout_id}"
    return _post(BANK_LINE_UNDONE, match.pk, -line.amount, chart.BANK, chart.PAYOUTS, at, note)


def _post_fee(entry: BalanceEntry, fee: Money, *, at: datetime) -> None:
    _post(BALANCE_FEE, entry.pk, fee, chart.FEES, clearing(entry.provider), at, _note(entry))


def _note(entry: BalanceEntry) -> str:
    return f"Entry {entry.entry_id} ({entry.provider_type}) {entry.description}".strip()


def _post(
    cause: str, cause_id: int, amount: Money, debit: str, credit: str, at: datetime, note: str
) -> LedgerTransaction | None:
    if not amount.amount_minor:
        return None
    return post(cause_kind=cause, cause_id=cause_id, amount=amount, debit=debit, credit=credit, at=at, note=note)
