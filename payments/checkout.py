"""Opening an attempt: commit it with its call, let calls.py send, hand out the page's URL. One live one an order."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from integrations import providers
from integrations.contract import PageLine, Presentation, StartRequest
from integrations.failpoints import failpoint
from integrations.http import total_deadline
from orders.facts import pay_url
from orders.models import Order
from orders.states import OrderState
from payments import expiry, ways_to_pay
from payments.calls import money as money_calls
from payments.calls import preparing
from payments.calls import requests as call_requests
from payments.calls import sending as calls
from payments.clock import Clock
from payments.keyed_hashes import client_key
from payments.models import PaymentAttempt, ProviderCall
from payments.models.call import Operation
from payments.retrying import made_again
from payments.settlement import Outcome, lock, look
from payments.states import LIVE_STATES, AttemptState, CallState

ANOTHER_TABS_ANSWER_SECONDS = 5
FRESH_SECONDS = 5
PAID_LOOKS_FOR_SECONDS = 5
"""So long the look after a payment by token may take, while the shopper waits; what is not known by then, a worker
finds out."""
STUCK_AFTER_TRIES = 3
"""So often without an answer that can be believed: the failure may be what the provider keeps under the key (Stripe
replays a 500 for 24 hours), and only another key gets past it."""
_MARGIN_SECONDS = 60

Bind = Callable[[PaymentAttempt], None]
"""Told of the attempt inside the transaction that makes or finds it: what it writes commits with it or not at all."""


class CannotPay(Exception):
    """No attempt was opened. `code` is for programs, the message for the person who wanted to pay."""

    def __init__(self, code: str, message: str, *, http_status: int = 409) -> None:
        super().__init__(message)
        self.code, self.message, self.http_status = code, message, http_status


@dataclass(frozen=True, slots=True)
class Opening:
    """Where a shopper goes on. `redirect_url` is empty while the provider has not answered: ask again."""

    attempt: PaymentAttempt
    redirect_url: str


def open_attempt(
    *,
    order_id: int,
    provider: str,
    clock: Clock,
    actor: str,
    anew: bool = False,
    bind: Bind | None = None,
    client: str = "",
) -> Opening:
    """Open the provider's page for an order, or go on with the one that stands open.

    `provider`: one of the offered ones. `anew`: the shopper wants another page, even of the same provider. Two tabs
    and double clicks get the same page. An earlier attempt is first asked about, and closed where another provider or
    page is wanted. What `bind` raises undoes the attempt and is passed on. `client`: the shopper's network address,
    where it is theirs; only a keyed hash is kept. Raises CannotPay; opens its own transactions, never inside one.
    """
    may_begin = _may_begin(order_id, provider, at=clock())
    earlier = live_attempt(order_id)
    begins = earlier is None or anew or earlier.provider != provider
    if begins and not may_begin:  # before an earlier one is closed for it
        raise _refused()
    _settle_earlier(order_id, provider=provider, anew=anew, clock=clock, actor=actor)
    if not may_begin and live_attempt(order_id) is None:
        raise _refused()
    attempt, call = _write_down(order_id, provider=provider, at=clock(), client=client, bind=bind)
    failpoint("attempt.committed")
    attempt = _have_page_opened(attempt, call, clock=clock)
    opening = _hand_out(attempt.pk, at=clock())
    if not opening.redirect_url:
        _refuse_unless_placed(Order.objects.get(pk=order_id))
    if opening.attempt.state == AttemptState.PAID:
        raise CannotPay("order_paid", "This order is already paid.")
    if not opening.attempt.is_live:
        raise CannotPay("attempt_ended", "This payment has just ended. Please start again.")
    return opening


def _may_begin(order_id: int, provider: str, *, at: datetime) -> bool:
    """Say whether a payment may begin there now. Raises CannotPay where it is no way to pay this order at all."""
    order = Order.objects.get(pk=order_id)
    for way in ways_to_pay.ways_to_pay(order.currency, at=at):
        if way.provider == provider:
            return way.available
    raise CannotPay("unknown_provider", "Please choose one of the offered ways to pay.", http_status=400)


def resume(*, attempt_id: int, clock: Clock) -> Opening:
    """Go on with this very attempt where an earlier request stopped, and never open another.

    It may have ended or been paid since: read `attempt.state`. Raises CannotPay where the provider refused it; opens
    its own transactions, never inside one.
    """
    attempt = PaymentAttempt.objects.get(pk=attempt_id)
    _have_page_opened(attempt, attempt.calls.get(operation=Operation.START), clock=clock)
    return _hand_out(attempt_id, at=clock())


def form_url(order: Order, provider: str) -> str:
    """Return the address of our own page on which an embedded payment is made."""
    return f"{pay_url(order)}{provider}/"


def pay_with_token(
    *, order_id: int, reference: str, token: str, proof: str = "", clock: Clock, actor: str
) -> PaymentAttempt:
    """Pay the order's live attempt with a token from the provider's frame; return the attempt as a look then found it.

    `reference`: of the attempt whose form gave the token; `proof`: the frame's of 3-D Secure. One payment an attempt:
    a double click and a second tab wait for the first one's, and their tokens are never sent. A decline ends the
    attempt: read its state. Raises CannotPay; opens its own transactions, never inside one.
    """
    if not token:
        raise CannotPay("token_missing", "The card form gave nothing to pay with. Please try again.", http_status=400)
    call = _write_payment_down(order_id, reference=reference, token=token, proof=proof, at=clock())
    failpoint("payment.committed")
    _await_other_tab(calls.send(call.pk, clock=clock))
    with total_deadline(PAID_LOOKS_FOR_SECONDS):
        return look(call.attempt_id, clock=clock, actor=actor).attempt


@made_again
def _write_payment_down(order_id: int, *, reference: str, token: str, proof: str, at: datetime) -> ProviderCall:
    """Commit the prepared call, or return the one that stands: a capture takes the money as well."""
    with transaction.atomic(durable=True):
        order = Order.objects.select_for_update(no_key=True).get(pk=order_id)
        attempt = PaymentAttempt.objects.select_for_update(no_key=True).filter(order=order, reference=reference).first()
        if attempt is None:
            raise CannotPay("unknown_attempt", "This is no payment of this order.", http_status=400)
        earlier = attempt.calls.filter(operation=Operation.PAY).first() or money_calls.standing(attempt).first()
        if earlier is not None:
            return earlier
        _refuse_unless_placed(order)
        if at >= order.expires_at:
            raise CannotPay("order_expired", "The time to pay this order has run out. Please order again.")
        if not (attempt.is_live and attempt.is_embedded and attempt.url_given_at):
            raise CannotPay("attempt_ended", "This payment has just ended. Please start again.")
        attempt.page_open = False
        attempt.save(update_fields=["page_open"])
        request = money_calls.pay_request(order, attempt, token=token, proof=proof)
        return preparing.prepare(attempt, Operation.PAY, request, at=at)


def live_attempt(order_id: int) -> PaymentAttempt | None:
    """Return the order's attempt that may still take money, if there is one."""
    return PaymentAttempt.objects.filter(order_id=order_id, state__in=LIVE_STATES).first()


