"""What our calls ask of a provider: each operation's request as it is stored, and the verb that sends it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from integrations import providers
from integrations.contract import PageLine, Presentation, ProviderIds, RefundSnapshot, Started, StartRequest
from payments.calls import money as money_calls
from payments.disputes import calls as evidence_calls
from payments.models import ProviderCall
from payments.models.call import Operation
from payments.refunds import calls as refund_calls

Answer = Started | RefundSnapshot | ProviderIds | None
"""What a verb answers; ProviderIds of a call that takes money, None where there is nothing to learn."""


def ask(call: ProviderCall) -> Answer:
    """Send what is stored, under its key. Raises ProviderError."""
    provider = providers.get(call.attempt.provider)
    if call.operation == Operation.START:
        return provider.start(start_request_from(call.request), idempotency_key=call.idempotency_key)
    if call.operation == Operation.REFUND:
        return provider.refund(refund_calls.request_from(call.request), idempotency_key=call.idempotency_key)
    if call.operation in money_calls.OPERATIONS:
        return money_calls.ask(provider, call)
    if call.operation in evidence_calls.OPERATIONS:
        evidence_calls.ask(provider, call)
    elif call.operation == Operation.CLOSE:
        provider.close(ProviderIds(**call.request), idempotency_key=call.idempotency_key)
    elif call.operation == Operation.RELEASE:
        provider.release(ProviderIds(**call.request), idempotency_key=call.idempotency_key)
    else:
        raise ValueError(f"no sender for {call.operation}")
    return None


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
            "presentation": Presentation(stored.get("presentation", Presentation.HOSTED)),
        }
    )
