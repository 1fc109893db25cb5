"""Tells of disputes whose deadline comes near, or has passed, and that nobody has answered: a case, seen again as it
comes nearer. A watch job (payments/monitoring/watch.py)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from orders.models import Order
from payments.cases.opening import close_case, open_case
from payments.disputes import words as dispute_words
from payments.models import Case, Dispute
from payments.models.case import CaseKind, Resolution
from payments.situation import provider_label
from payments.states import DisputeState

TOLD_AT_DAYS = (3, 1, 0)
"""So many days before the deadline it is told; 0: it has passed."""
MOST_A_ROUND = 50


def near(*, at: datetime, within: timedelta = timedelta(days=TOLD_AT_DAYS[0])) -> QuerySet[Dispute]:
    """Return the disputes that wait for our answer and whose deadline is within that span, or has passed."""
    waiting = Dispute.objects.filter(
        state__in=[DisputeState.INQUIRY, DisputeState.OPEN], evidence_submitted_at=None, respond_by__lte=at + within
    )
    return waiting.order_by("respond_by", "pk")


def watch(at: datetime) -> int:
    """Tell of each dispute that has come a step nearer to its deadline; return how many. Opens its own transactions."""
    due = [dispute.pk for dispute in near(at=at) if _step(dispute, at=at) is not None]
    return sum(_tell(dispute_id, at=at) for dispute_id in due[:MOST_A_ROUND])


def end(dispute: Dispute, *, at: datetime) -> None:
    """Close the case of a deadline that is met or past caring about. Needs a transaction."""
    case = (
        Case.objects.select_for_update()
        .filter(
            kind=CaseKind.DISPUTE_DEADLINE, subject_kind=Dispute.SUBJECT_KIND, subject_id=dispute.pk, closed_at=None
        )
        .first()
    )
    if case is not None:
        close_case(case, resolution=Resolution.MENDED, at=at)


def _step(dispute: Dispute, *, at: datetime) -> int | None:
    """Return the step that has come and is not told yet, in days; None where none is."""
    if dispute.respond_by is None:
        return None
    left = dispute.respond_by - at
    come = [days for days in TOLD_AT_DAYS if left <= timedelta(days=days)]
    told = dispute.deadline_told_days
    return min(come) if come and (told is None or min(come) < told) else None


def _tell(dispute_id: int, *, at: datetime) -> bool:
    with transaction.atomic(durable=True):
        order_id = Dispute.objects.values_list("order_id", flat=True).get(pk=dispute_id)
        order = Order.objects.select_for_update(no_key=True).get(pk=order_id)
        dispute = Dispute.objects.select_for_update(no_key=True).get(pk=dispute_id)
        step = _step(dispute, at=at)
        if step is None or not dispute.awaits_answer:
            return False
        dispute.deadline_told_days = step
        dispute.save(update_fields=["deadline_told_days"])
        phrase = dispute_words.countdown_of(dispute, at=at)
        open_case(
            CaseKind.DISPUTE_DEADLINE,
            subject_kind=Dispute.SUBJECT_KIND,
            subject_id=dispute.pk,
            order=order,
            stake=dispute.amount,
            ours=f"Dispute {dispute.dispute_id} has no answer of ours.",
            theirs=f"{provider_label(dispute.provider)} at {dispute_words.stamp(at)}: {phrase}.",
            suggested_fix="Stage the evidence and have it submitted, or accept the dispute.",
            at=at,
        )
    return True
