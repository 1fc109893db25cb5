"""Balance transactions: what charges, refunds and disputes do to the account. A charge costs 2.9 % + 30 minor units."""

from __future__ import annotations

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
}  # fmt: skip
#: Kinds that have no type of their own: only the reporting category tells them.
_ADJUSTMENTS = ("dispute", "dispute_reversal")


def fee(amount: int) -> int:
    """The processing fee for a captured amount, both in minor units; halves round up."""
    return (amount * FEE_PER_MILLE + 500) // 1000 + FEE_FIXED_MINOR


def post(
    scope: Scope,
    *,
    kind: str,
    source: Stored,
    amount: int,
    currency: str,
    charge_fee: int,
    description: str | None = None,
) -> Stored:
    """Writes one entry. `amount` is signed minor units (refunds negative), `charge_fee` is taken from it (or, negative,
    given back with it).
    """
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
            "available_on": scope.now + AVAILABLE_AFTER_SECONDS,
            "balance_type": "payments",
            "created": scope.now,
            "currency": currency,
            "description": description,
            "exchange_rate": None,
            "fee": charge_fee,
            "fee_details": details,
            "net": amount - charge_fee,
            "reporting_category": _CATEGORY[kind],
            "source": source.id,
            "status": "pending",
            "type": "adjustment" if kind in _ADJUSTMENTS else kind,
        }
    )
