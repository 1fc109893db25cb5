"""Closing a month: its trial balance is frozen, and nothing is posted into it any more.

The database refuses a posting dated into a closed month, and a month closed out of turn (trigger). Postings hold the
ledger's lock shared until they commit and closing takes it alone, so that no posting is under way past the balance; it
is a lock of the transaction, which PgBouncer lets through.
"""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.db import connection, transaction

from payments.ledger import trial_balance
from payments.ledger.trial_balance import Line
from payments.models import AccountBalance, AccountingPeriod, LedgerTransaction

LOCK_KEY = 20_260_401
"""Of PostgreSQL's advisory lock that payments_refuse_closed_month() takes shared."""


class CannotClose(Exception):
    """The month stays open; the message says why."""


def month_of(number: int) -> date:
    """Return the first day of a month written as 202611. Raises CannotClose for a number that is none."""
    try:
        month = date(number // 100, number % 100, 1)
        bounds(month)
    except (ValueError, OverflowError):
        raise CannotClose(f"There is no month {number}.") from None
    return month


def number_of(month: date) -> int:
    """Return a month as 202611."""
    return month.year * 100 + month.month


def bounds(month: date) -> tuple[datetime, datetime]:
    """Return the month's first moment, and the first one after it, in UTC."""
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    return _midnight(month), _midnight(following)


def next_to_close() -> date | None:
    """Return the month that is closed next: the one after the last, or the ledger's first; None for an empty ledger."""
    last = AccountingPeriod.objects.order_by("-month").first()
    if last is not None:
        return last.ends_at.astimezone(UTC).date()
    first = LedgerTransaction.objects.order_by("at").values_list("at", flat=True).first()
    return first.astimezone(UTC).date().replace(day=1) if first else None


def check_closable(month: date, *, at: datetime) -> None:
    """Raise CannotClose unless this month is over at `at`, and the one whose turn it is. Needs it to be open."""
    _, end = bounds(month)
    if at < end:
        raise CannotClose(f"{month:%Y-%m} is not over; it can be closed from {end:%Y-%m-%d %H:%M} UTC on.")
    turn = next_to_close()
    if turn is None:
        raise CannotClose("Nothing was ever posted: there is nothing to close.")
    if month > turn:
        raise CannotClose(f"{turn:%Y-%m} is still open; months are closed in their order.")
    if month < turn:
        raise CannotClose(f"The ledger begins with {turn:%Y-%m}; there is nothing to close in {month:%Y-%m}.")


def closed(month: date) -> AccountingPeriod | None:
    """Return the month as it was closed; None while it is open."""
    return AccountingPeriod.objects.filter(month=month).first()


def close(*, month: date, actor: str, at: datetime) -> AccountingPeriod:
    """Freeze the month's trial balance; a month that is closed already stays as it is. In the caller's transaction.

    Let the ledger be verified before. Raises CannotClose.
    """
    with transaction.atomic():
        _lock()
        known = closed(month)
        if known is not None:
            return known
        check_closable(month, at=at)
        lines = balance_of(month)
        broken = [each.currency for each in trial_balance.equations(lines) if each.remainder_minor]
        if broken:
            raise CannotClose(f"The accounts do not sum to zero in {', '.join(broken)}: run verify_ledger.")
        _, end = bounds(month)
        period = AccountingPeriod.objects.create(month=month, ends_at=end, closed_at=at, actor=actor)
        AccountBalance.objects.bulk_create(
            [
                AccountBalance(
                    period=period,
                    account=line.account,
                    currency=line.currency,
                    debit_minor=line.debit_minor,
                    credit_minor=line.credit_minor,
                    balance_minor=line.balance_minor,
                )
                for line in lines
            ]
        )
    return period


def balance_of(month: date) -> list[Line]:
    """Return the trial balance at the month's end, with what it brought to each side; also of an open month."""
    start, end = bounds(month)
    return trial_balance.turnover(since=start, before=end)


def frozen(period: AccountingPeriod) -> list[Line]:
    """Return the trial balance that was frozen."""
    return [
        Line(
            account=row.account,
            currency=row.currency,
            opening_minor=row.balance_minor - row.debit_minor + row.credit_minor,
            debit_minor=row.debit_minor,
            credit_minor=row.credit_minor,
        )
        for row in period.balances.order_by("currency", "account")
    ]


def _lock() -> None:
    """Wait until every posting under way has ended, and let none begin before this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
