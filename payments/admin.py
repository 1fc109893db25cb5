"""Where Django looks for registrations; they stand in payments/backoffice/."""

from payments.backoffice import (
    approving,
    cases,
    inbox,
    keys,
    messages,
    money,
    order_rows,
    orders,
    people,
)

__all__ = [
    "approving",
    "cases",
    "inbox",
    "keys",
    "messages",
    "money",
    "order_rows",
    "orders",
    "people",
]
