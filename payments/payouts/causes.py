"""What each payout, balance entry and bank line must have posted, for `verify_ledger` (payments/ledger/causes.py).

Worked out from the rows and their transitions; payments/payouts/postings.py posts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery

from integrations.contract import EntryKind
from orders.models import Transition
from orders.money import Money
from payments.ledger import chart
from payments.ledger.causes import Cause, Expected, register, two_sides
from payments.models import BalanceEntry, BankLine, BankMatch, Payout
from payments.payouts import sources as payout_sources
from payments.payouts.postings import (
    ADJUSTMENT,
    BALANCE_FEE,
    BANK_LINE,
    BANK_LINE_AGAIN,
    BANK_LINE_UNDONE,
    EXCHANGE_FROM,
    EXCHANGE_TO,
    PAYOUT,
    PAYOUT_REVERSAL,
)
from payments.states import PayoutState

_FEE_ELSEWHERE = (EntryKind.DISPUTE, EntryKind.DISPUTE_REVERSAL)
"""Their fee is posted with the dispute; a payment's with its capture, where it is told in the capture's currency."""


def _payouts() -> QuerySet[Any]:
    """Return all payouts; `paid_at` and `returned_at`: when they reached the bank, and came back from there."""
    steps = Transition.objects.filter(subject_kind="payout", subject_id=OuterRef("pk"), forbidden=False).order_by("pk")
    return Payout.objects.annotate(
        paid_at=Subquery(steps.filter(to_state=PayoutState.PAID).values("at")[:1]),
        returned_at=Subquery(steps.filter(from_state=PayoutState.PAID).values("at")[:1]),
    )


def _of_payout(payout: Any) -> Expected | None:
    if payout.paid_at is None or not payout.amount_minor:
        return None
    return two_sides(payout.amount, debit=chart.PAYOUTS, credit=chart.clearing(payout.provider), at=payout.paid_at)


def _of_reversal(payout: Any) -> Expected | None:
    if payout.returned_at is None or not payout.amount_minor:
        return None
    clearing = chart.clearing(payout.provider)
    return two_sides(-payout.amount, debit=chart.PAYOUTS, credit=clearing, at=payout.returned_at)


def _of_balance_fee(entry: BalanceEntry) -> Expected | None:
    kind, clearing = EntryKind(entry.kind), chart.clearing(entry.provider)
    fee = -entry.net if kind is EntryKind.FEE else Money(entry.fee_minor, entry.currency)
    converted = kind is EntryKind.PAYMENT and bool(entry.exchange_rate)
    if not fee.amount_minor or kind in _FEE_ELSEWHERE or (kind is EntryKind.PAYMENT and not converted):
        return None
    if converted:  # posted with the conversion, once the capture is known
        return two_sides(fee, debit=chart.FEES, credit=clearing, since=entry.recorded_at, waits=True)
    return two_sides(fee, debit=chart.FEES, credit=clearing, at=entry.recorded_at)


def _of_adjustment(entry: BalanceEntry) -> Expected | None:
    amount = Money(entry.amount_minor, entry.currency)
    if entry.kind != EntryKind.ADJUSTMENT or not amount.amount_minor:
        return None
    return two_sides(amount, debit=chart.clearing(entry.provider), credit=chart.ADJUSTMENTS, at=entry.recorded_at)


def _find_sources(entries: Sequence[Any]) -> None:
    """Set on each entry which row of ours it stands for."""
    converted = [entry for entry in entries if entry.exchange_rate and EntryKind(entry.kind) in payout_sources.FINDERS]
    for each in payout_sources.checked(converted):
        each.entry.source = each.source  # type: ignore[attr-defined]  # read below, in the same pass


def _converted_from(entry: Any) -> Money | None:
    source = getattr(entry, "source", None)
    return source.amount if source is not None and source.amount.currency != entry.currency else None


def _of_exchange_from(entry: Any) -> Expected | None:
    source, clearing = _converted_from(entry), chart.clearing(entry.provider)
    if source is None or not source.amount_minor:
        return None
    return two_sides(source, debit=chart.EXCHANGE, credit=clearing, since=entry.recorded_at, waits=True)


def _of_exchange_to(entry: Any) -> Expected | None:
    if _converted_from(entry) is None or not entry.amount_minor:
        return None
    amount, clearing = Money(entry.amount_minor, entry.currency), chart.clearing(entry.provider)
    return two_sides(amount, debit=clearing, credit=chart.EXCHANGE, since=entry.recorded_at, waits=True)


def _bank_lines() -> QuerySet[Any]:
    """Return all lines; `payout_of` and `matched_at`: what each was first matched with, and when."""
    matched = BankMatch.objects.filter(line=OuterRef("pk"), payout__isnull=False, line_turn=0)
    return BankLine.objects.annotate(
        payout_of=Subquery(matched.values("payout")[:1]), matched_at=Subquery(matched.values("at")[:1])
    )


def _of_bank_line(line: Any) -> Expected | None:
    if line.payout_of is None or not line.amount_minor:
        return None
    return two_sides(line.amount, debit=chart.BANK, credit=chart.PAYOUTS, at=line.matched_at)


def _matches() -> QuerySet[Any]:
    """Return all matches with a payout; `undone_at`: when a person undid it."""
    return BankMatch.objects.filter(payout__isnull=False).select_related("line").annotate(undone_at=F("undoing__at"))


def _of_match_again(match: Any) -> Expected | None:
    if not match.line_turn:
        return None
    return two_sides(match.line.amount, debit=chart.BANK, credit=chart.PAYOUTS, at=match.at)


def _of_match_undone(match: Any) -> Expected | None:
    if match.undone_at is None:
        return None
    return two_sides(-match.line.amount, debit=chart.BANK, credit=chart.PAYOUTS, at=match.undone_at)


register(
    Cause(
        kind=PAYOUT,
        says="A provider paid out to the bank.",
        debit="payouts",
        credit="clearing of the provider",
        rows=_payouts,
        expected=_of_payout,
    )
)
register(
    Cause(
        kind=PAYOUT_REVERSAL,
        says="A payout that had been paid came back.",
        debit="clearing of the provider",
        credit="payouts",
        rows=_payouts,
        expected=_of_reversal,
    )
)
register(
    Cause(
        kind=BALANCE_FEE,
        says="The provider took a fee that belongs to no capture or dispute of ours, or to one in another currency.",
        debit="fees",
        credit="clearing of the provider",
        rows=BalanceEntry.objects.all,
        expected=_of_balance_fee,
    )
)
register(
    Cause(
        kind=ADJUSTMENT,
        says="The provider booked what is no payment, refund, dispute, fee or payout.",
        debit="clearing of the provider; the sides change places where it took money",
        credit="adjustments",
        rows=BalanceEntry.objects.all,
        expected=_of_adjustment,
    )
)
register(
    Cause(
        kind=EXCHANGE_FROM,
        says="The provider settles in another currency: what left in the one it was taken in.",
        debit="exchange",
        credit="clearing of the provider",
        rows=lambda: BalanceEntry.objects.filter(~Q(exchange_rate="")),
        expected=_of_exchange_from,
        prepare=_find_sources,
    )
)
register(
    Cause(
        kind=EXCHANGE_TO,
        says="The provider settles in another currency: what came in that one.",
        debit="clearing of the provider",
        credit="exchange",
        rows=lambda: BalanceEntry.objects.filter(~Q(exchange_rate="")),
        expected=_of_exchange_to,
        prepare=_find_sources,
    )
)
register(
    Cause(
        kind=BANK_LINE,
        says="A line of a bank statement was matched with a payout.",
        debit="bank",
        credit="payouts",
        rows=_bank_lines,
        expected=_of_bank_line,
    )
)
register(
    Cause(
        kind=BANK_LINE_AGAIN,
        says="A bank line whose former match was undone was matched with a payout.",
        debit="bank",
        credit="payouts",
        rows=_matches,
        expected=_of_match_again,
    )
)
register(
    Cause(
        kind=BANK_LINE_UNDONE,
        says="A person undid the match of a bank line with a payout.",
        debit="payouts",
        credit="bank",
        rows=_matches,
        expected=_of_match_undone,
    )
)
