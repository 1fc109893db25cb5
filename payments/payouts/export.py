"""A payout as a table: one row an entry, with what it is here, and the sum it must come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from orders.money import Money
from payments.models import BalanceEntry, Payout
from payments.payouts import sources as payout_sources

HEADER = (
    "payout", "entry", "kind", "provider's type", "source", "order", "amount", "fee", "net", "currency", "rate",
    "made (UTC)", "description", "unexplained", "why",
)  # fmt: skip


def rows(payout: Payout) -> Iterator[Sequence[Any]]:
    """Yield a row for each entry, oldest first, then the payout itself. Amounts in major units, exact."""
    entries = BalanceEntry.objects.filter(line__payout=payout).order_by("pk")
    for each in payout_sources.checked(entries.iterator()):
        entry = each.entry
        yield (
            payout.payout_id,
            entry.entry_id,
            entry.kind,
            entry.provider_type,
            entry.source_id,
            each.source.order_id if each.source else None,
            _major(entry.amount_minor, entry.currency),
            _major(entry.fee_minor, entry.currency),
            _major(entry.net_minor, entry.currency),
            entry.currency,
            entry.exchange_rate,
            entry.made_at,
            entry.description,
            _major(each.differs_minor, entry.currency),
            each.why,
        )
    remainder = None if payout.remainder is None else payout.remainder.major
    paid_out = (payout.payout_id, None, "paid out", None, None, None, None, None, payout.amount.major)
    yield (*paid_out, payout.currency, None, payout.made_at, None, remainder, payout.state)


def _major(amount_minor: int, currency: str) -> Any:
    return Money(amount_minor, currency).major
