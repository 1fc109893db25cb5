"""Cases: opening one, or seeing it again. A case says what is wrong, what is at stake and what to do next."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from integrations import outbox
from orders.models import Order
from orders.money import Money
from payments.cases import runbooks
from payments.models import Case
from payments.models.case import CaseKind, Resolution


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
    the money in question, if any. A case that is new is told to the receivers as the fact `case.opened`. One that a
    person has accepted is not opened again before its acceptance ends.
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
            "runbook": runbooks.url_of(case.kind),
        },
        ordering_key=f"order:{order.pk}" if order else "",
        now=at,
    )
    return case


def close_case(
    case: Case, *, resolution: Resolution, at: datetime, user: Any = None, accepted_until: datetime | None = None
) -> None:
    """End an open case. Needs a transaction and the case's row lock. `user`: who decided, none where a rule did.

    `accepted_until`: of an accepted difference, when it must be looked at anew; none means never.
    """
    case.closed_at, case.resolution, case.closed_by, case.accepted_until = at, resolution, user, accepted_until
    case.save(update_fields=["closed_at", "resolution", "closed_by", "accepted_until"])


def close_cases(kinds: Collection[CaseKind], *, order: Order, at: datetime, user: Any) -> list[int]:
    """End the open cases of these kinds about an order, as mended; return their ids. Needs a transaction."""
    found = list(
        Case.objects.select_for_update().filter(kind__in=list(kinds), order=order, closed_at=None).order_by("pk")
    )
    for case in found:
        close_case(case, resolution=Resolution.MENDED, at=at, user=user)
    return [case.pk for case in found]


def _see_again(kind: CaseKind, subject_kind: str, subject_id: int, theirs: str, at: datetime) -> Case | None:
    still_accepted = Q(resolution=Resolution.ACCEPTED) & (Q(accepted_until=None) | Q(accepted_until__gt=at))
    case = (
        Case.objects.select_for_update()
        .filter(Q(closed_at=None) | still_accepted, kind=kind, subject_kind=subject_kind, subject_id=subject_id)
        .order_by("-pk")
        .first()
    )
    if case is not None:
        case.last_seen_at = max(at, case.last_seen_at)
        case.times_seen += 1
        case.theirs = theirs
        case.save(update_fields=["last_seen_at", "times_seen", "theirs"])
    return case
