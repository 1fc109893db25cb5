"""What disputes do to the ledger: each movement of the provider's balance, its fee, and what is lost for good.

A movement of a lost dispute is written off as itself, so that it does not matter which is told first, the loss or the
money; the account `disputes` then holds nothing of that dispute.
"""

from __future__ import annotations

from datetime import datetime

from payments import chart, ledger
from payments.models import Dispute, DisputeMovement, LedgerTransaction

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
