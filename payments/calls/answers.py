"""What a provider's answer to a call of ours changes here: the call ends, its ids are taken over, a look follows.

Money is never believed to have moved by an answer: payments/settlement.py looks. Called by payments/calls/sending.py,
which sends.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from integrations.contract import (
    ConfigurationError,
    Declined,
    IdempotencyConflict,
    ProviderError,
    ProviderIds,
    RefundSnapshot,
    Started,
    UnknownObject,
    WrongMode,
)
from integrations.failpoints import failpoint
from orders.models import Order
from orders.transitions import move_or_record
from payments import inbox
from payments.calls import money as money_calls
from payments.calls import open as open_calls
from payments.calls.requests import Answer
from payments.cases.opening import open_case
from payments.disputes import calls as evidence_calls
from payments.masking import masked
from payments.models import PaymentAttempt, ProviderCall
from payments.models.call import Kind, Operation
from payments.models.case import CaseKind
from payments.refunds import calls as refund_calls
from payments.refunds import recording as refunds
from payments.retrying import made_again
from payments.settlement import lock
from payments.states import AttemptState, CallState, RefundState

log = structlog.get_logger(__name__)

RETRY_SECONDS = (2, 5, 15, 30, 60, 120, 300)

_FIX = "Mend the keys or the request; the shopper can start again from the order's page."
_FIXES = {
    Operation.REFUND: refund_calls.FIX,
    **dict.fromkeys(evidence_calls.OPERATIONS, evidence_calls.FIX),
    **dict.fromkeys(money_calls.OPERATIONS, money_calls.FIX),
}


def store(call: ProviderCall, answer: Answer, *, at: datetime) -> ProviderCall:
    """Write down what came back; return the call as it stands then. Its own transaction."""
    if isinstance(answer, Started):
        return _store_started(call, answer, at=at)
    if isinstance(answer, RefundSnapshot):
        return _store_refunded(call, answer, at=at)
    if isinstance(answer, ProviderIds):
        return _store_paid(call, answer, at=at)
    return _store_closed(call, at=at)


def _held(call: ProviderCall) -> ProviderCall | None:
    """Lock the call's row and return it if this claim still holds it; a stale answer touches nothing."""
    return (
        ProviderCall.objects.select_for_update(of=("self",))
        .select_related("attempt")
        .filter(pk=call.pk, fence=call.fence, state=CallState.SENT)
        .first()
    )


@made_again
def _store_started(call: ProviderCall, started: Started, *, at: datetime) -> ProviderCall:
    with transaction.atomic(durable=True):
        _, attempt = lock(call.attempt_id)
        held = _held(call)
        if held is None:
            return ProviderCall.objects.select_related("attempt").get(pk=call.pk)
        _answered(held, at=at, answer=masked(dict(started.raw)))
        _take_over(attempt, started, at=at)
        attempt.save()
        if attempt.state == AttemptState.CREATED:
            move_or_record(attempt, "opened", actor="calls", cause=f"call:{call.pk}", at=at)
        inbox.unpark(attempt, at=at)
        failpoint("call.before_store")
    failpoint("call.after_store")
    log.info("call_answered", call=call.pk, operation=call.operation, attempt=attempt.pk, tries=call.tries)
    held.attempt = attempt
    return held


def _take_over(attempt: PaymentAttempt, started: Started, *, at: datetime) -> None:
    """Note the page that was opened. Where a look has told of it since, what the look told is newer and stays."""
    if attempt.page_id:
        return
    attempt.account, attempt.mode = started.account, started.mode
    attempt.page_id, attempt.intent_id = started.ids.page_id, attempt.intent_id or started.ids.intent_id
    attempt.page_url, attempt.page_open = started.redirect_url, True
    attempt.page_expires_at = started.expires_at
    attempt.next_look_at = at + timedelta(seconds=20)


