"""Masked views: of what a provider said, an allow-list of keys (the rest is not kept in clear); of addresses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.redaction import scrub_cards

# Ids, states, amounts and times; never names, addresses, card details or free text of a shopper.
ALLOWED = frozenset(
    """
    session id object status payment_status amount amount_total amount_captured amount_received amount_refunded
    amount_capturable
    currency created expires_at livemode client_reference_id metadata attempt payment_intent latest_charge charge
    captured paid refunded disputed failure_code decline_code code type reason balance_transaction fee net data
    last_payment_error next_action cancellation_reason canceled_at capture_method mode ui_mode has_more charges refunds
    disputes account

    order intent purchase_units captures custom_id invoice_id payee merchant_id value currency_code payments
    authorizations status_details final_capture seller_receivable_breakdown gross_amount paypal_fee net_amount
    processor_response response_code create_time update_time supplementary_data related_ids order_id
    dispute_id dispute_amount dispute_life_cycle_stage dispute_outcome outcome_code money_movements
    disputed_transactions seller_transaction_id seller_response_due_date event_type resource resource_type

    payment_link state tenders payment_id reference_id location_id refund_ids amount_money total_money refunded_money
    processing_fee created_at updated_at version disputed_payment due_at evidence_ids
    """.split()
)
IDS = frozenset(
    (
        "id client_reference_id attempt payment_intent latest_charge charge balance_transaction account custom_id "
        "merchant_id order_id dispute_id seller_transaction_id payment_id reference_id location_id refund_ids "
        "evidence_ids"
    ).split()
)
_LONGEST_TEXT = 255


def masked(said: Any, *, key: str = "") -> Any:
    """Return `said` with only the allowed keys of its objects, at every depth, fit for a jsonb column.

    Texts are cut, and scrubbed of what looks like a card number, ids excepted; NUL and lone surrogates, which jsonb
    refuses, are replaced.
    """
    if isinstance(said, Mapping):
        return {str(name): masked(value, key=name) for name, value in said.items() if name in ALLOWED}
    if isinstance(said, list | tuple):
        return [masked(item, key=key) for item in said]
    if not isinstance(said, str):
        return said
    text = said.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:_LONGEST_TEXT]
    return text if key in IDS else scrub_cards(text)


def masked_address(email: str) -> str:
    """Return an e-mail address as staff see it before a reveal: its first letter, and where it is."""
    name, _, domain = email.rpartition("@")
    return f"{name[:1]}•••@{domain}" if name else "•••"
