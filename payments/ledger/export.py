"""The journal and the trial balance as tables, a row at a time, for payments/exporting.py and exporting_xlsx.py."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from django.db import connection

from orders.money import EXPONENTS
from payments.ledger import trial_balance

JOURNAL = (
    "transaction",
    "at_utc",
    "cause",
    "cause_id",
    "account",
    "currency",
    "debit",
    "credit",
    "amount_minor",
    "note",
)
BALANCE = ("account", "side", "currency", "opening", "debit", "credit", "balance", "balance_minor")
AT_ONCE = 2_000

_ENTRIES = """
SELECT t.id, e.id, t.at, t.cause_kind, t.cause_id, e.account, t.currency, e.amount_minor, t.note
FROM payments_ledgertransaction t JOIN payments_ledgerentry e ON e.transaction_id = t.id
WHERE t.at >= %s AND t.at < %s AND (t.at, t.id, e.id) > (%s, %s, %s)
ORDER BY t.at, t.id, e.id LIMIT %s
"""


def journal(*, since: datetime, before: datetime) -> Iterator[tuple[object, ...]]:
    """Yield every entry posted from `since` on and before `before`, in the order of time, under JOURNAL."""
    at, transaction, entry = since, -(2**63), -(2**63)
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_ENTRIES, [since, before, at, transaction, entry, AT_ONCE])
            page = cursor.fetchall()
        for row in page:
            transaction, entry, at, kind, cause_id, account, currency, minor, note = row
            debit, credit = (major(minor, currency), "") if minor > 0 else ("", major(-minor, currency))
            yield (transaction, at, kind, cause_id, account, currency, debit, credit, minor, note)
        if len(page) < AT_ONCE:
            return


def entries_between(*, since: datetime, before: datetime, most: int) -> int:
    """Return how many rows journal() would yield; it stops counting at `most`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM (SELECT 1 FROM payments_ledgertransaction t JOIN payments_ledgerentry e"
            " ON e.transaction_id = t.id WHERE t.at >= %s AND t.at < %s LIMIT %s) found",
            [since, before, most],
        )
        [(count,)] = cursor.fetchall()
    return int(count)


def balance(*, since: datetime, before: datetime) -> Iterator[tuple[object, ...]]:
    """Yield the trial balance at `before`, with what was posted from `since` on, under BALANCE."""
    for line in trial_balance.turnover(since=since, before=before):
        parts = (line.opening_minor, line.debit_minor, line.credit_minor, line.balance_minor)
        told = [major(part, line.currency) for part in parts]
        yield (line.account, line.side or "", line.currency, *told, line.balance_minor)


def major(minor: int, currency: str) -> Decimal | int:
    """Return an amount in major units, exact; of a currency that we do not know, its minor units."""
    exponent = EXPONENTS.get(currency)
    return minor if exponent is None else Decimal(minor).scaleb(-exponent)
