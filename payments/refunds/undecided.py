"""The refund of an order that is on its way, as plain data: what payments/why/ and payments/replies.py speak of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orders.models import Order
from orders.money import Money
from payments.states import UNDECIDED_REFUNDS


@dataclass(frozen=True, slots=True, kw_only=True)
class UndecidedRefund:
    """The oldest undecided one. `next_try_at`: when its call is sent again; `next_look_at`: when we ask what became
    of it; `error`: of the last try of the call."""

    state: str
    label: str
    amount: Money
    requested_at: datetime
    next_try_at: datetime | None = None
    next_look_at: datetime | None = None
    error: str = ""


def undecided_refund(order: Order, *, label_of: dict[str, str]) -> UndecidedRefund | None:
    """Return it; None where there is none. `label_of`: how staff read the names of providers."""
    refund = (
        order.refunds.filter(state__in=UNDECIDED_REFUNDS).select_related("attempt").order_by("requested_at").first()
    )
    if refund is None:
        return None
    call = refund.calls.first()
    return UndecidedRefund(
        state=refund.state,
        label=label_of.get(refund.provider, refund.provider.title()),
        amount=refund.amount,
        requested_at=refund.requested_at,
        next_try_at=(call.next_try_at or call.lease_until) if call else None,
        next_look_at=refund.attempt.next_look_at,
        error=call.error_category if call else "",
    )
