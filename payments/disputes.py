"""Disputes as settlement finds them. Called inside settle()'s transaction, with order and attempt locked."""

from __future__ import annotations

from datetime import datetime

from integrations.contract import PaymentSnapshot
from orders.models import Order
from orders.money import Money
from payments.cases import open_case
from payments.models import PaymentAttempt
from payments.models.case import CaseKind


def record_disputes(order: Order, attempt: PaymentAttempt, snapshot: PaymentSnapshot, *, at: datetime) -> None:
    """Tell a person of disputes found at the provider."""
    for dispute in snapshot.disputes:
        open_case(
            CaseKind.PROVIDER_DISPUTE,
            subject_kind="attempt",
            subject_id=attempt.pk,
            order=order,
            stake=Money(dispute.amount_minor, dispute.currency),
            ours=f"The attempt is {attempt.state}.",
            theirs=f"{attempt.provider} shows dispute {dispute.dispute_id} ({dispute.status}).",
            suggested_fix="Answer it in the provider's dashboard before its deadline.",
            at=at,
        )
