"""The call behind a refund of ours: what it asks for, whether its outcome is open, and how a look settles it.

payments/calls/sending.py sends it. Touches ProviderCall rows of refunds only, under settle()'s locks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from integrations.contract import ProviderIds, RefundReason, RefundRequest
from payments.calls import open as open_calls
from payments.models import ProviderCall, Refund
from payments.states import CallState

FIX = "Mend the keys; the refund goes on by itself."


def request_for(refund: Refund) -> dict[str, Any]:
    """Return what the provider is asked for, as it is stored; `request_from` reads it back."""
    capture, attempt = refund.capture, refund.attempt
    request = RefundRequest(
        reference=refund.reference,
        ids=ProviderIds(page_id=attempt.page_id, intent_id=capture.intent_id or attempt.intent_id),
        capture_id=capture.capture_id,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        reason=RefundReason(refund.reason),
    )
    return asdict(request)


def request_from(stored: Mapping[str, Any]) -> RefundRequest:
    """Return the RefundRequest that was stored, equal in every field, so that the key is met by the same body."""
    return RefundRequest(
        **{**stored, "ids": ProviderIds(**stored["ids"]), "reason": RefundReason(stored["reason"])},
    )


def may_be_under_way(refund: Refund) -> bool:
    """Say whether its call is out and unanswered: a refund at the provider may be the one it made."""
    return open_calls.may_be_under_way(_of(refund))


def rests(refund: Refund) -> bool:
    """Say whether its call was sent, never answered, and is never sent again: the provider knows no keys."""
    call = _of(refund).filter(state=CallState.UNKNOWN).select_related("attempt").first()
    return call is not None and open_calls.is_sent_once(call)


def answer_by_look(refund: Refund, *, at: datetime) -> None:
    """End the call of a refund that a look has found or given up (payments/calls/open.py)."""
    open_calls.answer_by_look(_of(refund), at=at)


def is_lost(refund: Refund, *, at: datetime) -> bool:
    """Say whether "not found" counts by now (payments/calls/open.py)."""
    call = _of(refund).select_related("attempt").first()
    return call is not None and open_calls.is_lost(call, at=at)


def _of(refund: Refund) -> QuerySet[ProviderCall]:
    return ProviderCall.objects.filter(refund=refund)
