"""The hand at Stripe's sandbox."""

from __future__ import annotations

from typing import Any, ClassVar

from integrations.sandbox.browser import Page
from integrations.sandbox.shopper import GOOD_CARD, Shopper
from payments.management.demo.hands.hand import CannotTrigger, Hand
from payments.management.demo.seed import DECLINED_CARD
from payments.models import Capture, PaymentAttempt

CHALLENGED_CARD = "4000002760003184"  # Stripe's test card for required authentication


class StripeHand(Hand):
    """Its pages, cards and clerks."""

    label: ClassVar[str] = "Stripe"
    api: ClassVar[str] = "/v1/"

    def decline(self, shopper: Shopper, page: Page) -> str:
        shopper.pay_by_card(page, number=DECLINED_CARD).expect(402)
        return "insufficient_funds"

    def challenge(self, attempt: PaymentAttempt) -> None:
        self.control.pay(attempt.page_id, card=CHALLENGED_CARD)

    def end_challenge(self, attempt: PaymentAttempt, *, success: bool) -> None:
        page = self.control.get(attempt.page_id)
        if page["status"] == "open" and not page["payment_intent"]:
            self.control.pay(attempt.page_id, card=CHALLENGED_CARD)
        self.control.authenticate(attempt.page_id, success=success)

    def pay_slowly(self, shopper: Shopper, page: Page, attempt: PaymentAttempt) -> None:
        shopper.pay_by_bank_debit(page)

    def decide(self, attempt: PaymentAttempt, *, success: bool) -> None:
        if self.control.get(attempt.page_id)["status"] == "open":
            self.control.pay(attempt.page_id, method="debit")
        self.control.settle(attempt.page_id, success=success)

    def pay_late(self, attempt: PaymentAttempt) -> None:
        self.control.pay(attempt.page_id, card=GOOD_CARD, force=True)

    def pay_twice(self, attempt: PaymentAttempt) -> None:
        self.control.pay_again(attempt.page_id)

    def pay_wrong(self, attempt: PaymentAttempt, *, amount_minor: int) -> None:
        self.control.pay(attempt.page_id, card=GOOD_CARD, amount=amount_minor)

    def live_event(self, attempt: PaymentAttempt) -> None:
        self.control.create_event("checkout.session.completed", obj=attempt.page_id, overrides={"livemode": True})

    def refund(self, capture: Capture) -> str:
        charge = self._charge(capture)
        if charge["refunded"]:
            raise CannotTrigger("It is refunded already.")
        return str(self.control.refund(payment_intent=charge["payment_intent"])["id"])

    def return_refund(self, refund_id: str) -> None:
        self.control.move_refund(refund_id, status="failed", failure_reason="expired_or_canceled_card")

    def dispute(self, capture: Capture, *, inquiry: bool = False) -> str:
        intent = self._charge(capture)["payment_intent"]
        return str(self.control.dispute(payment_intent=intent, inquiry=inquiry)["id"])

    def end_dispute(self, dispute_id: str, *, won: bool) -> None:
        self.control.move_dispute(dispute_id, status="won" if won else "lost")

    def pay_out(self, *, currency: str, wrong_by_minor: int = 0) -> str:
        if wrong_by_minor:
            self.control.adjust(amount=-wrong_by_minor * 10, currency=currency.lower())
        made = self.control.pay_out(currency=currency.lower(), early=True)
        if wrong_by_minor:
            self.control.patch(made["id"], amount=made["amount"] + wrong_by_minor)
        for status in ("in_transit", "paid"):
            self.control.move_payout(made["id"], status=status)
        return str(made["id"])

    def _charge(self, capture: Capture) -> dict[str, Any]:
        return self.control.get(capture.capture_id)
