"""Writing a finding of a run: once, whoever goes on with the run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from orders.money import Money
from payments.models import ReconciliationFinding, ReconciliationRun
from payments.models.reconciliation import Difference, Upshot


class Suspected(Protocol):
    """What a finding is about: an object of the provider's, and the attempt and order of ours where we know them."""

    @property
    def object_id(self) -> str: ...
    @property
    def attempt_id(self) -> int | None: ...
    @property
    def order_id(self) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What we hold and what they tell, a sentence each without personal data, and the money at stake."""

    ours: str
    theirs: str
    stake: Money | None


def insert(
    run: ReconciliationRun,
    suspected: Suspected,
    words: Words,
    *,
    difference: Difference,
    upshot: Upshot,
    at: datetime,
    case_id: int | None = None,
) -> None:
    """Write one finding. One that stands already stays: a run that was stopped after it goes on from its page."""
    finding = ReconciliationFinding(
        run=run,
        difference=difference,
        upshot=upshot,
        object_id=suspected.object_id,
        order_id=suspected.order_id,
        attempt_id=suspected.attempt_id,
        case_id=case_id,
        amount_minor=words.stake.amount_minor if words.stake else None,
        currency=words.stake.currency if words.stake else "",
        ours=words.ours[:300],
        theirs=words.theirs[:300],
        at=at,
    )
    ReconciliationFinding.objects.bulk_create([finding], ignore_conflicts=True)
