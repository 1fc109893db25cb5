"""What refunds do to the ledger: the money leaves the provider's clearing account, and comes back where one fails."""

from __future__ import annotations

from datetime import datetime

from payments import chart, ledger
from payments.chart import clearing
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
