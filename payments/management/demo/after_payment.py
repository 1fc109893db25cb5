"""What `manage.py trigger` can provoke after the payment: refunds, disputes and payouts made at the demo's provider."""

from __future__ import annotations

from typing import Any

from payments.management.demo.faults import CannotTrigger, Stage, event
from payments.models import Capture

UNEXPLAINED_MINOR = -123
"""An amount that a payout is made to differ by: no entry of the provider's explains it."""


def _charge(stage: Stage) -> dict[str, Any]:
    """Return what the provider holds of the order's payment. Raises CannotTrigger where nothing was captured."""
    capture = Capture.objects.filter(order=stage.order, provider="stripe").order_by("-pk").first()
    if capture is None:
        raise CannotTrigger(f"Order {stage.number} has no money yet: manage.py trigger paid --order {stage.number}")
    return stage.sandbox.get(capture.capture_id)


@event("somebody refunds all that is left of it in the provider's dashboard")
def refunded(stage: Stage) -> str:
    charge = _charge(stage)
    if charge["refunded"]:
        raise CannotTrigger(f"Order {stage.number} is refunded already.")
    stage.details["refund"] = stage.sandbox.refund(payment_intent=charge["payment_intent"])["id"]
    return "Refunded at the provider: the order follows by itself, and a Case tells that we did not ask for it."


@event("the bank returns the last refund: the money is back with the provider")
def refund_returned(stage: Stage) -> str:
    refund = stage.order.refunds.exclude(refund_id="").order_by("-pk").first()
    if refund is None:
        raise CannotTrigger(f"Order {stage.number} has no refund yet.")
    stage.sandbox.move_refund(refund.refund_id, status="failed", failure_reason="expired_or_canceled_card")
    return "The refund failed after it had succeeded: money and states go back."


@event("the shopper's bank disputes the payment: the money is withdrawn")
def disputed(stage: Stage) -> str:
    stage.details["dispute"] = stage.sandbox.dispute(payment_intent=_charge(stage)["payment_intent"])["id"]
    return "Disputed: amount and fee are withdrawn, and there is a deadline to answer."


@event("the shopper's bank asks about the payment before it disputes it")
def inquiry(stage: Stage) -> str:
    charge = _charge(stage)
    stage.details["dispute"] = stage.sandbox.dispute(payment_intent=charge["payment_intent"], inquiry=True)["id"]
    return "The bank asks first: no money has moved."


@event("the bank decides the dispute for the shop")
def dispute_won(stage: Stage) -> str:
    stage.sandbox.move_dispute(_dispute_id(stage), status="won")
    return "The dispute is won: the money is back."


@event("the bank decides the dispute for the shopper")
def dispute_lost(stage: Stage) -> str:
    stage.sandbox.move_dispute(_dispute_id(stage), status="lost")
    return "The dispute is lost: the money stays with the shopper."


@event("the provider pays out what it holds, in the order's currency or in euro", needs_order=False)
def payout(stage: Stage) -> str:
    return _pay_out(stage)


@event("the provider pays out another sum than its entries come to", needs_order=False)
def payout_unexplained(stage: Stage) -> str:
    stage.sandbox.adjust(amount=-UNEXPLAINED_MINOR * 10, currency=_currency(stage))
    return _pay_out(stage, wrong_by_minor=UNEXPLAINED_MINOR)


def _pay_out(stage: Stage, *, wrong_by_minor: int = 0) -> str:
    made = stage.sandbox.pay_out(currency=_currency(stage), early=True)
    if wrong_by_minor:
        stage.sandbox.patch(made["id"], amount=made["amount"] + wrong_by_minor)
    for status in ("in_transit", "paid"):
        stage.sandbox.move_payout(made["id"], status=status)
    stage.details["payout"] = made["id"]
    return f"Paid out as {made['id']}; Finance sees it under Payouts within a minute or two."


def _currency(stage: Stage) -> str:
    return stage.order.currency.lower() if stage.number else "eur"


def _dispute_id(stage: Stage) -> str:
    dispute = stage.order.disputes.order_by("-pk").first()
    if dispute is None:
        raise CannotTrigger(f"Order {stage.number} is not disputed: manage.py trigger disputed --order {stage.number}")
    return str(dispute.dispute_id)
