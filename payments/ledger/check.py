"""Verifies the ledger: it balances, its accounts are the chart's, and causes and postings agree both ways.

Reads only, and goes by key: each `step` compares some thousand rows, so that no table is ever held in memory and the
keeper can do a run in pieces (payments/ledger/watch.py). A cause and its posting commit together, so that pieces of
different moments agree with each other.

What it cannot see: a cause that was removed together with its posting. Seals show that (docs/audit.md), and what the
provider still knows (`reconcile`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from orders.money import EXPONENTS
from payments.disputes import postings as dispute_ledger  # noqa: F401  causes register themselves, here and below
from payments.ledger import periods as accounting_periods
from payments.ledger import posting as ledger  # noqa: F401
from payments.ledger import trial_balance
from payments.ledger.causes import CAUSES, Cause, Expected
from payments.ledger.trial_balance import Line
from payments.models import AccountingPeriod
from payments.payouts import causes as payout_causes  # noqa: F401
from payments.refunds import postings as refund_postings  # noqa: F401

AT_ONCE = 2_000
"""Causes, or postings, in one step."""
TRANSACTIONS_AT_ONCE = 20_000
"""Keys of transactions whose sums one step asks the database for."""
MOST_FINDINGS = 1_000
"""Looking stops after so many: one is enough to know, this many to see how far it reaches."""
CLOCKS_DIFFER = timedelta(hours=1)
"""So much earlier than its cause a posting may be dated: another host made it, or the clock was set back."""
LOWEST_KEY, HIGHEST_KEY = -(2**63), 2**63 - 1

_OWNER = "Find out who wrote to the database past the application (its log, the audit log); then "
REMEDIES = {
    "out_of_balance": "Look at the unbalanced transactions below it.",
    "unbalanced": _OWNER + "restore the transaction from a backup, or reverse what stands there.",
    "month_changed": _OWNER + "correct in an open month: a closed one is never changed.",
    "unknown_account": "Add the account to payments/ledger/chart.py and have that reviewed, or reverse the posting.",
    "unreadable": _OWNER + "restore the row from a backup.",
    "unknown_cause": "Register the cause beside its posting function (payments/ledger/causes.py).",
    "no_posting": "Post it by its own posting function, dated now; then find out how it could commit without.",
    "no_cause": "Look at the provider and the audit log whether it happened; reverse the posting if it did not.",
    "wrong_currency": _OWNER + "reverse the posting and post the cause anew.",
    "wrong_account": _OWNER + "reverse the posting and post the cause anew.",
    "wrong_amount": _OWNER + "reverse the posting and post the cause anew.",
    "wrong_time": _OWNER + "see whether it was moved into another month.",
}
"""What to do about each kind of finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong. `transaction` and `cause_id` 0: it is about none."""

    code: str
    what: str
    cause_kind: str = ""
    cause_id: int = 0
    transaction: int = 0

    @property
    def remedy(self) -> str:
        return REMEDIES[self.code]

    def __str__(self) -> str:
        return f"{self.what} {self.remedy}"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class Posting:
    """One transaction as it stands: its lines by account, in the order of their keys."""

    pk: int
    cause_id: int
    currency: str
    at: datetime
    lines: tuple[tuple[str, int], ...]

    @property
    def by_account(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for account, amount_minor in self.lines:
            sums[account] = sums.get(account, 0) + amount_minor
        return sums


@dataclass(slots=True)
class Step:
    """What one step found, how many rows it saw, and after which key of the stage the next one begins; None: done."""

    findings: list[Finding] = field(default_factory=list)
    seen: int = 0
    after: int | None = None


@dataclass(slots=True)
class Checked:
    """What came of a whole run."""

    causes: int = 0
    transactions: int = 0
    findings: list[Finding] = field(default_factory=list)


BALANCE, TRANSACTIONS, MONTHS = "balance", "transactions", "months"


def stages() -> list[str]:
    """Return the stages of a run, in order: the whole, each transaction, each closed month, then cause by cause."""
    return [BALANCE, TRANSACTIONS, MONTHS, *CAUSES]


def check(*, told: Callable[[str, int], None] = lambda stage, seen: None) -> Checked:
    """Run over the whole ledger. `told` is called after each step with its stage and how many rows that has seen."""
    result = Checked()
    for stage in stages():
        seen, after = 0, LOWEST_KEY
        while len(result.findings) < MOST_FINDINGS:
            done = step(stage, after)
            result.findings += done.findings[: MOST_FINDINGS - len(result.findings)]
            seen += done.seen
            told(stage, seen)
            if done.after is None:
                break
            after = done.after
        result.transactions += seen if stage == TRANSACTIONS else 0
        result.causes += seen if stage in CAUSES else 0
    return result


def step(stage: str, after: int) -> Step:
    """Do one step of a stage: what comes after key `after`."""
    if stage == BALANCE:
        return Step(findings=list(_wrong_with_balance()))
    if stage == TRANSACTIONS:
        return _transactions(after)
    if stage == MONTHS:
        return _month(after)
    return _causes(CAUSES[stage], after)


# --- the whole, and each transaction by itself ---------------------------------------------------------------


def _wrong_with_balance() -> Iterator[Finding]:
    lines = trial_balance.posted()
    for equation in trial_balance.equations(lines):
        if equation.remainder_minor:
            told = amount_text(equation.remainder_minor, equation.currency)
            yield Finding(code="out_of_balance", what=f"{equation.currency}: the accounts sum to {told}, not to zero.")
    for account in sorted({line.account for line in lines if line.side is None}):
        transaction = _first_of(account)
        yield Finding(
            code="unknown_account",
            what=f"Account {account!r} is not of the chart; first posted to by transaction {transaction}.",
            transaction=transaction,
        )
    for kind in _kinds():
        if kind not in CAUSES:
            yield Finding(code="unknown_cause", what=f"Postings of cause {kind!r} cannot be checked.", cause_kind=kind)


def _first_of(account: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT min(transaction_id) FROM payments_ledgerentry WHERE account = %s",
            [account],
        )
        [(first,)] = cursor.fetchall()
    return int(first)


def _kinds() -> list[str]:
    """Return the kinds of causes that have postings, each by one look into the index."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE k(kind) AS (SELECT min(cause_kind) FROM payments_ledgertransaction UNION ALL"
            " SELECT (SELECT min(cause_kind) FROM payments_ledgertransaction WHERE cause_kind > k.kind) FROM k"
            " WHERE k.kind IS NOT NULL) SELECT kind FROM k WHERE kind IS NOT NULL"
        )
        return [kind for (kind,) in cursor.fetchall()]


