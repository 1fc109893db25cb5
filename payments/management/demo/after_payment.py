"""What `manage.py trigger` can provoke after the payment: refunds, disputes and payouts made at the demo's provider."""

from __future__ import annotations

from payments.management.demo.faults import Stage, event
from payments.management.demo.hands import CannotTrigger
from payments.models import Capture

UNEXPLAINED_MINOR = -123
"""An amount that a payout is made to differ by: no entry of the provider's explains it."""


def _capture(stage: Stage) -> Capture:
    """Return the order's money. Raises CannotTrigger where nothing was captured."""
    capture = Capture.objects.filter(order=stage.order, provider=stage.provider).order_by("-pk").first()
    if capture is None:
        raise CannotTrigger(f"Order {stage.number} has no money yet: manage.py trigger paid --order {stage.number}")
    return capture


@event("somebody refunds all that is left of it in the provider's dashboard")
def refunded(stage: Stage) -> str:
    stage.details["refund"] = stage.hand.refund(_capture(stage))
    return "Refunded at the provider: the order follows by itself, and a Case tells that we did not ask for it."


@event("the bank returns the last refund: the money is back with the provider")
def refund_returned(stage: Stage) -> str:
    refund = stage.order.refunds.exclude(refund_id="").order_by("-pk").first()
    if refund is None:
        raise CannotTrigger(f"Order {stage.number} has no refund yet.")
    stage.hand.return_refund(refund.refund_id)
    return "The refund failed after it had succeeded: money and states go back."


@event("the shopper's bank disputes the payment: the money is withdrawn")
def disputed(stage: Stage) -> str:
    stage.details["dispute"] = stage.hand.dispute(_capture(stage))
    return "Disputed: amount and fee are withdrawn, and there is a deadline to answer."


@event("the shopper's bank asks about the payment before it disputes it")
def inquiry(stage: Stage) -> str:
    stage.details["dispute"] = stage.hand.dispute(_capture(stage), inquiry=True)
    return "The bank asks first: no money has moved."


@event("the bank decides the dispute for the shop")
def dispute_won(stage: Stage) -> str:
    stage.hand.end_dispute(_dispute_id(stage), won=True)
    return "The dispute is won: the money is back."


@event("the bank decides the dispute for the shopper")
def dispute_lost(stage: Stage) -> str:
    stage.hand.end_dispute(_dispute_id(stage), won=False)
    return "The dispute is lost: the money stays with the shopper."


@event("the provider pays out what it holds, in the order's currency or in euro", needs_order=False)
def payout(stage: Stage) -> str:
    return _pay_out(stage)


@event("the provider pays out another sum than its entries come to", needs_order=False)
def payout_unexplained(stage: Stage) -> str:
    return _pay_out(stage, wrong_by_minor=UNEXPLAINED_MINOR)


def _pay_out(stage: Stage, *, wrong_by_minor: int = 0) -> str:
    currency = stage.order.currency if stage.number else "EUR"
    made = stage.hand.pay_out(currency=currency, wrong_by_minor=wrong_by_minor)
    stage.details["payout"] = made
    return f"Paid out as {made}; Finance sees it under Payouts within a minute or two."


def _dispute_id(stage: Stage) -> str:
    dispute = stage.order.disputes.order_by("-pk").first()
    if dispute is None:
        raise CannotTrigger(f"Order {stage.number} is not disputed: manage.py trigger disputed --order {stage.number}")
    return str(dispute.dispute_id)
