"""Double entry: one posting function per cause, each cause posted once. Debit is positive, credit negative.

Nothing posted is ever changed: what turns out wrong is reversed by a posting of its own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from orders.money import Money
from payments.ledger import chart
from payments.ledger.causes import Cause, Expected, register, two_sides
from payments.ledger.chart import clearing
from payments.models import Capture, LedgerEntry, LedgerTransaction, StaffAction
from payments.models.action import ActionState
from payments.models.capture import Disposition

CREDITED = {
    Disposition.APPLIED: chart.SALES,
    Disposition.UNAPPLIED: chart.UNAPPLIED,
    Disposition.SUSPENSE: chart.SUSPENSE,
}
"""Where the money of a capture belongs."""


def post_capture(capture: Capture, *, at: datetime) -> LedgerTransaction:
    """Post money that the provider took for us: debit its clearing account, credit where the money belongs."""
    return post(
        cause_kind="capture",
        cause_id=capture.pk,
        amount=capture.amount,
        debit=clearing(capture.provider),
        credit=CREDITED[Disposition(capture.disposition)],
        at=at,
        note=f"Capture {capture.capture_id}",
    )


def post_fee(capture: Capture, *, at: datetime) -> LedgerTransaction | None:
    """Post what the provider took for a capture, once it has told it; None where that is nothing."""
    fee = capture.fee
    if fee is None or not fee.amount_minor:
        return None
    return post(
        cause_kind="fee",
        cause_id=capture.pk,
        amount=fee,
        debit=chart.FEES,
        credit=clearing(capture.provider),
        at=at,
        note=f"Fee of capture {capture.capture_id}",
    )


def post_application(capture: Capture, *, at: datetime) -> LedgerTransaction:
    """Move money that was held as unapplied to the sale it pays after all (correction “reopen with late money”)."""
    return post(
        cause_kind="application",
        cause_id=capture.pk,
        amount=capture.amount,
        debit=chart.UNAPPLIED,
        credit=chart.SALES,
        at=at,
        note=f"Capture {capture.capture_id} applied to its order",
    )


def _captures() -> QuerySet[Any]:
    """Return all captures; `applied_at`: when a correction applied one that had been held till then."""
    reopened = StaffAction.objects.filter(
        order_id=OuterRef("order_id"), operation="reopen_with_late_money", state=ActionState.EXECUTED
    )
    return Capture.objects.annotate(applied_at=Subquery(reopened.order_by("pk").values("finished_at")[:1]))


def _applied_later() -> QuerySet[Any]:
    """Return the captures of orders that a correction reopened: hardly any, so that the others are not read again."""
    reopened = StaffAction.objects.filter(operation="reopen_with_late_money", state=ActionState.EXECUTED)
    return _captures().filter(order_id__in=reopened.values("order_id"))


def _was_held(capture: Any) -> bool:
    """An order has one applied capture: of a reopened one it is the money that came too late."""
    return capture.applied_at is not None and capture.disposition == Disposition.APPLIED


def _of_capture(capture: Any) -> Expected:
    credit = chart.UNAPPLIED if _was_held(capture) else CREDITED[Disposition(capture.disposition)]
    return two_sides(capture.amount, debit=clearing(capture.provider), credit=credit, at=capture.created_at)


def _of_fee(capture: Any) -> Expected | None:
    fee = capture.fee
    if fee is None or not fee.amount_minor:
        return None
    return two_sides(fee, debit=chart.FEES, credit=clearing(capture.provider), since=capture.created_at)


def _of_application(capture: Any) -> Expected | None:
    if not _was_held(capture):
        return None
    return two_sides(capture.amount, debit=chart.UNAPPLIED, credit=chart.SALES, at=capture.applied_at)


register(
    Cause(
        kind="capture",
        says="A provider took money for us.",
        debit="clearing of the provider",
        credit="sales, where it pays its order; unapplied, where nothing is owed; suspense, where it differs",
        rows=_captures,
        expected=_of_capture,
    )
)
register(
    Cause(
        kind="fee",
        says="The provider told what it took for a capture.",
        debit="fees",
        credit="clearing of the provider",
        rows=Capture.objects.all,
        expected=_of_fee,
    )
)
register(
    Cause(
        kind="application",
        says="Late money was applied to its order by a correction.",
        debit="unapplied",
        credit="sales",
        rows=_applied_later,
        expected=_of_application,
    )
)


def post(
    *, cause_kind: str, cause_id: int, amount: Money, debit: str, credit: str, at: datetime, note: str
) -> LedgerTransaction:
    """Write one transaction of two entries. Needs the caller's transaction, in which its cause becomes true.

    `amount` may be negative: then the sides change places. Raises chart.UnknownAccount, and IntegrityError where this
    cause was posted before.
    """
    for name in (debit, credit):
        chart.account(name)
    posting = LedgerTransaction.objects.create(
        cause_kind=cause_kind, cause_id=cause_id, currency=amount.currency, at=at, note=note[:200]
    )
    LedgerEntry.objects.bulk_create(
        [
            LedgerEntry(transaction=posting, account=debit, amount_minor=amount.amount_minor),
            LedgerEntry(transaction=posting, account=credit, amount_minor=-amount.amount_minor),
        ]
    )
    return posting
