"""Balance transactions: what charges, refunds, disputes and payouts do to the account. A charge costs 2.9 % + 30 minor
units. Where the account settles in another currency (`settle_in`), each entry is converted as it is written.
"""

from __future__ import annotations

from fractions import Fraction

from integrations.sandbox.objects import Stored
from integrations.sandbox.stripe.scope import Scope, new_id
from integrations.sandbox.wire import Json

FEE_PER_MILLE = 29
FEE_FIXED_MINOR = 30
AVAILABLE_AFTER_SECONDS = 2 * 24 * 3600

_CATEGORY = {
    "charge": "charge", "payment": "charge", "refund": "refund", "payment_refund": "refund",
    "refund_failure": "refund_failure", "payment_failure_refund": "refund_failure",
    "dispute": "dispute", "dispute_reversal": "dispute_reversal",
    "payout": "payout", "payout_failure": "payout_reversal", "payout_cancel": "payout_reversal",
    "adjustment": "other_adjustment", "stripe_fee": "fee",
}  # fmt: skip
#: Kinds that have no type of their own: only the reporting category tells them.
_ADJUSTMENTS = ("dispute", "dispute_reversal")


#: What is at hand as soon as it is written.
_AT_ONCE = ("payout", "payout_failure", "payout_cancel", "adjustment", "stripe_fee")
SETTLEMENT_SETTING = "settlement"


def is_available(entry: Stored, *, now: int) -> bool:
    """Whether an entry's money may be paid out at `now` (seconds)."""
    return bool(entry.data["available_on"] <= now)


def fee(amount: int) -> int:
    """The processing fee for a captured amount, both in minor units; halves round up."""
    return (amount * FEE_PER_MILLE + 500) // 1000 + FEE_FIXED_MINOR


def post(
    scope: Scope,
    *,
    kind: str,
    source: Stored | None,
    amount: int,
    currency: str,
    charge_fee: int,
    description: str | None = None,
) -> Stored:
    """Writes one entry. `amount` is signed minor units (refunds negative), `charge_fee` is taken from it (or, negative,
    given back with it). `currency` is the source's; the entry is in the one that the account settles in.
    """
    amount, charge_fee, currency, rate = _converted(scope, amount, charge_fee, currency)
    details: list[Json] = []
    if charge_fee:
        details.append(
            {
                "amount": charge_fee,
                "application": None,
                "currency": currency,
                "description": "Dispute fee" if kind in _ADJUSTMENTS else "Stripe processing fees",
                "type": "stripe_fee",
            }
        )
    return scope.insert(
        {
            "id": new_id("txn"),
            "object": "balance_transaction",
            "amount": amount,
            "available_on": scope.now + (0 if kind in _AT_ONCE else AVAILABLE_AFTER_SECONDS),
            "balance_type": "payments",
            "created": scope.now,
            "currency": currency,
            "description": description,
            "exchange_rate": rate,
            "fee": charge_fee,
            "fee_details": details,
            "net": amount - charge_fee,
            "reporting_category": _CATEGORY[kind],
            "source": source.id if source is not None else None,
            "status": "pending",
            "type": "adjustment" if kind in _ADJUSTMENTS else kind,
        }
    )


def _converted(scope: Scope, amount: int, charge_fee: int, currency: str) -> tuple[int, int, str, float | None]:
    """Amount and fee in the currency that the account settles in, and the rate as Stripe shows it (None: as it was)."""
    settlement: Json = scope.tx.setting(SETTLEMENT_SETTING) or {}
    rate = settlement.get("rates", {}).get(currency)
    if rate is None:
        return amount, charge_fee, currency, None
    exact = Fraction(rate)
    return _times(amount, exact), _times(charge_fee, exact), settlement["currency"], float(exact)


def _times(amount: int, rate: Fraction) -> int:
    """An amount at a rate, in whole minor units; halves go away from zero."""
    whole = (abs(amount) * rate.numerator * 2 + rate.denominator) // (2 * rate.denominator)
    return whole if amount >= 0 else -whole
