"""The hand at Square's sandbox."""

from __future__ import annotations

from typing import ClassVar

from integrations.sandbox.browser import Page
from integrations.sandbox.shopper import Shopper
from integrations.sandbox.square_control import SquareControl
from payments.management.demo.hands.hand import CannotTrigger, Hand
from payments.models import Capture, PaymentAttempt

DECLINED_CARD = "4000000000000002"  # Square's sandbox card for a generic decline


class SquareHand(Hand):
    """Its payment links, its banks and its clerks."""

    label: ClassVar[str] = "Square"
    api: ClassVar[str] = "/v2/"

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.square = SquareControl(address)

    def decline(self, shopper: Shopper, page: Page) -> str:
        shopper.pay_by_card(page, number=DECLINED_CARD)
        return "GENERIC_DECLINE"

    def pay_late(self, attempt: PaymentAttempt) -> None:
        self.square.pay_link(attempt.page_id)

    def pay_twice(self, attempt: PaymentAttempt) -> None:
        self.square.pay_link(attempt.page_id)

    def pay_wrong(self, attempt: PaymentAttempt, *, amount_minor: int) -> None:
        self.square.pay_link(attempt.page_id, amount=amount_minor)

    def refund(self, capture: Capture) -> str:
        made = str(self.square.refund_payment(capture.capture_id)["id"])
        if self.control.get(made)["status"] == "PENDING":
            self.control.move_refund(made, status="COMPLETED")
        return made

    def return_refund(self, refund_id: str) -> None:
        if self.control.get(refund_id)["status"] != "PENDING":
            raise CannotTrigger("Square has decided this refund; one that is pending can still fail.")
        self.control.move_refund(refund_id, status="FAILED")

    def dispute(self, capture: Capture, *, inquiry: bool = False) -> str:
        return str(self.square.dispute_payment(capture.capture_id, inquiry=inquiry)["id"])

    def end_dispute(self, dispute_id: str, *, won: bool) -> None:
        self.square.decide_dispute(dispute_id, state="WON" if won else "LOST")

    def pay_out(self, *, currency: str, wrong_by_minor: int = 0) -> str:
        if wrong_by_minor:
            self.square.adjust_balance(wrong_by_minor)
        made = str(self.square.make_payout()["id"])
        self.control.move_payout(made, status="PAID")
        return made