@made_again
def _store_closed(call: ProviderCall, *, at: datetime) -> ProviderCall:
    with transaction.atomic(durable=True):
        held = _held(call)
        if held is None:
            return ProviderCall.objects.select_related("attempt").get(pk=call.pk)
        _answered(held, at=at, answer=None)
    log.info("call_answered", call=call.pk, operation=call.operation, attempt=call.attempt_id, tries=call.tries)
    return held


@made_again
def _store_paid(call: ProviderCall, ids: ProviderIds, *, at: datetime) -> ProviderCall:
    """Take over the ids of what a call that takes money has made. Whether it moved, the look that follows says."""
    with transaction.atomic(durable=True):
        _, attempt = lock(call.attempt_id)
        held = _held(call)
        if held is None:
            return ProviderCall.objects.select_related("attempt").get(pk=call.pk)
        _answered(held, at=at, answer={"page_id": ids.page_id, "intent_id": ids.intent_id})
        attempt.intent_id = attempt.intent_id or _if_free(attempt, ids.intent_id)
        attempt.page_open, attempt.next_look_at = False, at
        attempt.save(update_fields=["intent_id", "page_open", "next_look_at"])
        inbox.unpark(attempt, at=at)
        failpoint("call.before_store")
    failpoint("call.after_store")
    log.info("call_answered", call=call.pk, operation=call.operation, attempt=attempt.pk, tries=call.tries)
    held.attempt = attempt
    return held


def _if_free(attempt: PaymentAttempt, intent_id: str) -> str:
    """Return the id, or nothing where another attempt has it: what a look will say decides."""
    known = PaymentAttempt.objects.filter(provider=attempt.provider, account=attempt.account, intent_id=intent_id)
    return "" if known.exists() else intent_id


@made_again
def _store_refunded(call: ProviderCall, told: RefundSnapshot, *, at: datetime) -> ProviderCall:
    """Note the refund's id at the provider. Whether money has moved, the look that follows says."""
    with transaction.atomic(durable=True):
        order, attempt = lock(call.attempt_id)
        refund = refunds.lock(_refund_of(call))
        held = _held(call)
        if held is None:
            return ProviderCall.objects.select_related("attempt").get(pk=call.pk)
        _answered(held, at=at, answer={"id": told.refund_id, "status": told.status})
        refunds.accept(_settling(held, order, attempt, at=at), refund, told)
        attempt.next_look_at = at
        attempt.save(update_fields=["next_look_at"])
        failpoint("call.before_store")
    failpoint("call.after_store")
    log.info("call_answered", call=call.pk, operation=call.operation, attempt=call.attempt_id, tries=call.tries)
    return held


def _refund_of(call: ProviderCall) -> int:
    if call.refund_id is None:
        raise ValueError(f"call {call.pk} names no refund")
    return call.refund_id


def _settling(call: ProviderCall, order: Order, attempt: PaymentAttempt, *, at: datetime) -> refunds.Settling:
    return refunds.Settling(order=order, attempt=attempt, cause=f"call:{call.pk}", actor="calls", at=at)


def _is_refused(call: ProviderCall, error: ProviderError) -> bool:
    """Say whether the provider has decided that nothing happens by this call.

    Where money is to move, two refusals are no such answer: a key that it knows for another request, which may have
    moved the money; and that it knows no such object, where it was asked before and not heard. Our key may be another
    account's by now.
    """
    if call.kind == Kind.MOVES_MONEY:
        if isinstance(error, IdempotencyConflict):
            return False
        if call.tries > 1 and isinstance(error, UnknownObject | WrongMode):
            return False
    return error.permanent


def _answered(call: ProviderCall, *, at: datetime, answer: Any, error: ProviderError | None = None) -> None:
    call.state, call.answered_at, call.answer = CallState.ANSWERED, at, answer
    call.lease_until, call.next_try_at = None, None
    call.request = open_calls.without_secrets(call.request)
    call.error_category = error.category if error else ""
    call.error = error.message[:300] if error else ""
    call.save()


