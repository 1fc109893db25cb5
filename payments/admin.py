"""Where Django looks for registrations; they stand in payments/backoffice/."""

from payments.backoffice import (
    approving,
    audit_log,
    cases,
    inbox,
    messages,
    money,
    orders,
)

__all__ = [
    "approving",
    "audit_log",
    "cases",
    "inbox",
    "messages",
    "money",
    "orders",
]
