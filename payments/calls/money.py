"""Our calls that take money: a payment by token, and the capture of what was approved. What they ask, what became of
them.

payments/calls/sending.py sends them. An attempt has one of each at most (constraints), whatever is pressed twice or
dies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from integrations import providers
from integrations.contract import (
    CaptureRequest,
    Declined,
    NextStep,
    PaymentSnapshot,
    PaymentStatus,
    PayRequest,
    Provider,
    ProviderError,
    ProviderIds,
)
from orders.models import Order
from orders.states import OrderState
from payments.calls import open as open_calls
from payments.models import PaymentAttempt, ProviderCall
from payments.models.call import Operation
from payments.states import CallState

OPERATIONS = frozenset({Operation.PAY, Operation.CAPTURE})

FIX = "Mend what the provider names. No money was taken by it; the shopper can start again from the order's page."
NOT_FOUND = "not_found"
"""The error category of a call that was sent, never answered, and of which the provider knows nothing."""
_ATTEMPTS_LOOKS = "looks"


def pay_request(order: Order, attempt: PaymentAttempt, *, token: str, proof: str) -> dict[str, Any]:
    """Return what is asked for by a payment by token, as it is stored."""
    request = PayRequest(
        ids=attempt.ids,
        reference=attempt.reference,
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
        order_number=str(order.number),
        email=order.email,
        token=token,
        proof=proof,
    )
    return asdict(request)


def capture_request(attempt: PaymentAttempt) -> dict[str, Any]:
    """Return what is asked for by a capture, as it is stored."""
    request = CaptureRequest(
        ids=attempt.ids,
        reference=attempt.reference,
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
    )
    return asdict(request)


def ask(provider: Provider, call: ProviderCall) -> ProviderIds:
    """Send one of them, equal in every field to what was stored. Raises ProviderError."""
    stored: Mapping[str, Any] = {**call.request, "ids": ProviderIds(**call.request["ids"])}
    if call.operation == Operation.PAY:
        return provider.pay_with_token(PayRequest(**stored), idempotency_key=call.idempotency_key)
    return provider.capture(CaptureRequest(**stored), idempotency_key=call.idempotency_key)


def of(attempt: PaymentAttempt) -> QuerySet[ProviderCall]:
    """Return the attempt's calls that take money."""
    return ProviderCall.objects.filter(attempt=attempt, operation__in=OPERATIONS)


def standing(attempt: PaymentAttempt) -> QuerySet[ProviderCall]:
    """Return those that have taken money, may take it yet, or were refused: not the ones that were never sent."""
    return of(attempt).exclude(state=CallState.ABANDONED).order_by("pk")


def may_go(order: Order, attempt: PaymentAttempt) -> bool:
    """Say whether money may still be taken by this attempt. Needs the locks of both."""
    return order.state == OrderState.PLACED and attempt.is_live


def is_out(attempt: PaymentAttempt) -> bool:
    """Say whether one may still take money: the attempt cannot be called over until its outcome is known."""
    return of(attempt).filter(state__in=open_calls.UNFINISHED).exists()


def done_well(attempt: PaymentAttempt) -> bool:
    """Say whether one was answered as done: a look is to find its money."""
    return of(attempt).filter(state=CallState.ANSWERED, error_category="").exists()


def moved_by_us(attempt: PaymentAttempt) -> bool:
    """Say whether money moves only by a call of ours in this attempt, so that it is over when we say so."""
    return attempt.presentation in providers.get(attempt.provider).capabilities.moved_by_us


def refusal(error: ProviderError, attempt: PaymentAttempt) -> dict[str, Any]:
    """Return what is stored as the answer of a refused one: which looks began before it, and why the bank declined."""
    told: dict[str, Any] = {_ATTEMPTS_LOOKS: attempt.look_number}
    if isinstance(error, Declined):
        told |= {"decline": error.decline.reason, "code": error.decline.provider_code[:100]}
    return told


def undone(
    attempt: PaymentAttempt, snapshot: PaymentSnapshot | None, *, number: int, at: datetime
) -> ProviderCall | None:
    """Return the call by which no money moved, as look `number`, which found no capture, tells; None where it may yet.

    `snapshot`: what it said; None where the provider knows no such payment. Refused: before that look began, so that it
    would have seen money moved by other ways. Lost: open_calls.is_lost(). One that nobody sends again, and that the
    look shows as done, is no more unknown.
    """
    for call in standing(attempt).select_related("attempt"):
        shows_it = snapshot is not None and _is_shown(call, snapshot)
        heard_again = attempt.is_live and not open_calls.key_is_forgotten(call, at=at)  # it is sent under its key
        if call.state == CallState.UNKNOWN and shows_it and not heard_again:
            open_calls.answer_by_look(of(attempt).filter(pk=call.pk), at=at)
        elif _is_lost_or_refused(call, number=number, shows_it=shows_it, at=at):
            return call
    return None


def _is_shown(call: ProviderCall, snapshot: PaymentSnapshot) -> bool:
    """Say whether the provider holds a payment that this call may have made, decided or not."""
    if call.operation == Operation.PAY:
        return bool(snapshot.ids.intent_id)
    return snapshot.next_step is NextStep.NONE and snapshot.status is not PaymentStatus.REQUIRES_ACTION


def _is_lost_or_refused(call: ProviderCall, *, number: int, shows_it: bool, at: datetime) -> bool:
    if call.state == CallState.UNKNOWN:
        return open_calls.is_lost(call, at=at)
    refused = call.state == CallState.ANSWERED and bool(call.error_category)
    before = number > (call.answer or {}).get(_ATTEMPTS_LOOKS, 0)
    return refused and before and (call.error_category == Declined.category or not shows_it)


def next_look(attempt: PaymentAttempt, *, at: datetime) -> datetime | None:
    """Return when to look again for the sake of a call that rests; None where there is none."""
    moments = [open_calls.counts_at(call) for call in of(attempt).filter(state=CallState.UNKNOWN, next_try_at=None)]
    return min((moment for moment in moments if moment is not None and moment > at), default=None)
