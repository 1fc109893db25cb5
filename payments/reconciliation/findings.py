"""Writing a finding of a run: once, whoever goes on with the run."""

from __future__ import annotations

from datetime import datetime

from orders.money import Money
from payments.models import ReconciliationFinding, ReconciliationRun
from payments.models.reconciliation import Difference, Upshot


def insert(
    run: ReconciliationRun,
    *,
    difference: Difference,
    upshot: Upshot,
    object_id: str,
    attempt_id: int | None,
    order_id: int | None,
    case_id: int | None,
    stake: Money | None,
    ours: str,
    theirs: str,
    at: datetime,
) -> None:
    """Write one finding. One that stands already (the run was stopped after it, and goes on from its last page) stays.

    `ours`, `theirs`: a sentence each, without personal data.
    """
    finding = ReconciliationFinding(
        run=run,
        difference=difference,
        upshot=upshot,
        object_id=object_id,
        order_id=order_id,
        attempt_id=attempt_id,
        case_id=case_id,
        amount_minor=stake.amount_minor if stake else None,
        currency=stake.currency if stake else "",
        ours=ours[:300],
        theirs=theirs[:300],
        at=at,
    )
    ReconciliationFinding.objects.bulk_create([finding], ignore_conflicts=True)