def _settle_earlier(order_id: int, *, provider: str, anew: bool, clock: Clock, actor: str) -> None:
    """Ask about the live attempt before anything new begins; end it where the shopper chose another provider."""
    earlier = live_attempt(order_id)
    if earlier is None:
        return
    if _is_stuck(earlier):  # its page, if there is one, reached nobody
        expiry.retire(earlier.pk, clock=clock, actor=actor)
        return
    if anew or earlier.provider != provider:
        result = expiry.retire(earlier.pk, clock=clock, actor=actor)
        if result.attempt.is_live:
            raise CannotPay(
                "earlier_attempt_open",
                "Your earlier payment is still being confirmed. Please don't pay again.",
            )
        return
    fresh = earlier.looked_at or earlier.url_given_at or earlier.created_at
    if earlier.page_id and clock() - fresh > timedelta(seconds=FRESH_SECONDS):
        result = look(earlier.pk, clock=clock, actor=actor)
        if result.outcome is Outcome.UNREACHABLE:
            raise CannotPay("provider_unreachable", "We can't confirm yet. Please don't pay again.", http_status=503)
        if result.attempt.is_live and not result.attempt.page_open:
            raise CannotPay("processing", "We're confirming your payment. Please don't pay again.")


def _is_stuck(attempt: PaymentAttempt) -> bool:
    unanswered = attempt.calls.filter(operation=Operation.START, state=CallState.UNKNOWN, tries__gte=STUCK_AFTER_TRIES)
    return attempt.state == AttemptState.CREATED and attempt.url_given_at is None and unanswered.exists()


