"""The chart of accounts: which accounts the ledger knows, what each holds, and how it counts in the equation.

Reviewed data: a posting to an account that is not here is refused (payments/ledger/posting.py). Debit is positive,
credit negative; so over all accounts, in each currency, assets + expenses + liabilities + income = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Side(StrEnum):
    """What an account is in the accounting equation."""

    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"


@dataclass(frozen=True, slots=True)
class Account:
    """One account. `per_provider`: there is one for each provider, its name follows a colon."""

    code: str
    side: Side
    meaning: str
    per_provider: bool = False


CLEARING = "clearing"
PAYOUTS = "payouts"
BANK = "bank"
DISPUTES = "disputes"
UNAPPLIED = "unapplied"
SUSPENSE = "suspense"
SALES = "sales"
REFUNDS = "refunds"
FEES = "fees"
DISPUTE_LOSSES = "dispute_losses"
EXCHANGE = "exchange"
ADJUSTMENTS = "adjustments"

CHART: tuple[Account, ...] = (
    Account(CLEARING, Side.ASSET, "What a provider holds for us until it pays out.", per_provider=True),
    Account(PAYOUTS, Side.ASSET, "Paid out by a provider and not yet seen at the bank."),
    Account(BANK, Side.ASSET, "What the bank statements have shown."),
    Account(DISPUTES, Side.ASSET, "Withdrawn by banks while a dispute is undecided; ours again if it is won."),
    Account(UNAPPLIED, Side.LIABILITY, "Money beyond what its order owes, late or double: to be returned or applied."),
    Account(SUSPENSE, Side.LIABILITY, "Money of another amount or currency than asked for, until a person decides."),
    Account(SALES, Side.INCOME, "What orders were paid with."),
    Account(REFUNDS, Side.INCOME, "What went back to customers of paid orders; it lessens sales."),
    Account(FEES, Side.EXPENSE, "What providers take for payments, disputes and refunds."),
    Account(DISPUTE_LOSSES, Side.EXPENSE, "What banks took for good in disputes that were lost."),
    Account(EXCHANGE, Side.EXPENSE, "What conversions between currencies moved, one leg in each."),
    Account(ADJUSTMENTS, Side.EXPENSE, "What a provider booked that is no payment, refund, dispute, fee or payout."),
)

BY_CODE = {account.code: account for account in CHART}


class UnknownAccount(ValueError):
    """No such account in the chart: add it to CHART, and have that reviewed."""


def clearing(provider: str) -> str:
    """Return the account of what a provider holds for us until it pays out."""
    return f"{CLEARING}:{provider}"


def account(name: str) -> Account:
    """Return what the chart says of an account's name, as postings carry it. Raises UnknownAccount."""
    code, colon, provider = name.partition(":")
    known = BY_CODE.get(code)
    if known is None or known.per_provider != bool(colon and provider):
        raise UnknownAccount(f"{name!r} is no account of the chart (payments/ledger/chart.py).")
    return known