_SUMS = """
WITH keys AS (SELECT id FROM payments_ledgertransaction WHERE id > %s ORDER BY id LIMIT %s),
sums AS (
  SELECT k.id, count(e.id) AS entries, coalesce(sum(e.amount_minor), 0) AS total
  FROM keys k LEFT JOIN payments_ledgerentry e ON e.transaction_id = k.id GROUP BY k.id
)
SELECT (SELECT count(*) FROM keys), (SELECT max(id) FROM keys),
       coalesce((SELECT jsonb_agg(jsonb_build_array(id, entries, total) ORDER BY id) FROM sums
                 WHERE entries < 2 OR total <> 0), '[]')::text
"""


def _transactions(after: int) -> Step:
    with connection.cursor() as cursor:
        cursor.execute(_SUMS, [after, TRANSACTIONS_AT_ONCE])
        seen, last, wrong = cursor.fetchone() or (0, None, "[]")
    findings = [
        Finding(
            code="unbalanced",
            what=f"Transaction {pk}: {entries} entries sum to {total} minor units; two at least must sum to zero.",
            transaction=pk,
        )
        for pk, entries, total in json.loads(wrong)
    ]
    return Step(findings=findings, seen=seen, after=last if seen == TRANSACTIONS_AT_ONCE else None)


def _month(after: int) -> Step:
    """Hold the next closed month's frozen balances against the entries."""
    period = AccountingPeriod.objects.filter(pk__gt=after).order_by("pk").first()
    if period is None:
        return Step()
    kept = {(line.account, line.currency): line for line in accounting_periods.frozen(period)}
    made = {(line.account, line.currency): line for line in accounting_periods.balance_of(period.month)}
    findings = [
        Finding(
            code="month_changed",
            what=f"{period}: {account} was closed with {_of_line(kept.get((account, currency)), currency)}, and its "
            f"postings come to {_of_line(made.get((account, currency)), currency)}.",
        )
        for account, currency in sorted({*kept, *made})
        if kept.get((account, currency)) != made.get((account, currency))
    ]
    return Step(findings=findings, after=period.pk)


def _of_line(line: Line | None, currency: str) -> str:
    if line is None:
        return "nothing"
    parts = (line.balance_minor, line.debit_minor, line.credit_minor)
    return "{} (debits {}, credits {})".format(*(amount_text(part, currency) for part in parts))


# --- causes against postings, both ways ----------------------------------------------------------------------

_POSTINGS = """
SELECT t.id, t.cause_id, t.currency, t.at,
       array_agg(e.account ORDER BY e.id), array_agg(e.amount_minor ORDER BY e.id)
FROM (SELECT id, cause_id, currency, at FROM payments_ledgertransaction
      WHERE cause_kind = %s AND cause_id > %s AND cause_id <= %s ORDER BY cause_id LIMIT %s) t
LEFT JOIN payments_ledgerentry e ON e.transaction_id = t.id
GROUP BY t.id, t.cause_id, t.currency, t.at ORDER BY t.cause_id
"""


