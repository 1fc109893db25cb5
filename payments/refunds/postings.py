"""What refunds do to the ledger: the money leaves the provider's clearing account, and comes back where one fails."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from payments.ledger import chart
from payments.ledger import posting as ledger
from payments.ledger.causes import Cause, Expected, register, two_sides
from payments.ledger.chart import clearing
from payments.models import LedgerTransaction, Refund
from payments.models.capture import Disposition

DEBITED = {
    Disposition.APPLIED: chart.REFUNDS,
    Disposition.UNAPPLIED: chart.UNAPPLIED,
    Disposition.SUSPENSE: chart.SUSPENSE,
}
"""What a refund lessens: sales, by their own account, or what was never a sale."""


def post_refund(refund: Refund, *, at: datetime) -> LedgerTransaction:
    """Post a refund that succeeded. Needs the locks of its capture and itself."""
    return ledger.post(
        cause_kind="refund",
        cause_id=refund.pk,
        amount=refund.amount,
        debit=DEBITED[Disposition(refund.capture.disposition)],
        credit=clearing(refund.provider),
        at=at,
        note=f"Refund {refund.refund_id}",
    )


def post_refund_reversal(refund: Refund, *, at: datetime) -> LedgerTransaction:
    """Take back the posting of a refund that failed after it had succeeded: the opposite of what was posted."""
    posted = LedgerTransaction.objects.get(cause_kind="refund", cause_id=refund.pk)
    debited = posted.entries.get(amount_minor__gt=0)
    return ledger.post(
        cause_kind="refund_reversal",
        cause_id=refund.pk,
        amount=refund.amount,
        debit=clearing(refund.provider),
        credit=debited.account,
        at=at,
        note=f"Refund {refund.refund_id} failed",
    )


def _refunds() -> QuerySet[Any]:
    """Return all refunds, each with the keys of its own posting and of the one that applied its capture to the order.

    Both are made under the order's lock, so that the keys tell which came first, whatever the hosts' clocks said.
    """
    own = LedgerTransaction.objects.filter(cause_kind="refund", cause_id=OuterRef("pk"))
    application = LedgerTransaction.objects.filter(cause_kind="application", cause_id=OuterRef("capture_id"))
    return Refund.objects.select_related("capture").annotate(
        posting=Subquery(own.values("pk")[:1]), application=Subquery(application.values("pk")[:1])
    )


def _debited(refund: Any) -> str:
    """Return what a refund lessened at its time: a capture that it failed to give back may have been applied since."""
    held_then = None not in (refund.posting, refund.application) and refund.posting < refund.application
    return chart.UNAPPLIED if held_then else DEBITED[Disposition(refund.capture.disposition)]


def _of_refund(refund: Any) -> Expected | None:
    if refund.succeeded_at is None:
        return None
    return two_sides(refund.amount, debit=_debited(refund), credit=clearing(refund.provider), at=refund.succeeded_at)


def _of_reversal(refund: Any) -> Expected | None:
    if refund.succeeded_at is None or refund.failed_at is None:
        return None
    return two_sides(refund.amount, debit=clearing(refund.provider), credit=_debited(refund), at=refund.failed_at)


register(
    Cause(
        kind="refund",
        says="Money of a capture went back to the customer.",
        debit="refunds, where the capture pays its order; else unapplied or suspense",
        credit="clearing of the provider",
        rows=_refunds,
        expected=_of_refund,
    )
)
register(
    Cause(
        kind="refund_reversal",
        says="A refund failed after it had succeeded: the money came back.",
        debit="clearing of the provider",
        credit="refunds, unapplied or suspense: what the refund had debited",
        rows=_refunds,
        expected=_of_reversal,
    )
)
