"""The only sender of mutating provider calls: claim with a lease → commit `sent` → send → store the answer.

A call whose answer was lost is sent again under its own key, for as long as the provider remembers keys. The
answer's effect
on money is never believed: a look follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q

from integrations import breaker, providers
from integrations.contract import (
    ConfigurationError,
    IdempotencyConflict,
    PageLine,
    ProviderError,
    ProviderIds,
    RefundSnapshot,
    Started,
    StartRequest,
    UnknownObject,
    WrongMode,
)
from integrations.failpoints import failpoint
from orders.models import Order
from orders.transitions import move_or_record
from payments import evidence_calls, inbox, refund_calls, refunds
from payments.cases import open_case
from payments.clock import Clock
from payments.masking import masked
from payments.models import PaymentAttempt, ProviderCall, Refund
from payments.models.call import KIND_OF, Kind, Operation
from payments.models.case import CaseKind
from payments.retrying import made_again
from payments.settlement import lock
from payments.states import AttemptState, CallState, RefundState

log = structlog.get_logger(__name__)

RETRY_SECONDS = (2, 5, 15, 30, 60, 120, 300)
LEAVE_TO_ITS_MAKER_SECONDS = 5
"""A fresh call is sent by whoever prepared it; only after this long does a worker take it up."""

_FIX = "Mend the keys or the request; the shopper can start again from the order's page."
_FIXES = {Operation.REFUND: refund_calls.FIX, **dict.fromkeys(evidence_calls.OPERATIONS, evidence_calls.FIX)}
_UNFINISHED = (CallState.PREPARED, CallState.SENT, CallState.UNKNOWN)


def prepare(
    attempt: PaymentAttempt,
    operation: Operation,
    request: Mapping[str, Any],
    *,
    at: datetime,
    refund: Refund | None = None,
) -> ProviderCall:
    """Write a call down, with its idempotency key, before anything is sent. Needs a transaction.

    `request`: plain JSON, exactly what will be asked again under the same key. `refund`: the one it asks for.
    """
    return ProviderCall.objects.create(
        attempt=attempt,
        refund=refund,
        operation=operation,
        kind=KIND_OF[operation],
        request=dict(request),
        created_at=at,
        next_try_at=at + timedelta(seconds=LEAVE_TO_ITS_MAKER_SECONDS),
    )


def due(at: datetime) -> Q:
    """Return the filter for calls that a worker should take up."""
    waiting = Q(state__in=[CallState.PREPARED, CallState.UNKNOWN], next_try_at__lte=at)
    return waiting | Q(state=CallState.SENT, lease_until__lte=at)


def send(call_id: int, *, clock: Clock) -> ProviderCall:
    """Send a prepared call, or one of unknown outcome again, and store what came back.

    Returns the call as it stands afterwards: `answered` (look at `error_category`), `unknown` (a worker goes on), or
    as it
    was where somebody else has it in hand. Opens its own transactions; never inside one.
    """
    call = _claim(call_id, at=clock())
    if call is None:
        return ProviderCall.objects.select_related("attempt").get(pk=call_id)
    failpoint("call.before_send")
    try:
        answer = _ask(call)
    except ProviderError as error:
        return _store_error(call, error, at=clock())
    failpoint("call.after_send")
    if isinstance(answer, Started):
        return _store_started(call, answer, at=clock())
    if isinstance(answer, RefundSnapshot):
        return _store_refunded(call, answer, at=clock())
    return _store_closed(call, at=clock())


def abandon_start(attempt: PaymentAttempt, *, at: datetime) -> bool:
    """Give up the page of `attempt` if no shopper can have its URL; say whether that was possible. Needs its lock.

    Should money arrive there all the same, it is found by our reference and is late money.
    """
    if attempt.url_given_at is not None:
        return False
    calls = ProviderCall.objects.select_for_update().filter(attempt=attempt, kind=Kind.OPENS_PAGE)
    for call in calls:
        if call.state == CallState.SENT and call.lease_until is not None and call.lease_until > at:
            return False
        if call.state in _UNFINISHED:
            call.state, call.next_try_at, call.lease_until = CallState.ABANDONED, None, None
            call.save(update_fields=["state", "next_try_at", "lease_until"])
    return True


def put_off(call_id: int, *, at: datetime) -> None:
    """Let a call wait over which a worker broke down before it had it in hand."""
    ProviderCall.objects.filter(pk=call_id, state__in=[CallState.PREPARED, CallState.UNKNOWN]).update(
        next_try_at=at + timedelta(seconds=RETRY_SECONDS[-1])
    )


@made_again
def _claim(call_id: int, *, at: datetime) -> ProviderCall | None:
    """Take the call in hand and commit that it is being sent; None where that is not to be."""
    with transaction.atomic(durable=True):
        call = (
            ProviderCall.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("attempt")
            .filter(pk=call_id, state__in=_UNFINISHED)
            .first()
        )
        if call is None or (call.state == CallState.SENT and call.lease_until and call.lease_until > at):
            return None
        if _key_is_forgotten(call, at=at):
            _give_up(call, at=at)
            return None
        if _waits_for_provider(call, at=at):
            return None
        call.state = CallState.SENT
        call.tries += 1
        call.fence += 1
        call.first_sent_at, call.last_sent_at = call.first_sent_at or at, at
        call.lease_until = at + timedelta(seconds=settings.LEASE_SECONDS)
        call.next_try_at = None
        call.save(
            update_fields=["state", "tries", "fence", "first_sent_at", "last_sent_at", "lease_until", "next_try_at"]
        )
    return call


def _key_is_forgotten(call: ProviderCall, *, at: datetime) -> bool:
    """Say whether the provider may have forgotten the key by the time a request would reach it: a 24th of its lifetime
    earlier, since clocks differ and are set back."""
    lifetime = providers.get(call.attempt.provider).capabilities.key_lifetime_seconds
    return call.first_sent_at is not None and at >= call.first_sent_at + timedelta(seconds=lifetime - lifetime // 24)


def _waits_for_provider(call: ProviderCall, *, at: datetime) -> bool:
    """Put the call off while its provider is left alone (integrations/breaker.py): that is no try, and no sending."""
    begins = call.operation == Operation.START
    seconds = breaker.wait_seconds(call.attempt.provider, begins=begins, now=at)
    if seconds is None:
        return False
    later = at + timedelta(seconds=min(seconds, RETRY_SECONDS[-1]))
    if call.state == CallState.SENT:  # whoever sent it never came back
        call.lease_until = later
    else:
        call.next_try_at = later
    call.save(update_fields=["lease_until", "next_try_at"])
    return True


def _give_up(call: ProviderCall, *, at: datetime) -> None:
    """The provider no longer knows the key: sending again could do it twice. Leave it to looks, and to a person."""
    if call.kind == Kind.MOVES_MONEY:
        call.state, call.next_try_at = CallState.UNKNOWN, at + timedelta(seconds=RETRY_SECONDS[-1])
    else:
        call.state, call.next_try_at = CallState.ABANDONED, None
    call.lease_until = None
    call.save(update_fields=["state", "next_try_at", "lease_until"])


def _ask(call: ProviderCall) -> Started | RefundSnapshot | None:
    provider = providers.get(call.attempt.provider)
    if call.operation == Operation.START:
        return provider.start(start_request_from(call.request), idempotency_key=call.idempotency_key)
    if call.operation == Operation.CLOSE:
        provider.close(ProviderIds(**call.request), idempotency_key=call.idempotency_key)
        return None
    if call.operation == Operation.RELEASE:
        provider.release(ProviderIds(**call.request), idempotency_key=call.idempotency_key)
        return None
    if call.operation == Operation.REFUND:
        return provider.refund(refund_calls.request_from(call.request), idempotency_key=call.idempotency_key)
    if call.operation in evidence_calls.OPERATIONS:
        evidence_calls.ask(provider, call)
        return None
    raise ValueError(f"no sender for {call.operation}")


def start_request_as_json(request: StartRequest) -> dict[str, Any]:
    """Return a StartRequest as it is stored; `start_request_from` reads it back."""
    return {**asdict(request), "expires_at": request.expires_at.isoformat()}


def start_request_from(stored: Mapping[str, Any]) -> StartRequest:
    """Return the StartRequest that was stored, equal in every field, so that the key is met by the same body."""
    return StartRequest(
        **{
            **stored,
            "lines": tuple(PageLine(**line) for line in stored["lines"]),
            "expires_at": datetime.fromisoformat(stored["expires_at"]),
        }
    )


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
    call.error_category = error.category if error else ""
    call.error = error.message[:300] if error else ""
    call.save()


@made_again
def _store_error(call: ProviderCall, error: ProviderError, *, at: datetime) -> ProviderCall:
    """A refusal is an answer; everything else leaves the outcome unknown, to be asked again under the same key."""
    with transaction.atomic(durable=True):
        order, attempt = lock(call.attempt_id)
        held = _held(call)
        if held is None:
            return ProviderCall.objects.select_related("attempt").get(pk=call.pk)
        refused = _is_refused(held, error)
        if refused:
            _answered(held, at=at, answer=None, error=error)
            _end_what_was_asked(held, order, attempt, error, at=at)
        else:
            held.state, held.lease_until = CallState.UNKNOWN, None
            held.error_category, held.error = error.category, error.message[:300]
            wait = max(RETRY_SECONDS[min(held.tries, len(RETRY_SECONDS)) - 1], min(error.retry_after_seconds or 0, 300))
            held.next_try_at = at + timedelta(seconds=wait)
            held.save()
        if isinstance(error, ConfigurationError) or (refused and held.operation != Operation.REFUND):
            open_case(
                CaseKind.PROVIDER_CONFIGURATION if isinstance(error, ConfigurationError) else CaseKind.CALL_REFUSED,
                subject_kind="attempt",
                subject_id=attempt.pk,
                order=order,
                stake=attempt.amount,
                ours=f"We asked {attempt.provider} to {held.get_operation_display().lower()}.",
                theirs=f"{error.category}: {error.message}"[:500],
                suggested_fix=_FIXES.get(Operation(held.operation), _FIX),
                at=at,
            )
    log.warning("call_failed", call=call.pk, operation=call.operation, category=error.category, tries=call.tries)
    held.attempt = attempt
    return held


def _end_what_was_asked(
    call: ProviderCall, order: Order, attempt: PaymentAttempt, error: ProviderError, *, at: datetime
) -> None:
    """End the attempt or refund that the provider will not have. A refund tells of it by its own case."""
    if call.operation == Operation.START and attempt.state == AttemptState.CREATED:
        move_or_record(attempt, "failed", actor="calls", cause=f"call:{call.pk}", at=at)
        attempt.next_look_at = None
        attempt.save(update_fields=["next_look_at"])
    elif call.operation == Operation.REFUND:
        refund = refunds.lock(_refund_of(call))
        if refund.state == RefundState.REQUESTED:
            refunds.fail(_settling(call, order, attempt, at=at), refund, why=f"{error.category}: {error.message}")
