"""The trial balance: what stands on each account at a moment, in each currency. Debit positive, credit negative.

It begins with the balances that the last closed month before that moment froze, and adds what was posted since: so it
costs what the open months hold, however long the ledger is. `verify_ledger` holds the frozen ones against the entries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import connection

from payments.ledger import chart
from payments.ledger.chart import Side
from payments.models import AccountBalance, AccountingPeriod


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One account in one currency, in minor units: what stood there, and what was posted to each side since."""

    account: str
    currency: str
    opening_minor: int = 0
    debit_minor: int = 0
    credit_minor: int = 0

    @property
    def balance_minor(self) -> int:
        """Debits less credits: positive stands on the debit side."""
        return self.opening_minor + self.debit_minor - self.credit_minor

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


def balance(*, before: datetime | None = None) -> list[Line]:
    """Return the trial balance of everything posted before a moment; None: of everything."""
    closed = _last_closed(before)
    return _added(_frozen(closed), posted(since=closed.ends_at if closed else None, before=before))


def turnover(*, since: datetime, before: datetime) -> list[Line]:
    """Return the trial balance at `before`, in which each side shows what was posted from `since` on."""
    opening = {(line.account, line.currency): line.balance_minor for line in balance(before=since)}
    return _added(opening, posted(since=since, before=before))


def posted(*, since: datetime | None = None, before: datetime | None = None) -> list[Line]:
    """Return what was posted from `since` on and before `before` (None: without that bound), summed from entries."""
    conditions = [(f"t.at {sign} %s", moment) for sign, moment in ((">=", since), ("<", before)) if moment is not None]
    where = " AND ".join(condition for condition, _ in conditions) or "true"
    with connection.cursor() as cursor:
        cursor.execute(_POSTED.format(where=where), [moment for _, moment in conditions])
        return [
            Line(account=account, currency=currency, debit_minor=int(debit), credit_minor=int(credit))
            for account, currency, debit, credit in cursor.fetchall()
        ]


_POSTED = """
SELECT e.account, t.currency, sum(greatest(e.amount_minor, 0)), sum(greatest(-e.amount_minor, 0))
FROM payments_ledgertransaction t JOIN payments_ledgerentry e ON e.transaction_id = t.id
WHERE {where} GROUP BY e.account, t.currency
"""


def _last_closed(before: datetime | None) -> AccountingPeriod | None:
    periods = AccountingPeriod.objects.order_by("-ends_at")
    return (periods if before is None else periods.filter(ends_at__lte=before)).first()


def _frozen(period: AccountingPeriod | None) -> dict[tuple[str, str], int]:
    rows = AccountBalance.objects.filter(period=period) if period else AccountBalance.objects.none()
    return {(row.account, row.currency): row.balance_minor for row in rows}


def _added(opening: dict[tuple[str, str], int], lines: Iterable[Line]) -> list[Line]:
    """Return the lines on top of what stood there, by currency and account."""
    found = {(line.account, line.currency): line for line in lines}
    return [
        replace(found.get(key) or Line(account=key[0], currency=key[1]), opening_minor=opening.get(key, 0))
        for key in sorted({*opening, *found}, key=lambda key: (key[1], key[0]))
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
