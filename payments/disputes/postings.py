"""What disputes do to the ledger: each movement of the provider's balance, its fee, and what is lost for good.

A movement of a lost dispute is written off as itself, so that it does not matter which is told first, the loss or the
money; the account `disputes` then holds nothing of that dispute.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from payments.ledger import chart
from payments.ledger import posting as ledger
from payments.ledger.causes import Cause, Expected, register, two_sides
from payments.models import Dispute, DisputeMovement, LedgerTransaction
from payments.states import DisputeState

MOVEMENT = "dispute_movement"
FEE = "dispute_fee"
LOSS = "dispute_loss"
"""The causes; their id is the movement's."""


def post_movement(movement: DisputeMovement, *, at: datetime) -> None:
    """Post what a bank took (debit `disputes`, credit the provider's clearing account) or gave back, and the fee."""
    dispute = movement.dispute
    clearing = chart.clearing(movement.provider)
    note = f"dispute {dispute.dispute_id}, entry {movement.entry_id}"
    if movement.amount_minor:
        ledger.post(
            cause_kind=MOVEMENT,
            cause_id=movement.pk,
            amount=movement.withdrawn,
            debit=chart.DISPUTES,
            credit=clearing,
            at=at,
            note=f"{movement.kind.capitalize()} by {note}",
        )
    if movement.fee_minor:
        ledger.post(
            cause_kind=FEE,
            cause_id=movement.pk,
            amount=movement.fee,
            debit=chart.FEES,
            credit=clearing,
            at=at,
            note=f"Fee of {note}",
        )


def post_losses(dispute: Dispute, *, at: datetime) -> None:
    """Write off what a lost dispute took; what is written off already is left alone. Fees are an expense as it is."""
    movements = dispute.movements.filter(amount_minor__gt=0)
    known = LedgerTransaction.objects.filter(cause_kind=LOSS, cause_id__in=movements.values("pk"))
    for movement in movements.exclude(pk__in=known.values("cause_id")):
        ledger.post(
            cause_kind=LOSS,
            cause_id=movement.pk,
            amount=movement.withdrawn,
            debit=chart.DISPUTE_LOSSES,
            credit=chart.DISPUTES,
            at=at,
            note=f"Lost by dispute {dispute.dispute_id}, entry {movement.entry_id}",
        )


def _movements() -> QuerySet[DisputeMovement]:
    return DisputeMovement.objects.select_related("dispute")


def _of_movement(movement: DisputeMovement) -> Expected | None:
    if not movement.amount_minor:
        return None
    clearing = chart.clearing(movement.provider)
    return two_sides(movement.withdrawn, debit=chart.DISPUTES, credit=clearing, at=movement.seen_at)


def _of_fee(movement: DisputeMovement) -> Expected | None:
    if not movement.fee_minor:
        return None
    return two_sides(movement.fee, debit=chart.FEES, credit=chart.clearing(movement.provider), at=movement.seen_at)


def _of_loss(movement: DisputeMovement) -> Expected | None:
    if movement.dispute.state != DisputeState.LOST or not movement.amount_minor:
        return None
    since = max(movement.seen_at, movement.dispute.closed_at or movement.seen_at)
    return two_sides(movement.withdrawn, debit=chart.DISPUTE_LOSSES, credit=chart.DISPUTES, at=since)


register(
    Cause(
        kind=MOVEMENT,
        says="A bank took money back for a dispute, or gave it back.",
        debit="disputes",
        credit="clearing of the provider; the sides change places where money came back",
        rows=_movements,
        expected=_of_movement,
    )
)
register(
    Cause(
        kind=FEE,
        says="The provider took a fee for a dispute, or gave it back.",
        debit="fees",
        credit="clearing of the provider; the sides change places where it gave one back",
        rows=_movements,
        expected=_of_fee,
    )
)
register(
    Cause(
        kind=LOSS,
        says="A dispute was lost: what its bank took is gone.",
        debit="dispute_losses",
        credit="disputes",
        rows=_movements,
        expected=_of_loss,
    )
)
