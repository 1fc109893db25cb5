"""The hand at PayPal's sandbox. A payment that is approved waits for our capture."""

from __future__ import annotations

from typing import ClassVar

from integrations.sandbox.browser import Page
from integrations.sandbox.paypal.control import PayPalControl
from integrations.sandbox.shopper import Shopper
from payments.management.demo.hands.hand import Hand
from payments.models import Capture, PaymentAttempt

NO_FUNDS = "5120"  # PayPal's processor code for insufficient funds


class PayPalHand(Hand):
    """Its approval page, its resolution centre and its clerks."""

    label: ClassVar[str] = "PayPal"
    api: ClassVar[str] = "/v"

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.paypal = PayPalControl(address)

    def decline(self, shopper: Shopper, page: Page) -> str:
        shopper.approve_at_paypal(page, outcome=f"declined-{NO_FUNDS}")
        return NO_FUNDS

    def pay_slowly(self, shopper: Shopper, page: Page, attempt: PaymentAttempt) -> None:
        self.paypal.approve(attempt.page_id, kind="pending", reason="PENDING_REVIEW")

    def decide(self, attempt: PaymentAttempt, *, success: bool) -> None:
        unit = self.control.get(attempt.page_id)["purchase_units"][0]
        captures = unit.get("payments", {}).get("captures", [])
        if not captures:
            raise self._lacks("has captured nothing yet: wait for our capture after async")
        self.paypal.settle_capture(captures[0]["id"], success=success)

    def pay_late(self, attempt: PaymentAttempt) -> None:
        self.paypal.force_capture(attempt.page_id)

    def pay_twice(self, attempt: PaymentAttempt) -> None:
        self.paypal.force_capture(attempt.page_id)

    def pay_wrong(self, attempt: PaymentAttempt, *, amount_minor: int) -> None:
        self.paypal.force_capture(attempt.page_id, amount=amount_minor)

    def refund(self, capture: Capture) -> str:
        return str(self.paypal.refund_capture(capture.capture_id)["id"])

    def return_refund(self, refund_id: str) -> None:
        self.control.move_refund(refund_id, status="FAILED")

    def dispute(self, capture: Capture, *, inquiry: bool = False) -> str:
        return str(self.paypal.dispute_capture(capture.capture_id, inquiry=inquiry)["dispute_id"])

    def end_dispute(self, dispute_id: str, *, won: bool) -> None:
        self.paypal.decide_dispute(dispute_id, "won" if won else "lost")
