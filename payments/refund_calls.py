"""The call behind a refund of ours: what it asks for, whether its outcome is open, and how a look settles it.

payments/calls.py sends it. Touches ProviderCall rows of refunds only, under settle()'s locks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from integrations import providers
from integrations.contract import ProviderIds, RefundReason, RefundRequest
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
    return refund.calls.filter(state__in=[CallState.SENT, CallState.UNKNOWN]).exists()


def answer_by_look(refund: Refund, *, at: datetime) -> None:
    """End the call of a refund that a look has found or given up: nobody sends it again.

    One that somebody is sending at this moment is left to its answer.
    """
    ended = Q(state=CallState.UNKNOWN) | Q(state=CallState.SENT, lease_until__lte=at)
    ProviderCall.objects.filter(ended, refund=refund).update(
        state=CallState.ANSWERED, answered_at=at, lease_until=None, next_try_at=None
    )


def is_lost(refund: Refund, *, at: datetime) -> bool:
    """Say whether “not found” counts: the key is forgotten, and the last request older than the provider's lists lag.

    `at` is when the look was settled; its question may be a lease older.
    """
    call = refund.calls.filter(state=CallState.UNKNOWN).first()
    if call is None or call.first_sent_at is None:
        return False
    capabilities = providers.get(refund.provider).capabilities
    forgotten = call.first_sent_at + timedelta(seconds=capabilities.key_lifetime_seconds)
    lag = capabilities.lookup_settles_after_seconds + settings.LEASE_SECONDS
    settled = (call.last_sent_at or call.first_sent_at) + timedelta(seconds=lag)
    return at >= max(forgotten, settled)
