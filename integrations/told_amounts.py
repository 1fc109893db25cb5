"""What no amount of a payment can be, whichever provider tells it: negative, or more than a table can hold.

Adapters read what their provider documents; this holds for all of them, other people's too. One such amount would else
break the settling of everything the same answer tells. 0 is no nonsense: what it means is settlement's to say.
"""

from __future__ import annotations

from collections.abc import Iterator

from integrations.contract import PaymentSnapshot, Unavailable

MOST_MINOR = 2**63 - 1
"""What a bigint holds."""


def checked(told: PaymentSnapshot) -> PaymentSnapshot:
    """Return the snapshot as it is. Raises Unavailable where one of its amounts can be none: it is not believed."""
    for what, amount_minor in _amounts(told):
        if not 0 <= amount_minor <= MOST_MINOR:
            raise Unavailable(f"{told.provider} told a {what} whose amount can be none", code="amount")
    for what, fee_minor in _fees(told):
        if abs(fee_minor) > MOST_MINOR:
            raise Unavailable(f"{told.provider} told a {what} whose fee is no amount", code="amount")
    return told


def _amounts(told: PaymentSnapshot) -> Iterator[tuple[str, int]]:
    yield "payment", told.amount_minor
    yield from (("capture", capture.amount_minor) for capture in told.captures)
    yield from (("refund", refund.amount_minor) for refund in told.refunds)
    for dispute in told.disputes:
        yield "dispute", dispute.amount_minor
        yield from (("dispute's entry", movement.amount_minor) for movement in dispute.movements)


def _fees(told: PaymentSnapshot) -> Iterator[tuple[str, int]]:
    """Yield the fees, which are negative where one is given back."""
    yield from (("capture", capture.fee_minor or 0) for capture in told.captures)
    yield from (("dispute's entry", movement.fee_minor) for dispute in told.disputes for movement in dispute.movements)
