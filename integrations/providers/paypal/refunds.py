"""Refunds at PayPal. https://developer.paypal.com/docs/api/payments/v2/#captures_refund"""

from __future__ import annotations

from integrations.contract import RefundRequest, RefundSnapshot
from integrations.providers.paypal import snapshots
from integrations.providers.paypal.client import Client
from integrations.providers.paypal.money import to_paypal


def create(client: Client, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
    """Give money of one capture back.

    Sent, and nothing else: the amount, and our reference as `custom_id`. PayPal asks for no reason. The same request
    always becomes the same body. Raises ProviderError.
    """
    body = {"amount": to_paypal(request.amount_minor, request.currency), "custom_id": request.reference}
    told = client.refund_capture(request.capture_id, body=body, key=idempotency_key)
    return snapshots.refund(told, of=request.capture_id)
