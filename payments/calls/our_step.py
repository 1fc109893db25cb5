"""What is ours to do in a payment, as settle() finds it: prepare the capture once, or end what our call did not pay.

Called inside settle()'s transaction, with order and attempt locked. Prepares and moves; never sends.
"""

from __future__ import annotations

from datetime import datetime

from integrations import outbox, wakeups
from integrations.contract import NextStep, PaymentSnapshot, PaymentStatus
from orders import facts
from orders.models import Order
from orders.states import OrderState
from orders.transitions import move_or_record
from payments.calls import money as money_calls
from payments.calls import open as open_calls
from payments.calls import preparing
from payments.models import PaymentAttempt, ProviderCall
from payments.models.call import Operation
from payments.shop.decline_texts import decline_text
from payments.states import CallState


def follow(
    order: Order, attempt: PaymentAttempt, snapshot: PaymentSnapshot, *, number: int, actor: str, at: datetime
) -> None:
    """Go on after look `number`, whose payment is the one we asked for and has no capture.

    One call at most captures, and only while the order is placed and this is its live attempt; else the shopper keeps
    the money, and what the bank holds for us is given back.
    """
    undone = money_calls.undone(attempt, snapshot, number=number, at=at)
    holds = snapshot.status is PaymentStatus.AUTHORIZED
    if undone is not None:
        _end(order, attempt, undone, actor=actor, at=at)
        _give_back(attempt, holds=holds, at=at)
    elif snapshot.next_step is NextStep.CAPTURE and attempt.is_live:
        captured = money_calls.standing(attempt).filter(operation=Operation.CAPTURE).exists()
        if captured or money_calls.is_out(attempt):  # a payment by token that is out may move the money yet
            return
        if order.state == OrderState.PLACED:
            request = money_calls.capture_request(attempt)
            preparing.prepare(attempt, Operation.CAPTURE, request, at=at, for_workers=True)
            wakeups.nudge("look")
        else:
            move_or_record(attempt, "cancelled", actor=actor, cause=f"look:{number}", at=at)
            _give_back(attempt, holds=holds, at=at)


def may_find_nothing(attempt: PaymentAttempt, *, at: datetime) -> bool:
    """Say whether "no such payment" is an answer here: money moves by a call of ours only, and none is known to have.

    After a call that was answered well, it is one for as long as the provider's look-ups lag.
    """
    if not money_calls.moved_by_us(attempt) or attempt.captures.exists():
        return False
    done = money_calls.of(attempt).filter(state=CallState.ANSWERED, error_category="").first()
    return done is None or done.answered_at is None or at < done.answered_at + open_calls.lag(done)


def found_nothing(order: Order, attempt: PaymentAttempt, *, number: int, actor: str, at: datetime) -> None:
    """Go on after look `number`, to which the provider knows no such payment (yet)."""
    undone = money_calls.undone(attempt, None, number=number, at=at)
    if undone is not None:
        _end(order, attempt, undone, actor=actor, at=at)


def tell_shopper_it_failed(order: Order, attempt: PaymentAttempt, *, at: datetime) -> None:
    """A bank debit may fail days later, when nobody watches the page: the shopper hears of it, with a link.

    Not of a card that was declined while they stood at our form: they read it there, and try another.
    """
    if attempt.calls.filter(operation=Operation.PAY, state=CallState.ANSWERED, error_category="declined").exists():
        return
    outbox.record(
        "attempt.failed",
        subject_kind="order",
        subject_id=order.pk,
        payload={
            **facts.order_payload(order),
            "attempt": attempt.reference,
            "provider": attempt.provider,
            "reason": attempt.decline_reason,
            "reason_display": decline_text(attempt.decline_reason),
        },
        now=at,
    )


def _end(order: Order, attempt: PaymentAttempt, call: ProviderCall, *, actor: str, at: datetime) -> None:
    """No money moved by `call`, and none can: it ends, and the attempt fails by it."""
    open_calls.answer_by_look(
        money_calls.of(attempt).filter(pk=call.pk),
        at=at,
        error_category=money_calls.NOT_FOUND,
        error=f"Never answered, and {attempt.provider} knows of no money that moved by it.",
    )
    told = call.answer or {}
    attempt.decline_reason = attempt.decline_reason or told.get("decline", "")
    attempt.decline_code = attempt.decline_code or told.get("code", "")
    if not attempt.is_live:
        return
    attempt.page_open = False
    move_or_record(attempt, "failed", actor=actor, cause=f"call:{call.pk}", at=at)
    if order.state == OrderState.PLACED:
        tell_shopper_it_failed(order, attempt, at=at)


def _give_back(attempt: PaymentAttempt, *, holds: bool, at: datetime) -> None:
    """Release what the bank holds for an attempt that will not capture it."""
    if attempt.is_live or not holds or attempt.calls.filter(operation=Operation.RELEASE).exists():
        return
    request = {"page_id": attempt.page_id, "intent_id": attempt.intent_id}
    preparing.prepare(attempt, Operation.RELEASE, request, at=at, for_workers=True)
    wakeups.nudge("look")
