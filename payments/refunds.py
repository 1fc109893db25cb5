"""Refunds as settlement finds them. Called inside settle()'s transaction, with order and attempt locked."""

from __future__ import annotations

from datetime import datetime

from integrations.contract import PaymentSnapshot
from orders.models import Order
from orders.money import Money
from payments.cases import open_case
from payments.models import PaymentAttempt
from payments.models.case import CaseKind


def record_refunds(order: Order, attempt: PaymentAttempt, snapshot: PaymentSnapshot, *, at: datetime) -> None:
    """Tell a person of refunds found at the provider."""
    for refund in snapshot.refunds:
        if refund.status != "failed":
            open_case(
                CaseKind.PROVIDER_REFUND,
                subject_kind="attempt",
                subject_id=attempt.pk,
                order=order,
                stake=Money(refund.amount_minor, refund.currency),
                ours=f"The attempt is {attempt.state}; we asked for no refund.",
                theirs=f"{attempt.provider} shows refund {refund.refund_id} ({refund.status}).",
                suggested_fix="Confirm with the provider's dashboard who made it, and tell the customer.",
                at=at,
            )
