"""Where Django looks for registrations; they stand in payments/backoffice/."""

from payments.backoffice import messages, money, orders

__all__ = ["messages", "money", "orders"]
