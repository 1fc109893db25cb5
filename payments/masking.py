"""The masked view of what a provider said: an allow-list of keys. What is not listed is not kept in clear."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Ids, states, amounts and times; never names, addresses, card details or free text of a shopper.
ALLOWED = frozenset(
    """
    id object status payment_status amount amount_total amount_captured amount_received amount_refunded
    amount_capturable
    currency created expires_at livemode client_reference_id metadata attempt payment_intent latest_charge charge
    captured paid refunded disputed failure_code decline_code code type reason balance_transaction fee net data
    last_payment_error next_action cancellation_reason canceled_at capture_method mode ui_mode has_more charges refunds
    disputes account
    """.split()
)
_LONGEST_TEXT = 255


def masked(said: Any) -> Any:
    """Return `said` with only the allowed keys of its objects, at every depth; long texts are cut."""
    if isinstance(said, Mapping):
        return {str(key): masked(value) for key, value in said.items() if key in ALLOWED}
    if isinstance(said, list | tuple):
        return [masked(item) for item in said]
    return said[:_LONGEST_TEXT] if isinstance(said, str) else said
