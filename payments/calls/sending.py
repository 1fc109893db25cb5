"""The only sender of mutating provider calls: claim with a lease → commit `sent` → send → store the answer.

A call whose answer was lost is sent again under its own key, for as long as the provider remembers keys; what moves
money is never sent again after that. The answer's effect on money is never believed: a look follows.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from integrations import breaker
from integrations.contract import ProviderError
from integrations.failpoints import failpoint
from orders.models import Order
from payments.calls import answers as call_answers
from payments.calls import money as money_calls
from payments.calls import open as open_calls
from payments.calls import requests as call_requests
from payments.calls.answers import RETRY_SECONDS
from payments.calls.open import UNFINISHED
from payments.clock import Clock
from payments.models import PaymentAttempt, ProviderCall
from payments.models.call import Kind, Operation
from payments.retrying import made_again
from payments.settlement import lock
from payments.states import CallState


def due(at: datetime) -> Q:
    """Return the filter for calls that a worker should take up."""
    waiting = Q(state__in=[CallState.PREPARED, CallState.UNKNOWN], next_try_at__lte=at)
    return waiting | Q(state=CallState.SENT, lease_until__lte=at)


def send(call_id: int, *, clock: Clock) -> ProviderCall:
    """Send a prepared call, or one of unknown outcome again, and store what came back.

    Returns the call as it stands afterwards: `answered` (look at `error_category`), `unknown` (a worker goes on, or
    looks tell), or as it was where somebody else has it in hand. Opens its own transactions; never inside one.
    """
    call = _claim(call_id, at=clock())
    if call is None:
        return ProviderCall.objects.select_related("attempt").get(pk=call_id)
    failpoint("call.before_send")
    try:
        answer = call_requests.ask(call)
    except ProviderError as error:
        return call_answers.store_error(call, error, at=clock())
    failpoint("call.after_send")
    return call_answers.store(call, answer, at=clock())


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
        if call.state in UNFINISHED:
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
        parties = _parties(call_id)
        call = (
            ProviderCall.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("attempt")
            .filter(pk=call_id, state__in=UNFINISHED)
            .first()
        )
        if call is None or (call.state == CallState.SENT and call.lease_until and call.lease_until > at):
            return None
        if parties is not None and not money_calls.may_go(*parties) and call.operation in money_calls.OPERATIONS:
            _withdraw(call, *parties, at=at)
            return None
        if open_calls.key_is_forgotten(call, at=at):
            _give_up(call, parties, at=at)
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


def _parties(call_id: int) -> tuple[Order, PaymentAttempt] | None:
    """Lock the order and attempt of a call that moves money, before the call itself; None for any other."""
    kind, attempt_id = ProviderCall.objects.values_list("kind", "attempt_id").get(pk=call_id)
    return lock(attempt_id) if kind == Kind.MOVES_MONEY else None


def _withdraw(call: ProviderCall, order: Order, attempt: PaymentAttempt, *, at: datetime) -> None:
    """Do not take money for an order that owes none, or by an attempt that has ended while the call waited."""
    if call.first_sent_at is not None:
        _give_up(call, (order, attempt), at=at)
        return
    call.state, call.next_try_at, call.lease_until = CallState.ABANDONED, None, None
    call.request = open_calls.without_secrets(call.request)
    call.save(update_fields=["state", "next_try_at", "lease_until", "request"])


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


def _give_up(call: ProviderCall, parties: tuple[Order, PaymentAttempt] | None, *, at: datetime) -> None:
    """Sending again could do it twice: the provider knows the key no more, or never knew keys. Leave it to looks."""
    if parties is not None:
        open_calls.rest(call)
        attempt = parties[1]
        attempt.next_look_at = min(attempt.next_look_at or at, at)
        attempt.save(update_fields=["next_look_at"])
        return
    call.state, call.next_try_at, call.lease_until = CallState.ABANDONED, None, None
    call.save(update_fields=["state", "next_try_at", "lease_until"])