@made_again
def store_error(call: ProviderCall, error: ProviderError, *, at: datetime) -> ProviderCall:
    """A refusal is an answer; everything else leaves the outcome unknown, to be asked again under the same key, or
    looked up where the provider knows no keys. Its own transaction."""
    with transaction.atomic(durable=True):
        order, attempt = lock(call.attempt_id)
        held = _held(call)
        if held is None:
            return ProviderCall.objects.select_related("attempt").get(pk=call.pk)
        refused = _is_refused(held, error)
        if refused:
            takes_money = held.operation in money_calls.OPERATIONS
            _answered(held, at=at, answer=money_calls.refusal(error, attempt) if takes_money else None, error=error)
            _end_what_was_asked(held, order, attempt, error, at=at)
        else:
            _leave_unknown(held, attempt, error, at=at)
        if isinstance(error, ConfigurationError) or (refused and not _is_usual(held, error)):
            _tell_of_refusal(held, order, attempt, error, at=at)
    log.warning("call_failed", call=call.pk, operation=call.operation, category=error.category, tries=call.tries)
    held.attempt = attempt
    return held


def _leave_unknown(call: ProviderCall, attempt: PaymentAttempt, error: ProviderError, *, at: datetime) -> None:
    """Have it sent again, or put it to rest where that could do it twice."""
    call.error_category, call.error = error.category, error.message[:300]
    if open_calls.is_sent_once(call):
        if error.outcome_unknown:
            call.save(update_fields=["error_category", "error"])
            open_calls.rest(call)
            attempt.next_look_at = at
            attempt.save(update_fields=["next_look_at"])
            return
        call.first_sent_at = None  # nothing was done: the next request is the first that counts
    call.state, call.lease_until = CallState.UNKNOWN, None
    wait = max(RETRY_SECONDS[min(call.tries, len(RETRY_SECONDS)) - 1], min(error.retry_after_seconds or 0, 300))
    call.next_try_at = at + timedelta(seconds=wait)
    call.save()


def _is_usual(call: ProviderCall, error: ProviderError) -> bool:
    """Say whether nobody need hear of this refusal: a refund has its own case, and a card is declined every day."""
    return call.operation == Operation.REFUND or (
        call.operation in money_calls.OPERATIONS and isinstance(error, Declined)
    )


def _tell_of_refusal(
    call: ProviderCall, order: Order, attempt: PaymentAttempt, error: ProviderError, *, at: datetime
) -> None:
    open_case(
        CaseKind.PROVIDER_CONFIGURATION if isinstance(error, ConfigurationError) else CaseKind.CALL_REFUSED,
        subject_kind="attempt",
        subject_id=attempt.pk,
        order=order,
        stake=attempt.amount,
        ours=f"We asked {attempt.provider} to {call.get_operation_display().lower()}.",
        theirs=f"{error.category}: {error.message}"[:500],
        suggested_fix=_FIXES.get(Operation(call.operation), _FIX),
        at=at,
    )


def _end_what_was_asked(
    call: ProviderCall, order: Order, attempt: PaymentAttempt, error: ProviderError, *, at: datetime
) -> None:
    """End the attempt or refund that the provider will not have. A refund tells of it by its own case; a payment that
    was refused ends by the look that follows (payments/calls/our_step.py)."""
    if call.operation == Operation.START and attempt.state == AttemptState.CREATED:
        move_or_record(attempt, "failed", actor="calls", cause=f"call:{call.pk}", at=at)
        attempt.next_look_at = None
        attempt.save(update_fields=["next_look_at"])
    elif call.operation in money_calls.OPERATIONS:
        attempt.next_look_at = at
        attempt.save(update_fields=["next_look_at"])
    elif call.operation == Operation.REFUND:
        refund = refunds.lock(_refund_of(call))
        if refund.state == RefundState.REQUESTED:
            refunds.fail(_settling(call, order, attempt, at=at), refund, why=f"{error.category}: {error.message}")