def _causes(cause: Cause, after: int) -> Step:
    """Compare the next causes of one kind, and the postings in the range of their keys, by merging both."""
    rows = list(cause.rows().filter(pk__gt=after).order_by("pk")[:AT_ONCE])
    cause.prepare(rows)
    last = rows[-1].pk if len(rows) == AT_ONCE else HIGHEST_KEY
    postings = _postings(cause.kind, after, last)
    posting = next(postings, None)
    found = Step(seen=len(rows), after=last if len(rows) == AT_ONCE else None)
    for row in rows:
        while posting is not None and posting.cause_id < row.pk:
            found.findings.append(_causeless(cause, posting))
            posting = next(postings, None)
        mine = posting if posting is not None and posting.cause_id == row.pk else None
        found.findings += _compare(cause, row, mine)
        posting = next(postings, None) if mine else posting
    while posting is not None and len(found.findings) < MOST_FINDINGS:
        found.findings.append(_causeless(cause, posting))
        posting = next(postings, None)
    return found


def _postings(kind: str, after: int, last: int) -> Iterator[Posting]:
    """Yield the postings of one kind with `after` < cause_id ≤ `last`, some thousand at a time."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(_POSTINGS, [kind, after, last, AT_ONCE])
            page = cursor.fetchall()
        for pk, cause_id, currency, at, accounts, amounts in page:
            lines = () if accounts == [None] else tuple(zip(accounts, map(int, amounts), strict=True))
            yield Posting(pk, cause_id, currency, at, lines)
        if len(page) < AT_ONCE:
            return
        after = page[-1][1]


def _causeless(cause: Cause, posting: Posting) -> Finding:
    return Finding(
        code="no_cause",
        what=f"Transaction {posting.pk} posts {cause.kind} {posting.cause_id}, and there is none.",
        cause_kind=cause.kind,
        cause_id=posting.cause_id,
        transaction=posting.pk,
    )


def _compare(cause: Cause, row: Any, posting: Posting | None) -> Iterator[Finding]:
    try:
        expected = cause.expected(row)
    except ValueError as error:  # a currency, amount or word that no code of ours would have written
        yield _found("unreadable", f"{cause.kind} {row.pk} cannot be understood: {error}.", cause, row, posting)
        return
    if expected is None and posting is None:
        return
    if expected is None and posting is not None:
        what = f"Transaction {posting.pk} posts {cause.kind} {row.pk}, which was to post nothing."
        yield _found("no_cause", what, cause, row, posting)
    elif expected is not None and posting is None and not expected.waits:
        what = f"{cause.kind} {row.pk} ({row}) is not posted: {_told(expected)} is missing."
        yield _found("no_posting", what, cause, row, None)
    elif expected is not None and posting is not None:
        for code, what in _differences(expected, posting):
            told = f"Transaction {posting.pk} of {cause.kind} {row.pk} ({row}) {what}"
            yield _found(code, told, cause, row, posting)


def _found(code: str, what: str, cause: Cause, row: Any, posting: Posting | None) -> Finding:
    pk = posting.pk if posting else 0
    return Finding(code=code, what=what, cause_kind=cause.kind, cause_id=row.pk, transaction=pk)


def _differences(expected: Expected, posting: Posting) -> Iterator[tuple[str, str]]:
    posted = posting.by_account
    if posting.currency != expected.currency:
        yield "wrong_currency", f"is in {posting.currency}, not in {expected.currency}."
    elif set(posted) != set(expected.lines):
        yield "wrong_account", f"posted to {_names(posted)}, not to {_names(expected.lines)}."
    elif posted != expected.lines:
        told = Expected(currency=posting.currency, lines=posted)
        yield "wrong_amount", f"posted {_told(told)}, not {_told(expected)}."
    if expected.at is not None and posting.at != expected.at:
        yield "wrong_time", f"is dated {posting.at.isoformat()}, not {expected.at.isoformat()}."
    elif expected.since is not None and posting.at < expected.since - CLOCKS_DIFFER:
        yield "wrong_time", f"is dated {posting.at.isoformat()}, before its cause of {expected.since.isoformat()}."


def _names(lines: dict[str, int]) -> str:
    return " and ".join(sorted(lines)) or "no account"


def _told(expected: Expected) -> str:
    return ", ".join(
        f"{name} {amount_text(minor, expected.currency)}" for name, minor in sorted(expected.lines.items())
    )


def amount_text(minor: int, currency: str) -> str:
    """Return an amount in words, however large, and even of a currency that we do not know."""
    if currency not in EXPONENTS:
        return f"{minor} minor units of {currency!r}"
    return f"{Decimal(minor).scaleb(-EXPONENTS[currency])} {currency}"
