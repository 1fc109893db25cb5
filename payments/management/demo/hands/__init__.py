"""The hands of `manage.py trigger`, by provider (hand.py says what one does)."""

from __future__ import annotations

from payments.management.demo.hands.hand import CannotTrigger, Hand
from payments.management.demo.hands.nmi import NmiHand
from payments.management.demo.hands.paypal import PayPalHand
from payments.management.demo.hands.square import SquareHand
from payments.management.demo.hands.stripe import StripeHand

__all__ = ["HANDS", "CannotTrigger", "Hand"]

HANDS: dict[str, type[Hand]] = {"stripe": StripeHand, "paypal": PayPalHand, "square": SquareHand, "nmi": NmiHand}
