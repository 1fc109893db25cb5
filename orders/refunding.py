"""The refund branch, which orders and attempts share word for word: where a subject stands by what went back of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from orders.models import Transition
from orders.states import OrderState
from orders.transitions import move_or_record

_BRANCH = (OrderState.PAID, OrderState.PARTIALLY_REFUNDED, OrderState.REFUNDED)


def follow_refunds(
    subject: Any, *, refunded_minor: int, total_minor: int, actor: str, cause: str, at: datetime
) -> Transition | None:
    """Move an order or attempt to where `refunded_minor` of `total_minor` puts it; None where it stands there already.

    Both in minor units of the subject's currency. Needs the subject's row lock. A subject that was never paid gets a
    forbidden row.
    """
    target = _where(refunded_minor, total_minor)
    if subject.state == target:
        return None
    if subject.state in _BRANCH and _BRANCH.index(subject.state) > _BRANCH.index(target):
        return move_or_record(
            subject, "refund_failed", actor=actor, cause=cause, at=at, still_refunded_minor=refunded_minor
        )
    return move_or_record(subject, str(target), actor=actor, cause=cause, at=at)


def _where(refunded_minor: int, total_minor: int) -> OrderState:
    if refunded_minor >= total_minor:
        return OrderState.REFUNDED
    return OrderState.PARTIALLY_REFUNDED if refunded_minor else OrderState.PAID
