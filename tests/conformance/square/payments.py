"""Payments to begin with: a link, an order for a token, and one that is paid."""

from __future__ import annotations

from typing import Any

from integrations.contract import (
    PayRequest,
    Presentation,
    Started,
    StartRequest,
)
from integrations.guard import GuardedProvider
from tests.conformance.square import new_key, start_request


def hosted(provider: GuardedProvider, **changes: Any) -> tuple[StartRequest, Started]:
    request = start_request(**changes)
    return request, provider.start(request, idempotency_key=new_key())


def embedded(provider: GuardedProvider) -> tuple[StartRequest, Started]:
    return hosted(provider, presentation=Presentation.EMBEDDED)


def pay_request(request: StartRequest, started: Started, token: str, **changes: Any) -> PayRequest:
    wanted: dict[str, Any] = {
        "ids": started.ids,
        "reference": request.reference,
        "amount_minor": request.amount_minor,
        "currency": request.currency,
        "order_number": request.order_number,
        "email": request.email,
        "token": token,
    }
    return PayRequest(**(wanted | changes))


def paid_by_token(provider: GuardedProvider) -> tuple[StartRequest, Started]:
    request, started = embedded(provider)
    provider.pay_with_token(pay_request(request, started, "cnon:card-nonce-ok"), idempotency_key=new_key())
    return request, started
