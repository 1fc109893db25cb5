"""What a provider does not offer, in the words of staff: read from its Capabilities, so that nobody asks in vain."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum

from integrations import providers
from integrations.contract import Capabilities, ProviderError
from payments.situation import provider_label


class Offer(StrEnum):
    """A family of what providers may offer, and its words."""

    PAYOUTS = "payouts: match its bank lines by hand, from its own statement"
    BALANCE = "a list of its balance: an entry is known once a payout tells it"
    DISPUTES = "answering a dispute from here: answer it in its own dashboard"
    DISPUTE_OUTCOME = "how a dispute ended: see its own dashboard"
    LISTS = "lists of payments and refunds: `reconcile --order` looks at one order"
    EVENTS = "a list of past events: what a lost webhook would have told, looks find"
    FEES = "its fees: they come with its own statement"


_HAS: Mapping[Offer, Callable[[Capabilities], bool]] = {
    Offer.PAYOUTS: lambda its: its.payouts,
    Offer.BALANCE: lambda its: its.balance_entries and its.payouts,
    Offer.DISPUTES: lambda its: its.disputes,
    Offer.DISPUTE_OUTCOME: lambda its: its.dispute_outcome,
    Offer.LISTS: lambda its: its.lists_payments,
    Offer.EVENTS: lambda its: its.events_backfill_days > 0,
    Offer.FEES: lambda its: its.tells_fees,
}


def not_offered(offer: Offer) -> str:
    """Return the sentence that names the enabled providers without it; empty where all have it."""
    lacking = [provider_label(name) for name in providers.enabled() if _lacks(name, offer)]
    return f"Not offered by {' and '.join(lacking)}: {offer}." if lacking else ""


def gives_parts_back_at_once(provider: str) -> bool:
    """Say whether a part of a payment can be given back before it is settled. Raises ProviderMisconfigured."""
    return providers.get(provider).capabilities.refund_before_settlement


def _lacks(name: str, offer: Offer) -> bool:
    try:
        return not _HAS[offer](providers.get(name).capabilities)
    except (ProviderError, providers.UnknownProvider):  # `doctor` says what is wrong with it
        return False