@made_again
def _write_down(
    order_id: int, *, provider: str, at: datetime, client: str, bind: Bind | None
) -> tuple[PaymentAttempt, ProviderCall]:
    """Commit the attempt and its prepared call together, or return those that stand."""
    with transaction.atomic(durable=True):
        order = Order.objects.select_for_update(no_key=True).get(pk=order_id)
        _refuse_unless_placed(order)
        if at >= order.expires_at:
            raise CannotPay("order_expired", "The time to pay this order has run out. Please order again.")
        attempt = PaymentAttempt.objects.filter(order=order, state__in=LIVE_STATES).first()
        if attempt is None:
            attempt, call = _new_attempt(order, provider=provider, at=at, client=client)
        elif attempt.provider == provider:
            call = attempt.calls.get(operation=Operation.START)
        else:
            raise CannotPay("earlier_attempt_open", "Another payment of this order has just begun.")
        if bind is not None:
            bind(attempt)
        return attempt, call


def _refuse_unless_placed(order: Order) -> None:
    if order.state != OrderState.PLACED:
        raise CannotPay(f"order_{order.state}", f"This order is {order.state.replace('_', ' ')}.")


def _new_attempt(order: Order, *, provider: str, at: datetime, client: str) -> tuple[PaymentAttempt, ProviderCall]:
    attempt = PaymentAttempt.objects.create(
        order=order,
        provider=provider,
        presentation=ways_to_pay.presentation_for(provider),
        amount_minor=order.total_minor,
        currency=order.currency,
        created_at=at,
        client_key=client_key(client),
        mode=providers.get(provider).mode,
        next_look_at=at + timedelta(seconds=30),
    )
    request = call_requests.start_request_as_json(_start_request(order, attempt, at=at))
    return attempt, preparing.prepare(attempt, Operation.START, request, at=at)


def _have_page_opened(attempt: PaymentAttempt, call: ProviderCall, *, clock: Clock) -> PaymentAttempt:
    """See to it that the call which opens the page is sent; return the attempt as it stands then. Raises CannotPay."""
    if not attempt.page_url:
        call = calls.send(call.pk, clock=clock)
        call = _await_other_tab(call)
        attempt = call.attempt
    if call.state == CallState.ANSWERED and call.error_category:
        raise _refused()
    return attempt


def _refused() -> CannotPay:
    return CannotPay(
        "provider_refused",
        "This way to pay is not working right now. No money was taken. Please use another one, or try again later.",
        http_status=502,
    )


def _start_request(order: Order, attempt: PaymentAttempt, *, at: datetime) -> StartRequest:
    capabilities = providers.get(attempt.provider).capabilities
    soonest = at + timedelta(seconds=capabilities.page_lifetime_min_seconds + _MARGIN_SECONDS)
    latest = at + timedelta(seconds=capabilities.page_lifetime_max_seconds - _MARGIN_SECONDS)
    url = pay_url(order)
    return StartRequest(
        reference=attempt.reference,
        amount_minor=attempt.amount_minor,
        currency=attempt.currency,
        order_number=str(order.number),
        lines=tuple(
            PageLine(name=line.name, quantity=line.quantity, unit_amount_minor=line.unit_price_minor)
            for line in order.lines.all()
        ),
        email=order.email,
        return_url=f"{url}return/",
        # Back from the provider's page, paid or not, a look comes first: else we could only say "not known yet".
        cancel_url=f"{url}return/",
        # The provider's page outlives the order where it must; expiry closes it (payments/expiry.py).
        expires_at=min(max(order.expires_at, soonest), latest).replace(microsecond=0),
        presentation=Presentation(attempt.presentation),
    )


def _await_other_tab(call: ProviderCall) -> ProviderCall:
    """Wait a little for whoever is sending this call right now (another tab, or a worker)."""
    deadline = time.monotonic() + ANOTHER_TABS_ANSWER_SECONDS
    while call.state in (CallState.SENT, CallState.PREPARED) and time.monotonic() < deadline:
        time.sleep(0.1)
        call = ProviderCall.objects.select_related("attempt").get(pk=call.pk)
    return call


@made_again
def _hand_out(attempt_id: int, *, at: datetime) -> Opening:
    """Note that the shopper gets the URL, before they get it: from now on the page is never abandoned.

    The order is asked again under its lock: money of an earlier attempt may have paid it while the page was opened.
    """
    with transaction.atomic(durable=True):
        order, attempt = lock(attempt_id)
        payable = order.state == OrderState.PLACED and attempt.is_live and attempt.page_open
        url = ""
        if payable:
            url = form_url(order, attempt.provider) if attempt.is_embedded else attempt.page_url
        if url and attempt.url_given_at is None:
            attempt.url_given_at = at
            attempt.save(update_fields=["url_given_at"])
    failpoint("page.handed_out")
    return Opening(attempt, url)
