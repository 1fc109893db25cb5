"""What a provider pays out, and the entries of its balance that make up each payout."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from integrations.contract.payments import Mode


class EntryKind(StrEnum):
    """What moved a provider's balance, in our words."""

    PAYMENT = "payment"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    FEE = "fee"
    PAYOUT = "payout"
    PAYOUT_FAILURE = "payout_failure"
    ADJUSTMENT = "adjustment"


class PayoutStatus(StrEnum):
    """How far a payout has come."""

    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceEntry:
    """One movement of the provider's balance: `amount_minor` - `fee_minor` = `net_minor`, in `currency`, signed.

    The currency is the one the provider settles in; where it converted, `exchange_rate` says at what rate (a decimal
    number as text, else empty): the source's amount times the rate is `amount_minor`. `source_id` is the provider's id
    of what caused it (a capture, refund, dispute or payout), empty where nothing did.
    """

    entry_id: str
    kind: EntryKind
    provider_type: str
    source_id: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    created_at: datetime
    available_at: datetime
    exchange_rate: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayoutSnapshot:
    """A payout as the provider tells it. `amount_minor` is what goes to the bank; negative: what the bank is debited.

    `automatic`: the provider chose its entries and can tell them; a manual payout took an amount, and nobody can say
    which entries it was made of. `entries_complete`: the provider has told that it lists all entries of this payout.
    `bank_reference` is what the bank's statement may show, empty where the provider does not know it.
    """

    payout_id: str
    mode: Mode
    amount_minor: int
    currency: str
    status: PayoutStatus
    created_at: datetime
    arrives_at: datetime
    automatic: bool
    entries_complete: bool
    bank_reference: str = ""
    failure_code: str = ""
