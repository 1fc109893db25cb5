"""When to look again at a payment that is disputed: events may be lost, and a bank takes an answer for days only."""

from __future__ import annotations

from datetime import datetime, timedelta

from payments.models import Dispute, PaymentAttempt
from payments.states import DisputeState

NEAR = timedelta(days=1)
NEAR_EVERY = timedelta(hours=1)
"""From a day before the deadline until a day after it."""
ELSE_EVERY = timedelta(hours=6)
MONEY_FOLLOWS = timedelta(days=7)
"""How long after a win the bank's money is waited for; then it is a person's (the case stays open)."""


def next_look(attempt: PaymentAttempt, *, at: datetime) -> datetime | None:
    """Return when to look at an attempt for the sake of its disputes; None where they expect nothing more."""
    moments = [moment for dispute in attempt.disputes.all() if (moment := _next_look(dispute, at=at)) is not None]
    return min(moments, default=None)


def _next_look(dispute: Dispute, *, at: datetime) -> datetime | None:
    if dispute.is_undecided:
        near = dispute.respond_by is not None and abs(dispute.respond_by - at) <= NEAR
        return at + (NEAR_EVERY if near else ELSE_EVERY)
    follows = dispute.closed_at is not None and at < dispute.closed_at + MONEY_FOLLOWS
    if dispute.state == DisputeState.WON and follows and any(dispute.outstanding().values()):
        return at + ELSE_EVERY
    return None
