"""Refunds at Square. https://developer.squareup.com/docs/refunds-api/overview

A refund carries no reference of ours but its reason, a text: ours ends in the reference, in brackets.
"""

from __future__ import annotations

import re

from integrations.contract import RefundReason, RefundRequest, RefundSnapshot
from integrations.providers.answer_reading import Answer
from integrations.providers.square.answers import answers
from integrations.providers.square.client import Client, checked
from integrations.providers.square.money import from_square, to_square

_STATUS = {"PENDING": "pending", "COMPLETED": "succeeded", "REJECTED": "failed", "FAILED": "failed"}
_WORDS = {
    RefundReason.REQUESTED_BY_CUSTOMER: "Requested by customer",
    RefundReason.DUPLICATE: "Duplicate payment",
    RefundReason.FRAUDULENT: "Fraudulent payment",
}
_REFERENCE = re.compile(r"\[([A-Za-z0-9_-]{16,64})\]\Z")


def create(client: Client, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
    """Give money of one payment back.

    Sent, and nothing else: the payment, the amount, and the reason in our words with our reference. The same request
    always becomes the same members. Raises ProviderError.
    """
    got = client.ask(
        client.sdk.refunds.refund_payment,
        idempotency_key=idempotency_key,
        payment_id=checked(request.capture_id),
        amount_money=to_square(request.amount_minor, request.currency),
        reason=f"{_WORDS[request.reason]} [{request.reference}]",
    )
    return snapshot(answers.required(got, "refund"))


def snapshot(told: Answer) -> RefundSnapshot:
    """Read one refund. Raises Unavailable where it is not what the API documents."""
    amount_minor, currency = from_square(told, "amount_money")
    said = answers.text(told, "status")
    status = _STATUS.get(said)
    if status is None:
        raise answers.unreadable(told, "status")
    return RefundSnapshot(
        refund_id=answers.text(told, "id"),
        capture_id=answers.text_or_empty(told, "payment_id"),
        amount_minor=amount_minor,
        currency=currency,
        status=status,
        reference=reference(told),
        created_at=answers.moment_or_none(told, "created_at"),
        failure_reason=said.lower() if status == "failed" else "",
    )


def reference(told: Answer) -> str:
    """Return our reference of a refund, empty where it has none."""
    found = _REFERENCE.search(answers.text_or_empty(told, "reason"))
    return found[1] if found else ""
