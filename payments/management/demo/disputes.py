"""What the cardholder's bank can do to a payment of the demo: dispute it, ask first, decide."""

from __future__ import annotations

from integrations.sandbox.control import ControlError
from payments.management.demo.faults import CannotTrigger, Stage, event
from payments.models import Dispute
from payments.states import UNDECIDED_DISPUTES


@event("the bank takes the money back: the customer says that nothing came")
def dispute(stage: Stage) -> str:
    _open(stage, inquiry=False)
    return "The bank disputes the payment and holds the money: answer it at /admin/ under Disputes."


@event("the bank asks about the payment first: no money moves yet")
def inquiry(stage: Stage) -> str:
    _open(stage, inquiry=True)
    return "The bank inquires about the payment: answer it at /admin/ under Disputes."


@event("the bank decides the order's dispute for the shop")
def dispute_won(stage: Stage) -> str:
    return _decide(stage, "won", "The dispute is won: the money comes back.")


@event("the bank decides the order's dispute against the shop")
def dispute_lost(stage: Stage) -> str:
    return _decide(stage, "lost", "The dispute is lost: the money is written off.")


def _open(stage: Stage, *, inquiry: bool) -> None:
    if not stage.attempt.intent_id or not stage.order.captures.exists():
        raise CannotTrigger(f"Order {stage.number} is not paid: a bank disputes what was taken. Trigger paid first.")
    told = stage.sandbox.dispute(payment_intent=stage.attempt.intent_id, reason="product_not_received", inquiry=inquiry)
    stage.details["dispute"] = told["id"]


def _decide(stage: Stage, status: str, said: str) -> str:
    found = Dispute.objects.filter(order_id=stage.order.pk, state__in=UNDECIDED_DISPUTES).order_by("-pk").first()
    if found is None:
        raise CannotTrigger(f"Order {stage.number} has no dispute that is undecided. Trigger dispute first.")
    try:
        stage.sandbox.move_dispute(found.dispute_id, status=status)
    except ControlError as refused:
        raise CannotTrigger(f"The bank cannot decide it now: {refused}") from None
    stage.details["dispute"] = found.dispute_id
    return said
