"""Where Django looks for registrations; they stand in payments/backoffice/."""

from payments.backoffice import (
    approving,
    audit_log,
    bank,
    cases,
    catalogue,
    disputes,
    inbox,
    keys,
    ledger,
    messages,
    order_rows,
    orders,
    payouts,
    people,
    reconciliation,
)

__all__ = [
    "approving",
    "audit_log",
    "bank",
    "cases",
    "catalogue",
    "disputes",
    "inbox",
    "keys",
    "ledger",
    "messages",
    "order_rows",
    "orders",
    "payouts",
    "people",
    "reconciliation",
]
