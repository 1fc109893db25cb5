"""Money of one attempt on more than one intent: a page names one, and another may have been made for its reference."""

from __future__ import annotations

from dataclasses import replace

from integrations import providers
from integrations.contract import PaymentSnapshot, ProviderIds
from payments.models import PaymentAttempt


def of(attempt: PaymentAttempt, ids: ProviderIds | None) -> set[str]:
    """Return the intents that an answer about the attempt's page may not cover: a verified event named one, or we hold
    money of it, which may go back."""
    held = set(attempt.captures.exclude(intent_id="").values_list("intent_id", flat=True))
    return (held | ({ids.intent_id} if ids else set())) - {"", attempt.intent_id}


def add(snapshot: PaymentSnapshot, intent_id: str) -> PaymentSnapshot:
    """Add what is on another intent, if it carries our reference: money is money.

    A page names one intent; a second one made for the same reference (a retry at the provider, a person in its
    dashboard) would otherwise stay unseen. Raises ProviderError.
    """
    stray = providers.get(snapshot.provider).fetch(ProviderIds(intent_id=intent_id))
    if (stray.reference, stray.account, stray.mode) != (snapshot.reference, snapshot.account, snapshot.mode):
        return snapshot
    known = {capture.capture_id for capture in snapshot.captures}
    more = tuple(capture for capture in stray.captures if capture.capture_id not in known)
    return replace(
        snapshot,
        captures=snapshot.captures + more,
        refunds=snapshot.refunds + stray.refunds,
        disputes=snapshot.disputes + stray.disputes,
        raw={**snapshot.raw, "data": [*snapshot.raw.get("data", []), stray.raw]},
    )
