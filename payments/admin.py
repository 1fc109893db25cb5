"""Where Django looks for registrations; they stand in payments/backoffice/."""

from payments.backoffice import (
    approving,
    messages,
    money,
    orders,
    people,
)

__all__ = [
    "approving",
    "messages",
    "money",
    "orders",
    "people",
]
