"""Square's payouts and their entries in our words. Functions over the Client; they move nothing.

https://developer.squareup.com/docs/payouts-api/overview. An entry names the payment it is about, also where it is of a
refund: which one it was is found by asking.
"""

from __future__ import annotations

import math
from datetime import datetime

from integrations.contract import (
    BalanceEntry,
    EntryKind,
    Mode,
    MovementKind,
    Page,
    PayoutSnapshot,
    PayoutStatus,
    UnknownObject,
)
from integrations.providers.answer_reading import Answer
from integrations.providers.square import disputes, looking
from integrations.providers.square.answers import answers
from integrations.providers.square.client import Client, checked
from integrations.providers.square.listing import written
from integrations.providers.square.money import from_square

_STATUS = {"SENT": PayoutStatus.IN_TRANSIT, "PAID": PayoutStatus.PAID, "FAILED": PayoutStatus.FAILED}
# What is not here, a reserve or a loan's share for instance, is an adjustment: named, summed and posted, and never
# taken for a payment.
_KIND = {
    "CHARGE": EntryKind.PAYMENT,
    "REFUND": EntryKind.REFUND,
    "DISPUTE": EntryKind.DISPUTE,
    "FEE": EntryKind.FEE,
    "TAX_ON_FEE": EntryKind.FEE,
    "PROCESSING_FEE": EntryKind.FEE,
    "PROCESSING_FEE_REFUND": EntryKind.FEE,
    "DEPOSIT_FEE": EntryKind.FEE,
    "DEPOSIT_FEE_REVERSED": EntryKind.FEE,
    "SUBSCRIPTION_FEE": EntryKind.FEE,
    "RETURNED_PAYOUT": EntryKind.PAYOUT_FAILURE,
}
MAX_TEXT = 200
# Each refund among a page's entries may need two more questions: a page must end within its verb's deadline.
ENTRIES_A_PAGE = 50


def list_payouts(client: Client, *, since: datetime, cursor: str) -> Page[PayoutSnapshot]:
    """Return one page of our location's payouts since then, newest first. Raises ProviderError."""
    found, after = client.page_of(
        client.sdk.payouts.list,
        "payouts",
        cursor=cursor,
        location_id=client.location_id,
        begin_time=written(since, math.floor),
        sort_order="DESC",
    )
    return Page(items=tuple(_payout(told, client.mode) for told in found), cursor=after)


def fetch_payout(client: Client, payout_id: str) -> PayoutSnapshot:
    """Return one payout. Raises UnknownObject, ProviderError."""
    got = client.ask(client.sdk.payouts.get, payout_id=checked(payout_id))
    return _payout(answers.required(got, "payout"), client.mode)


def payout_entries(client: Client, payout_id: str, *, cursor: str) -> Page[BalanceEntry]:
    """Return one page of a payout's entries. Raises UnknownObject, ProviderError."""
    found, after = client.page_of(
        client.sdk.payouts.list_entries,
        "payout_entries",
        cursor=cursor,
        payout_id=checked(payout_id),
        sort_order="DESC",
        limit=ENTRIES_A_PAGE,
    )
    # Square says that it is the payout of which these are the entries: its own stands not among them.
    return Page(items=tuple(_entry(client, told) for told in found if told.get("type") != "PAYOUT"), cursor=after)


def _payout(told: Answer, mode: Mode) -> PayoutSnapshot:
    status = _STATUS.get(answers.text(told, "status"))
    if status is None:
        raise answers.unreadable(told, "status")
    amount_minor, currency = from_square(told, "amount_money")
    created_at = answers.moment(told, "created_at")
    return PayoutSnapshot(
        payout_id=answers.text(told, "id"),
        mode=mode,
        amount_minor=amount_minor,
        currency=currency,
        status=status,
        created_at=created_at,
        arrives_at=answers.moment_or_none(told, "arrival_date") or created_at,
        # Whether by itself or by a person's hand: Square lists the entries of each.
        automatic=True,
        entries_complete=True,
        bank_reference=answers.text_or_empty(told, "end_to_end_id")[:MAX_TEXT],
    )


def _entry(client: Client, told: Answer) -> BalanceEntry:
    kind_told = answers.text(told, "type")
    amount_minor, currency = from_square(told, "gross_amount_money")
    fee_minor, _ = from_square(told, "fee_amount_money")
    net_minor, _ = from_square(told, "net_amount_money")
    if amount_minor - fee_minor != net_minor:
        raise answers.unreadable(told, "net_amount_money")
    details = answers.inner(told, f"type_{kind_told.lower()}_details") or {}
    at = answers.moment(told, "effective_at")
    kind, entry_id, source_id = _cause(client, told, _KIND.get(kind_told, EntryKind.ADJUSTMENT), details, amount_minor)
    return BalanceEntry(
        entry_id=entry_id,
        kind=kind,
        provider_type=kind_told.lower()[:60],
        source_id=source_id,
        amount_minor=amount_minor,
        fee_minor=fee_minor,
        net_minor=net_minor,
        currency=currency,
        created_at=at,
        available_at=at,
    )


def _cause(
    client: Client, told: Answer, kind: EntryKind, details: Answer, amount_minor: int
) -> tuple[EntryKind, str, str]:
    """Return what kind of entry it is, its id, and the id of what caused it, empty where that is not told."""
    entry_id = answers.text(told, "id")
    payment_id = answers.text_or_empty(details, "payment_id")
    if kind is EntryKind.REFUND:
        return kind, entry_id, _refund_of(client, payment_id, amount_minor)
    of_dispute = answers.text_or_empty(details, "dispute_id")
    if kind is EntryKind.DISPUTE and of_dispute:
        back = amount_minor > 0
        moved = MovementKind.REINSTATED if back else MovementKind.WITHDRAWN
        # The name a look gave the same movement.
        return EntryKind.DISPUTE_REVERSAL if back else kind, disputes.entry_id(of_dispute, moved), of_dispute
    return kind, entry_id, payment_id


def _refund_of(client: Client, payment_id: str, amount_minor: int) -> str:
    """Return which refund of a payment took this much; empty where that cannot be said for certain."""
    if not payment_id:
        return ""
    try:
        ids = answers.texts(looking.payment(client, payment_id), "refund_ids")
        if len(ids) == 1:
            return ids[0]
        fitting = [
            each for each in ids if -from_square(looking.refund(client, each), "amount_money")[0] == amount_minor
        ]
    except UnknownObject:
        return ""
    return fitting[0] if len(fitting) == 1 else ""
