"""Cases: opening one, or seeing it again. A case says what is wrong, what is at stake and what to do next."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError, transaction

from integrations import outbox
from orders.models import Order
from orders.money import Money
from payments.models import Case
from payments.models.case import CaseKind


def open_case(
    kind: CaseKind,
    *,
    subject_kind: str,
    subject_id: int,
    ours: str,
    theirs: str,
    suggested_fix: str,
    at: datetime,
    order: Order | None = None,
    stake: Money | None = None,
) -> Case:
    """Open the case of this kind for this subject, or note that it was seen again. Needs a transaction.

    `ours` and `theirs`: one sentence each, without personal data. `suggested_fix`: what a person does next. `stake`:
    the money in question, if any. A case that is new is told to the receivers as the fact `case.opened`.
    """
    case = _see_again(kind, subject_kind, subject_id, theirs, at)
    if case is not None:
        return case
    try:
        with transaction.atomic():
            case = Case.objects.create(
                kind=kind,
                subject_kind=subject_kind,
                subject_id=subject_id,
                order=order,
                opened_at=at,
                last_seen_at=at,
                amount_minor=stake.amount_minor if stake else None,
                currency=stake.currency if stake else "",
                ours=ours,
                theirs=theirs,
                suggested_fix=suggested_fix,
            )
    except IntegrityError:  # another worker opened it a moment ago
        case = _see_again(kind, subject_kind, subject_id, theirs, at)
        if case is None:
            raise
        return case
    outbox.record(
        "case.opened",
        subject_kind="case",
        subject_id=case.pk,
        payload={
            "case": case.pk,
            "kind": case.kind,
            "order": order.number if order else None,
            "amount_minor": case.amount_minor,
            "currency": case.currency,
            "ours": ours,
            "theirs": theirs,
            "suggested_fix": suggested_fix,
        },
        ordering_key=f"order:{order.pk}" if order else "",
        now=at,
    )
    return case


def _see_again(kind: CaseKind, subject_kind: str, subject_id: int, theirs: str, at: datetime) -> Case | None:
    case = (
        Case.objects.select_for_update()
        .filter(kind=kind, subject_kind=subject_kind, subject_id=subject_id, closed_at__isnull=True)
        .first()
    )
    if case is not None:
        case.last_seen_at = max(at, case.last_seen_at)
        case.times_seen += 1
        case.theirs = theirs
        case.save(update_fields=["last_seen_at", "times_seen", "theirs"])
    return case
