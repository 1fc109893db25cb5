"""The hand at NMI's sandbox: what shoppers do happens in its frame on our page, the rest in its virtual terminal."""

from __future__ import annotations

from typing import ClassVar

from integrations.sandbox.browser import Page
from integrations.sandbox.nmi_control import NmiControl
from integrations.sandbox.shopper import Shopper
from payments.management.demo.hands.hand import Hand
from payments.models import Capture, PaymentAttempt

DECLINED_CARD = "4000000000009995"  # the sandbox's card for insufficient funds


class NmiHand(Hand):
    """Its frame and its virtual terminal."""

    label: ClassVar[str] = "NMI"
    api: ClassVar[str] = "/api/"

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.nmi = NmiControl(address)

    def decline(self, shopper: Shopper, page: Page) -> str:
        shopper.pay_in_frame(page, number=DECLINED_CARD)
        return "202"

    def pay_late(self, attempt: PaymentAttempt) -> None:
        self._sell(attempt, attempt.amount_minor)

    def pay_twice(self, attempt: PaymentAttempt) -> None:
        self._sell(attempt, attempt.amount_minor)

    def pay_wrong(self, attempt: PaymentAttempt, *, amount_minor: int) -> None:
        self._sell(attempt, amount_minor)

    def refund(self, capture: Capture) -> str:
        self.nmi.settle_day()
        made = str(self.nmi.give_back(capture.capture_id)["id"])
        self.nmi.settle_day()
        return made

    def return_refund(self, refund_id: str) -> None:
        self.nmi.fail_refund(refund_id)

    def _sell(self, attempt: PaymentAttempt, amount_minor: int) -> None:
        self.nmi.sell(order_id=attempt.page_id, amount=amount_minor, currency=attempt.currency)
