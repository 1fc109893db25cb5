"""What differs between a payment as the provider tells it and as we hold it. Pure: no row is read, nothing is asked."""

from __future__ import annotations

from integrations.contract import ListedCapture, ListedStatus, Mode
from orders.states import OrderState
from payments.models.capture import Disposition
from payments.models.reconciliation import Difference
from payments.reconciliation.ours import OurAttempt, Ours
from payments.states import AttemptState

HAS_ITS_MONEY = (AttemptState.PAID, AttemptState.PARTIALLY_REFUNDED, AttemptState.REFUNDED)
ENDED = (AttemptState.FAILED, AttemptState.CANCELLED)


def compare(theirs: ListedCapture, ours: Ours) -> tuple[Difference, ...]:
    """Return how a payment that both sides know differs. Another mode or account says that the rest means nothing."""
    if theirs.mode != ours.mode:
        return (Difference.WRONG_MODE,)
    if theirs.account != ours.account:
        return (Difference.WRONG_ACCOUNT,)
    found = []
    if theirs.currency != ours.currency:
        found.append(Difference.CURRENCY)
    elif theirs.amount_minor != ours.amount_minor:
        found.append(Difference.AMOUNT)
    elif theirs.fee_minor is not None and theirs.fee_minor != ours.fee_minor:
        found.append(Difference.FEE)
    unseen = theirs.disputed and not ours.disputed  # no list tells disputes; what went back is in that of refunds
    if theirs.status is not ListedStatus.CAPTURED or unseen or not _is_shown(ours):
        found.append(Difference.STATE)
    return tuple(found)


def classify_missing(theirs: ListedCapture, attempt: OurAttempt | None, *, mode: Mode) -> Difference | None:
    """Return what it is that a payment of theirs has no capture here; None where no money moved."""
    if theirs.status is not ListedStatus.CAPTURED:
        return None
    if theirs.mode != mode or (attempt is not None and attempt.mode != theirs.mode):
        return Difference.WRONG_MODE
    if attempt is None:
        return Difference.UNKNOWN_CAPTURE
    if attempt.account and attempt.account != theirs.account:
        return Difference.WRONG_ACCOUNT
    return _beyond_or_missing(attempt)


def _beyond_or_missing(attempt: OurAttempt) -> Difference:
    """Return whether the money pays an order that waits for it, or is more or later than that."""
    if attempt.has_capture:
        return Difference.DUPLICATE
    if attempt.state in ENDED or attempt.order_state in (OrderState.EXPIRED, OrderState.CANCELLED):
        return Difference.LATE
    return Difference.MISSING_HERE if attempt.order_state == OrderState.PLACED else Difference.DUPLICATE


def _is_shown(ours: Ours) -> bool:
    """Say whether our attempt shows that the money came. Suspended money moves no state, and has its case."""
    return ours.disposition == Disposition.SUSPENSE or ours.attempt_state in HAS_ITS_MONEY
