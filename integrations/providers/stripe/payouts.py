"""Stripe's payouts and balance transactions in our words. Functions over the Client; they move nothing.

https://docs.stripe.com/api/payouts, https://docs.stripe.com/api/balance_transactions; which category a type belongs to:
https://docs.stripe.com/reports/reporting-categories.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from integrations.contract import BalanceEntry, EntryKind, Page, PayoutSnapshot, PayoutStatus
from integrations.providers.answer_reading import Answer
from integrations.providers.stripe.answers import answers
from integrations.providers.stripe.client import Client, checked
from integrations.providers.stripe.money import from_stripe

_STATUS = {
    "pending": PayoutStatus.PENDING,
    "in_transit": PayoutStatus.IN_TRANSIT,
    "paid": PayoutStatus.PAID,
    "failed": PayoutStatus.FAILED,
    "canceled": PayoutStatus.CANCELLED,
}
# By reporting category: the bare type "adjustment" says neither dispute nor what else. What is not here, a reserve or a
# late return of a bank debit for instance, is an adjustment: named, summed and posted, and never taken for a payment.
_KIND = {
    "charge": EntryKind.PAYMENT,
    "refund": EntryKind.REFUND,
    "partial_capture_reversal": EntryKind.REFUND,
    "refund_failure": EntryKind.REFUND_FAILURE,
    "dispute": EntryKind.DISPUTE,
    "dispute_reversal": EntryKind.DISPUTE_REVERSAL,
    "fee": EntryKind.FEE,
    "tax": EntryKind.FEE,
    "network_cost": EntryKind.FEE,
    "payout": EntryKind.PAYOUT,
    "payout_reversal": EntryKind.PAYOUT_FAILURE,
}
MAX_TEXT = 200

Item = TypeVar("Item")


def list_payouts(client: Client, *, since: datetime, cursor: str) -> Page[PayoutSnapshot]:
    """Return one page of the payouts created since then, newest first. Raises ProviderError."""
    asked = {"created": {"gte": int(since.timestamp())}}
    return _page(client, client.v1.payouts.list, asked, cursor, _payout)


def fetch_payout(client: Client, payout_id: str) -> PayoutSnapshot:
    """Return one payout. Raises UnknownObject, ProviderError."""
    return _payout(client.ask_about(payout_id, client.v1.payouts.retrieve, {}))


def payout_entries(client: Client, payout_id: str, *, cursor: str) -> Page[BalanceEntry]:
    """Return one page of an automatic payout's entries, its own left out: that one is the sum of the others, negated.

    Raises InvalidRequest for a manual payout (Stripe: balance_transactions_manual_filtering_not_allowed).
    """
    page = _page(client, client.v1.balance_transactions.list, {"payout": checked(payout_id)}, cursor, _entry)
    of_others = (e for e in page.items if not (e.kind is EntryKind.PAYOUT and e.source_id == payout_id))
    return Page(items=tuple(of_others), cursor=page.cursor)


def list_balance_entries(client: Client, *, since: datetime, until: datetime, cursor: str) -> Page[BalanceEntry]:
    """Return one page of the entries created in [since, until), whole seconds, newest first. Raises ProviderError."""
    asked = {"created": {"gte": int(since.timestamp()), "lt": int(until.timestamp())}}
    return _page(client, client.v1.balance_transactions.list, asked, cursor, _entry)


def _page(
    client: Client, ask: Callable[..., Any], params: dict[str, Any], cursor: str, read: Callable[[Answer], Item]
) -> Page[Item]:
    found, after = client.page_of(ask, params, after=checked(cursor) if cursor else "")
    return Page(items=tuple(read(told) for told in found), cursor=after)


def _payout(told: Answer) -> PayoutSnapshot:
    status = _STATUS.get(answers.text(told, "status"))
    automatic = told.get("automatic")
    if status is None:
        raise answers.unreadable(told, "status")
    if not isinstance(automatic, bool):
        raise answers.unreadable(told, "automatic")
    amount_minor, currency = from_stripe(answers.whole(told, "amount"), answers.text(told, "currency"))
    trace = answers.inner(told, "trace_id")
    return PayoutSnapshot(
        payout_id=answers.text(told, "id"),
        mode=answers.mode(told),
        amount_minor=amount_minor,
        currency=currency,
        status=status,
        created_at=answers.moment(told, "created"),
        arrives_at=answers.moment(told, "arrival_date"),
        automatic=automatic,
        entries_complete=answers.text_or_empty(told, "reconciliation_status") == "completed",
        bank_reference=answers.text_or_empty(trace, "value")[:MAX_TEXT] if trace is not None else "",
        failure_code=answers.text_or_empty(told, "failure_code")[:MAX_TEXT],
    )


def _entry(told: Answer) -> BalanceEntry:
    currency_told = answers.text(told, "currency")
    amount_minor, currency = from_stripe(answers.whole(told, "amount"), currency_told)
    fee_minor, _ = from_stripe(answers.whole(told, "fee"), currency_told)
    net_minor, _ = from_stripe(answers.whole(told, "net"), currency_told)
    if amount_minor - fee_minor != net_minor:
        raise answers.unreadable(told, "net")
    return BalanceEntry(
        entry_id=answers.text(told, "id"),
        kind=_KIND.get(answers.text_or_empty(told, "reporting_category"), EntryKind.ADJUSTMENT),
        provider_type=answers.text(told, "type")[:60],
        source_id=answers.id_of(told, "source"),
        amount_minor=amount_minor,
        fee_minor=fee_minor,
        net_minor=net_minor,
        currency=currency,
        created_at=answers.moment(told, "created"),
        available_at=answers.moment(told, "available_on"),
        exchange_rate=_rate(told),
        description=answers.text_or_empty(told, "description")[:MAX_TEXT],
    )


def _rate(told: Answer) -> str:
    """Return the exchange rate as the decimal number that was sent; it is shown, and nothing is computed from it."""
    rate = told.get("exchange_rate")
    if rate is None:
        return ""
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not math.isfinite(rate) or rate <= 0:
        raise answers.unreadable(told, "exchange_rate")
    return format(Decimal(repr(rate)), "f")[:30]
