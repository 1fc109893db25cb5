"""The closed list of facts the shop tells its receivers (DESIGN.md, Words). Free of Django."""

from __future__ import annotations

from enum import StrEnum


class Fact(StrEnum):
    """Something that is true from the moment its transaction commits."""

    ORDER_PLACED = "order.placed"
    ORDER_PAID = "order.paid"
    ORDER_EXPIRED = "order.expired"
    ORDER_CANCELLED = "order.cancelled"
    ORDER_REOPENED = "order.reopened"
    ATTEMPT_FAILED = "attempt.failed"
    CAPTURE_UNAPPLIED = "capture.unapplied"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"
    DISPUTE_OPENED = "dispute.opened"
    DISPUTE_CLOSED = "dispute.closed"
    CASE_OPENED = "case.opened"


MAILED_FACTS = frozenset(
    {
        Fact.ORDER_PLACED,
        Fact.ORDER_PAID,
        Fact.ORDER_EXPIRED,
        Fact.ORDER_CANCELLED,
        Fact.ATTEMPT_FAILED,
        Fact.REFUND_SUCCEEDED,
    }
)
"""The facts there is a mail for: templates/mail/ holds its subject, text and HTML."""
