"""Refunds at Stripe. https://docs.stripe.com/api/refunds"""

from __future__ import annotations

from integrations.contract import RefundRequest, RefundSnapshot
from integrations.providers.stripe import snapshots
from integrations.providers.stripe.client import Client, checked
from integrations.providers.stripe.money import to_stripe
from integrations.providers.stripe.snapshots import REFUND_REFERENCE_KEY


def create(client: Client, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
    """Give money of one charge back.

    Sent, and nothing else: the charge, the amount in Stripe's unit, one of Stripe's three reasons, and our reference
    as metadata `refund`. The same request always becomes the same parameters. Raises ProviderError.
    """
    amount, _ = to_stripe(request.amount_minor, request.currency)
    params = {
        "charge": checked(request.capture_id),
        "amount": amount,
        "reason": str(request.reason),
        "metadata": {REFUND_REFERENCE_KEY: request.reference},
    }
    return snapshots.refund(client.ask(client.v1.refunds.create, params, {"idempotency_key": idempotency_key}))
