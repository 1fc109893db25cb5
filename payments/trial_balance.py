"""The trial balance: what stands on each account at a moment, in each currency. Debit positive, credit negative.

From the ledger's entries alone; nothing is kept that could disagree with them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from payments import chart
from payments.chart import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One account in one currency, in minor units. `debit_minor` and `credit_minor`: what was posted to each side."""

    account: str
    currency: str
    debit_minor: int
    credit_minor: int

    @property
    def balance_minor(self) -> int:
        """Debits less credits: positive stands on the debit side."""
        return self.debit_minor - self.credit_minor

    @property
    def side(self) -> Side | None:
        """What the account is in the equation; None for one that is not of the chart."""
        return side_of(self.account)


@dataclass(frozen=True, slots=True, kw_only=True)
class Equation:
    """Assets + expenses + liabilities + income in one currency, debit positive: `remainder` must be zero."""

    currency: str
    by_side: dict[Side, int]
    remainder_minor: int


_POSTED = """
SELECT e.account, t.currency,
       sum(e.amount_minor) FILTER (WHERE e.amount_minor > 0), -sum(e.amount_minor) FILTER (WHERE e.amount_minor < 0)
FROM payments_ledgertransaction t JOIN payments_ledgerentry e ON e.transaction_id = t.id
WHERE (%(since)s::timestamptz IS NULL OR t.at >= %(since)s) AND (%(before)s::timestamptz IS NULL OR t.at < %(before)s)
GROUP BY e.account, t.currency ORDER BY t.currency, e.account
"""


def posted(*, since: datetime | None = None, before: datetime | None = None) -> list[Line]:
    """Return what was posted from `since` on and before `before` (None: without that bound), summed by the database."""
    with connection.cursor() as cursor:
        cursor.execute(_POSTED, {"since": since, "before": before})
        return [
            Line(account=account, currency=currency, debit_minor=int(debit or 0), credit_minor=int(credit or 0))
            for account, currency, debit, credit in cursor.fetchall()
        ]


def equations(lines: Iterable[Line]) -> list[Equation]:
    """Return the accounting equation of each currency. Accounts out of the chart count in the remainder alone."""
    by_currency: dict[str, dict[Side, int]] = {}
    remainders: dict[str, int] = {}
    for line in lines:
        sides = by_currency.setdefault(line.currency, {})
        remainders[line.currency] = remainders.get(line.currency, 0) + line.balance_minor
        if line.side is not None:
            sides[line.side] = sides.get(line.side, 0) + line.balance_minor
    return [
        Equation(currency=currency, by_side=sides, remainder_minor=remainders[currency])
        for currency, sides in sorted(by_currency.items())
    ]


def side_of(account: str) -> Side | None:
    """Return which side of the equation an account is on; None where the chart does not know it."""
    try:
        return chart.account(account).side
    except chart.UnknownAccount:
        return None
