"""What the calls about disputes ask of the provider, as payments/calls/sending.py stores and sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.contract import EvidenceText, EvidenceTexts, Provider
from payments.models import Dispute, ProviderCall
from payments.models.call import Operation

OPERATIONS = frozenset({Operation.STAGE, Operation.EVIDENCE, Operation.ACCEPT})

FIX = "Read on the dispute's page how it stands now; mend what the provider names, and ask for the act again."


def request_for(dispute: Dispute, texts: EvidenceTexts | None = None) -> dict[str, Any]:
    """Return what is stored with a call, and asked again under its key."""
    request: dict[str, Any] = {"dispute_id": dispute.dispute_id}
    if texts is not None:
        request["texts"] = {str(name): text for name, text in texts.items()}
    return request


def texts_of(request: Mapping[str, Any]) -> dict[EvidenceText, str]:
    """Return the texts of a stored request, equal to those it was made of."""
    return {EvidenceText(name): text for name, text in request.get("texts", {}).items()}


def ask(provider: Provider, call: ProviderCall) -> None:
    """Send one of them. Raises ProviderError."""
    dispute_id, key = call.request["dispute_id"], call.idempotency_key
    if call.operation == Operation.ACCEPT:
        provider.accept_dispute(dispute_id, idempotency_key=key)
    elif call.operation == Operation.STAGE:
        provider.stage_evidence(dispute_id, texts_of(call.request), idempotency_key=key)
    else:
        provider.submit_evidence(dispute_id, texts_of(call.request), idempotency_key=key)
