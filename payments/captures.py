"""Captures as settlement finds them: one row each, posted, and applied to the order or put where they belong.

Called by settle() only, inside its transaction, with order and attempt locked.
"""

from __future__ import annotations

from datetime import datetime

from integrations import outbox
from integrations.contract import CaptureSnapshot, PaymentSnapshot
from integrations.failpoints import failpoint
from orders import facts, operations
from orders.models import Order
from orders.money import Money
from orders.states import OrderState
from orders.transitions import move_or_record
from payments.cases.opening import open_case
from payments.ledger import posting as ledger
from payments.models import Capture, PaymentAttempt
from payments.models.capture import Disposition
from payments.models.case import CaseKind
from payments.states import LIVE_STATES, AttemptState


def record_captures(
    order: Order, attempt: PaymentAttempt, snapshot: PaymentSnapshot, *, cause: str, actor: str, at: datetime
) -> bool:
    """Write what is new among the snapshot's captures, moving attempt and order. Needs settle()'s locks.

    Each capture is judged by itself, the oldest first: how the provider sorts its list decides nothing. Returns False
    where the payment, or any capture of it, is not of what was asked: then nothing else moves and sweeping stops.
    """
    exact = _asks_what_we_asked(order, attempt, snapshot, at)
    known = {capture.capture_id: capture for capture in attempt.captures.all()}
    for told in sorted(snapshot.captures, key=lambda told: (told.captured_at, told.capture_id)):
        if told.capture_id in known:
            _compare(order, attempt, known[told.capture_id], told, at=at)
        elif not told.amount_minor:  # no money: no row, and nothing to post
            exact = False
            _mismatch(order, attempt, Money(0, told.currency), at=at)
        elif exact and Money(told.amount_minor, told.currency) == attempt.amount:
            _take(order, attempt, told, snapshot, cause=cause, actor=actor, at=at)
        else:
            _suspend(order, attempt, told, snapshot, at=at)
    return exact and not attempt.captures.filter(disposition=Disposition.SUSPENSE).exists()


def _asks_what_we_asked(order: Order, attempt: PaymentAttempt, snapshot: PaymentSnapshot, at: datetime) -> bool:
    asked = Money(snapshot.amount_minor, snapshot.currency)
    if asked == attempt.amount:
        return True
    _mismatch(order, attempt, asked, at=at)
    return False


def _mismatch(order: Order, attempt: PaymentAttempt, theirs: Money, *, at: datetime) -> None:
    same_currency = theirs.currency == attempt.currency
    open_case(
        CaseKind.AMOUNT_MISMATCH if same_currency else CaseKind.CURRENCY_MISMATCH,
        subject_kind="attempt",
        subject_id=attempt.pk,
        order=order,
        stake=theirs,
        ours=f"We asked for {attempt.amount}.",
        theirs=f"{attempt.provider} says {theirs}.",
        suggested_fix="Find out who made this payment; return it, or accept it for this order by a correction.",
        at=at,
    )


def _take(
    order: Order,
    attempt: PaymentAttempt,
    told: CaptureSnapshot,
    snapshot: PaymentSnapshot,
    *,
    cause: str,
    actor: str,
    at: datetime,
) -> None:
    applies = order.state == OrderState.PLACED
    capture = _write(order, attempt, told, snapshot, Disposition.APPLIED if applies else Disposition.UNAPPLIED, at=at)
    was = attempt.state
    late = was in (AttemptState.FAILED, AttemptState.CANCELLED)
    if was in LIVE_STATES:
        move_or_record(attempt, "paid", actor=actor, cause=cause, at=at)
    elif late:
        move_or_record(attempt, "late_capture", actor=actor, cause=cause, at=at)
        _late(order, attempt, capture, was=was, applied=applies, at=at)
    if applies:
        operations.mark_paid(order, at=at, cause=cause, actor=actor, payment=capture_facts(capture))
    else:
        again = was not in LIVE_STATES and not late
        _unapplied(order, attempt, capture, late=late, again=again, at=at)


