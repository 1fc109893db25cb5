"""Where Django looks for registrations; they stand in payments/backoffice/."""

from payments.backoffice import messages, money

__all__ = ["messages", "money"]
