"""Closing what may no longer take money: look, close at the provider, look again, then move. Never while it says
processing."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef

from orders import operations
from orders.models import Order
from orders.states import OrderState
from orders.transitions import ForbiddenTransition, move, operation
from payments.calls import money as money_calls
from payments.calls import preparing
from payments.calls import sending as calls
from payments.clock import Clock
from payments.models import PaymentAttempt, ProviderCall
from payments.models.call import Operation
from payments.retrying import made_again
from payments.settlement import LookResult, Outcome, lock, look
from payments.states import LIVE_STATES, AttemptState, CallState


def retire(attempt_id: int, *, clock: Clock, actor: str) -> LookResult:
    """End an attempt that is no longer wanted, if the provider lets it: look, close its page, look again.

    The result's attempt tells how it stands: ended, paid after all, or still live (the bank is processing it, or the
    provider cannot be asked now; a worker goes on). Opens its own transactions; never inside one.
    """
    result = look(attempt_id, clock=clock, actor=actor)
    if result.outcome is Outcome.NOTHING_TO_ASK:
        return _give_up_unopened(attempt_id, at=clock(), actor=actor)
    if result.outcome is Outcome.UNREACHABLE:
        return _end_ours(result, actor=actor, at=clock())
    told = result.outcome in (Outcome.SETTLED, Outcome.NOTHING_THERE)
    if not told or not result.attempt.page_open:
        return result
    call = _prepare_close(attempt_id, at=clock())
    if call is None:
        return result
    calls.send(call.pk, clock=clock)
    return _end_ours(look(attempt_id, clock=clock, actor=actor), actor=actor, at=clock())


def is_over(order: Order, *, at: datetime) -> bool:
    """Say whether nobody should pay this order any more."""
    return order.state != OrderState.PLACED or at >= order.expires_at


@made_again
def expire_order(order_id: int, *, clock: Clock, actor: str) -> bool:
    """Expire an order whose time has run out and whose attempts have all ended; say whether it did. Its own
    transaction."""
    at = clock()
    try:
        with operation():
            order = Order.objects.select_for_update(no_key=True).get(pk=order_id)
            live = PaymentAttempt.objects.filter(order=order, state__in=LIVE_STATES).exists()
            if order.state != OrderState.PLACED or at < order.expires_at or live:
                return False
            operations.expire(order, at=at, cause="expiry", actor=actor)
    except ForbiddenTransition:
        return False
    return True


def orders_to_expire(*, at: datetime, most: int) -> list[int]:
    """Return up to `most` placed orders whose time has run out and that no live attempt holds up."""
    live = PaymentAttempt.objects.filter(order=OuterRef("pk"), state__in=LIVE_STATES)
    overdue = Order.objects.filter(state=OrderState.PLACED, expires_at__lte=at)
    return list(overdue.exclude(Exists(live)).order_by("expires_at").values_list("pk", flat=True)[:most])


@made_again
def _prepare_close(attempt_id: int, *, at: datetime) -> ProviderCall | None:
    """Write the closing call down, unless the page is closed already; take up one that is under way."""
    with transaction.atomic(durable=True):
        _, attempt = lock(attempt_id)
        if not attempt.page_open:
            return None
        unfinished = attempt.calls.filter(
            operation=Operation.CLOSE, state__in=[CallState.PREPARED, CallState.SENT, CallState.UNKNOWN]
        ).first()
        if unfinished is not None:
            return unfinished
        attempt.close_requested_at = attempt.close_requested_at or at
        attempt.save(update_fields=["close_requested_at"])
        request = {"page_id": attempt.page_id, "intent_id": attempt.intent_id}
        return preparing.prepare(attempt, Operation.CLOSE, request, at=at)


def _end_ours(result: LookResult, *, actor: str, at: datetime) -> LookResult:
    """Call a payment over that the provider leaves open, where money moves only by a call of ours, and none is out.

    Even one of which it does not answer now: that is how a shopper leaves a provider that is away for another.
    """
    overtaken = result.outcome in (Outcome.OVERTAKEN, Outcome.NOTHING_TO_ASK)
    if overtaken or not result.attempt.is_live or not money_calls.moved_by_us(result.attempt):
        return result
    return LookResult(Outcome.SETTLED, _cancel_ours(result.attempt.pk, actor=actor, at=at), snapshot=result.snapshot)


@made_again
def _cancel_ours(attempt_id: int, *, actor: str, at: datetime) -> PaymentAttempt:
    with operation():
        _, attempt = lock(attempt_id)
        if attempt.is_live and not money_calls.is_out(attempt) and not money_calls.done_well(attempt):
            attempt.page_open, attempt.page_url = False, ""
            attempt.save(update_fields=["page_open", "page_url"])
            move(attempt, "cancelled", actor=actor, cause="closed_by_us", at=at)
    return attempt


@made_again
def _give_up_unopened(attempt_id: int, *, at: datetime, actor: str) -> LookResult:
    """Cancel an attempt whose page never reached anybody. One that has ended without a page leaves the schedule."""
    with operation():
        _, attempt = lock(attempt_id)
        if attempt.state == AttemptState.CREATED and calls.abandon_start(attempt, at=at):
            move(attempt, "cancelled", actor=actor, cause="never_opened", at=at)
        if not attempt.is_live:
            attempt.next_look_at = None
            attempt.save(update_fields=["next_look_at"])
    return LookResult(Outcome.SETTLED, attempt)