def _late(order: Order, attempt: PaymentAttempt, capture: Capture, *, was: str, applied: bool, at: datetime) -> None:
    open_case(
        CaseKind.LATE_MONEY,
        subject_kind="attempt",
        subject_id=attempt.pk,
        order=order,
        stake=capture.amount,
        ours=f"The attempt had ended ({was}); the order is {order.state}.",
        theirs=f"{attempt.provider} took {capture.amount} all the same.",
        suggested_fix=(
            "Nothing to mend: the order was open and is paid by it. See why the provider took money on an ended page."
            if applied
            else "Reopen the order and apply the money, or refund it."
        ),
        at=at,
    )


def _unapplied(
    order: Order, attempt: PaymentAttempt, capture: Capture, *, late: bool, again: bool, at: datetime
) -> None:
    """Tell of money beyond what the order owes. `late`: its attempt had ended; `again`: it had its money already."""
    twice = again or order.state in (OrderState.PAID, OrderState.PARTIALLY_REFUNDED, OrderState.REFUNDED)
    if twice or not late:  # an ended attempt whose order has ended too has its case from _late()
        open_case(
            CaseKind.DOUBLE_PAYMENT if twice else CaseKind.LATE_MONEY,
            subject_kind="capture" if twice else "attempt",
            subject_id=capture.pk if twice else attempt.pk,
            order=order,
            stake=capture.amount,
            ours=f"The order is {order.state} and owes nothing.",
            theirs=f"{attempt.provider} took {capture.amount} more (capture {capture.capture_id}).",
            suggested_fix=(
                "Refund the duplicate; what was paid first stays as it is."
                if twice
                else "Reopen the order and apply the money, or refund it."
            ),
            at=at,
        )
    outbox.record(
        "capture.unapplied",
        subject_kind="order",
        subject_id=order.pk,
        payload={**facts.order_payload(order), **capture_facts(capture)},
        now=at,
    )


def _suspend(
    order: Order, attempt: PaymentAttempt, told: CaptureSnapshot, snapshot: PaymentSnapshot, *, at: datetime
) -> None:
    capture = _write(order, attempt, told, snapshot, Disposition.SUSPENSE, at=at)
    if capture.amount != attempt.amount:
        _mismatch(order, attempt, capture.amount, at=at)  # else the whole payment differs, and has its case


def _write(
    order: Order,
    attempt: PaymentAttempt,
    told: CaptureSnapshot,
    snapshot: PaymentSnapshot,
    disposition: Disposition,
    *,
    at: datetime,
) -> Capture:
    capture = Capture.objects.create(
        attempt=attempt,
        order=order,
        provider=attempt.provider,
        account=snapshot.account,
        capture_id=told.capture_id,
        intent_id=told.intent_id,
        amount_minor=told.amount_minor,
        currency=told.currency,
        disposition=disposition,
        captured_at=told.captured_at,
        created_at=at,
        fee_minor=told.fee_minor,
    )
    failpoint("capture.before_posting")
    ledger.post_capture(capture, at=at)
    ledger.post_fee(capture, at=at)
    return capture


def _compare(order: Order, attempt: PaymentAttempt, capture: Capture, told: CaptureSnapshot, *, at: datetime) -> None:
    """Learn the fee of a capture that we hold. What it took is never changed: told otherwise, a person hears of it."""
    amount = Money(told.amount_minor, told.currency)
    if amount != capture.amount:
        _mismatch(order, attempt, amount, at=at)
    if capture.fee_minor is None and told.fee_minor is not None:
        capture.fee_minor = told.fee_minor
        capture.save(update_fields=["fee_minor"])
        ledger.post_fee(capture, at=at)


def capture_facts(capture: Capture) -> dict[str, object]:
    """Return what receivers are told of a capture; provider, account and `capture` together name it."""
    return {
        "capture": capture.capture_id,
        "provider": capture.provider,
        "account": capture.account,
        "captured_at": capture.captured_at.isoformat(),
        "capture_amount_minor": capture.amount_minor,
        "capture_currency": capture.currency,
    }
