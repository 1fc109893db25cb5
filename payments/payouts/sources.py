"""Which of our own rows a balance entry stands for, and where the two differ.

The entry names its cause by the provider's id. A payment's is a capture, a refund's a refund (whoever made it), a
dispute's the movement that a look told of; a fee, an adjustment or a payout that came back has no row of ours and
explains itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from integrations.contract import EntryKind
from orders.money import Money
from payments.models import BalanceEntry, Capture, DisputeMovement, Refund
from payments.states import UNDECIDED_REFUNDS, RefundState

CHUNK = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What we hold of an entry's cause. `amount` is signed as the entry's; `fee_minor` None: not known to us. `lags`:
    why our row does not stand for the entry yet, as a sentence."""

    order_id: int
    amount: Money
    fee_minor: int | None
    row: Any
    lags: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """An entry with its cause. `differs_minor`: how much of its net we cannot explain; `why` says it in a sentence."""

    entry: BalanceEntry
    source: Source | None = None
    differs_minor: int = 0
    why: str = ""


def checked(entries: Iterable[BalanceEntry]) -> Iterator[Checked]:
    """Yield each entry with its cause, and what differs between them. Holds some hundred of them at a time."""
    left = iter(entries)
    while batch := list(islice(left, CHUNK)):
        yield from _check_batch(batch)


def _check_batch(entries: Sequence[BalanceEntry]) -> list[Checked]:
    sources: dict[int, Source] = {}
    for kind, find in FINDERS.items():
        of_kind = [entry for entry in entries if entry.kind == kind]
        if of_kind:
            sources |= find(of_kind)
    return [_check(entry, sources.get(entry.pk)) for entry in entries]


def _check(entry: BalanceEntry, source: Source | None) -> Checked:
    if EntryKind(entry.kind) not in FINDERS:
        return Checked(entry=entry)
    if source is None:
        why = f"No {entry.kind.replace('_', ' ')} of ours is {entry.source_id or 'named by it'}."
        return Checked(entry=entry, differs_minor=entry.net_minor, why=why)
    if source.lags:
        return Checked(entry=entry, source=source, differs_minor=entry.net_minor, why=source.lags)
    if source.amount.currency != entry.currency:
        return Checked(entry=entry, source=source)  # converted: the provider's rate says what it came to
    fee_minor = entry.fee_minor if source.fee_minor is None else source.fee_minor
    differs = entry.net_minor - (source.amount.amount_minor - fee_minor)
    why = ""
    if source.amount.amount_minor != entry.amount_minor:
        why = f"We hold {source.amount}, the provider settled {Money(entry.amount_minor, entry.currency)}."
    elif differs:
        ours, theirs = Money(fee_minor, entry.currency), Money(entry.fee_minor, entry.currency)
        why = f"We know a fee of {ours}, the provider took {theirs}."
    return Checked(entry=entry, source=source, differs_minor=differs, why=why)


def _captures(entries: Sequence[BalanceEntry]) -> dict[int, Source]:
    ids = {entry.source_id for entry in entries}
    held = {
        (capture.provider, capture.account, capture.capture_id): capture
        for capture in Capture.objects.filter(capture_id__in=ids).select_related("order")
    }
    found: dict[int, Source] = {}
    for entry in entries:
        capture = held.get((entry.provider, entry.account, entry.source_id))
        if capture is not None:
            found[entry.pk] = Source(
                order_id=capture.order_id, amount=capture.amount, fee_minor=capture.fee_minor, row=capture
            )
    return found


def _refunds(entries: Sequence[BalanceEntry]) -> dict[int, Source]:
    """One that fails has a second entry, which gives the money back. The provider's fee, where it takes one, is only
    in the entry. One that failed before it had left posts nothing, and its two entries come to nothing."""
    ids = {entry.source_id for entry in entries}
    held = {
        (refund.provider, refund.account, refund.refund_id): refund
        for refund in Refund.objects.filter(refund_id__in=ids).exclude(refund_id="")
    }
    found: dict[int, Source] = {}
    for entry in entries:
        refund = held.get((entry.provider, entry.account, entry.source_id))
        if refund is not None:
            given_back = entry.kind == EntryKind.REFUND_FAILURE
            amount = refund.amount if given_back else -refund.amount
            lags = _lags(refund, given_back=given_back)
            found[entry.pk] = Source(order_id=refund.order_id, amount=amount, fee_minor=None, row=refund, lags=lags)
    return found


def _lags(refund: Refund, *, given_back: bool) -> str:
    """Say why our refund has not posted what the entry tells; empty where it has, or never will."""
    if given_back and refund.state != RefundState.FAILED:
        return f"Refund {refund.refund_id} of ours is {refund.state}, and the provider has the money back."
    if not given_back and refund.state in UNDECIDED_REFUNDS:
        return f"Refund {refund.refund_id} of ours is {refund.state}, and the provider has paid."
    return ""


def _movements(entries: Sequence[BalanceEntry]) -> dict[int, Source]:
    """Disputes move money entry by entry, and each movement is a row under the entry's own id."""
    ids = {entry.entry_id for entry in entries}
    held = {
        (movement.provider, movement.account, movement.entry_id): movement
        for movement in DisputeMovement.objects.filter(entry_id__in=ids).select_related("dispute")
    }
    found: dict[int, Source] = {}
    for entry in entries:
        movement = held.get((entry.provider, entry.account, entry.entry_id))
        if movement is not None:
            found[entry.pk] = Source(
                order_id=movement.dispute.order_id,
                amount=-movement.withdrawn,
                fee_minor=movement.fee_minor,
                row=movement,
            )
    return found


FINDERS: Mapping[EntryKind, Callable[[Sequence[BalanceEntry]], dict[int, Source]]] = {
    EntryKind.PAYMENT: _captures,
    EntryKind.REFUND: _refunds,
    EntryKind.REFUND_FAILURE: _refunds,
    EntryKind.DISPUTE: _movements,
    EntryKind.DISPUTE_REVERSAL: _movements,
}
"""How the cause of each kind is found among our rows. A kind that is not here explains itself."""
