"""What the API does once a request is understood: each operation binds what it makes to the request's key.

A retry after a crash at any step finds the key with its object, and goes on with that one (payments/idempotency.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from integrations.failpoints import failpoint
from orders import facts
from orders.models import Order
from orders.operations import place_order_from_lines
from orders.states import OrderState
from payments import checkout, ways_to_pay
from payments.clock import Clock
from payments.idempotency import Answer, Held
from payments.models import PaymentAttempt

log = structlog.get_logger(__name__)

ACTOR = "api"
ATTEMPTS_SHOWN = 20


def place(
    held: Held, *, lines: Sequence[Mapping[str, Any]], currency: str, email: str, locale: str, clock: Clock
) -> Answer:
    """Place an order; order, key and answer commit together. Raises OrderRefused, and Taken, InFlight of the key."""
    with transaction.atomic(durable=True):
        if held.object_id is None:
            order = place_order_from_lines(lines=lines, currency=currency, email=email, locale=locale, now=clock())
            held.bind(Order.SUBJECT_KIND, order.pk)
        else:
            order = Order.objects.get(pk=held.object_id)
        answer = held.keep(status=201, body=_text(order_made(order)))
        failpoint("api.order.before_commit")
    failpoint("api.order.after_commit")
    log.info("api_order_placed", order=order.number)
    return answer


def open_attempt(held: Held, *, order_id: int, provider: str, clock: Clock) -> Answer:
    """Open an attempt, or go on with the one that this key made; key and attempt commit together.

    201 with the page's address is final. While the provider has not answered it is 202, and the same key asks again.
    Raises CannotPay, and Taken, InFlight of the key.
    """
    if held.object_id is None:
        opening = checkout.open_attempt(
            order_id=order_id,
            provider=provider,
            clock=clock,
            actor=ACTOR,
            bind=lambda attempt: held.bind(PaymentAttempt.SUBJECT_KIND, attempt.pk),
        )
    else:
        opening = checkout.resume(attempt_id=held.object_id, clock=clock)
    failpoint("api.attempt.before_answer")
    text = _text(attempt_made(opening))
    if opening.attempt.is_live and not opening.redirect_url:
        return Answer(202, text)
    answer = held.keep(status=201, body=text)
    failpoint("api.attempt.after_answer")
    log.info("api_attempt_opened", attempt=opening.attempt.pk, order=order_id)
    return answer


def order_made(order: Order) -> dict[str, Any]:
    """Return what the API tells of a new order (OrderMade)."""
    return {
        "token": order.token,
        "amount_minor": order.total_minor,
        "currency": order.currency,
        "state": str(order.state),
        "pay_url": facts.pay_url(order),
        "status_url": facts.status_url(order),
    }


def attempt_made(opening: checkout.Opening) -> dict[str, Any]:
    """Return what the API tells of an attempt (AttemptMade)."""
    return {
        "attempt": opening.attempt.reference,
        "redirect_url": opening.redirect_url,
        "state": str(opening.attempt.state),
    }


def order_read(order: Order, *, at: datetime) -> dict[str, Any]:
    """Return how an order stands, as far as we have heard (OrderRead). Asks our database only."""
    attempts = order.attempts.order_by("-pk")[:ATTEMPTS_SHOWN]
    return {
        **order_made(order),
        "expires_at": order.expires_at.isoformat(),
        "paid_at": order.paid_at.isoformat() if order.paid_at else None,
        "providers": list(ways_to_pay.available(order.currency, at=at)) if order.state == OrderState.PLACED else [],
        "attempts": [
            {
                "attempt": attempt.reference,
                "provider": attempt.provider,
                "state": str(attempt.state),
                "created_at": attempt.created_at.isoformat(),
            }
            for attempt in attempts
        ],
    }


def _text(told: Mapping[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
