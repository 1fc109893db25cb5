"""Double entry: one posting function per cause, each cause posted once. Debit is positive, credit negative."""

from __future__ import annotations

from datetime import datetime

from orders.money import Money
from payments.models import Capture, LedgerEntry, LedgerTransaction
from payments.models.capture import Disposition

SALES = "sales"
UNAPPLIED = "unapplied"
SUSPENSE = "suspense"

_CREDITED = {
    Disposition.APPLIED: SALES,
    Disposition.UNAPPLIED: UNAPPLIED,
    Disposition.SUSPENSE: SUSPENSE,
}


def clearing(provider: str) -> str:
    """Return the account of what a provider holds for us until it pays out."""
    return f"clearing:{provider}"


def post_capture(capture: Capture, *, at: datetime) -> LedgerTransaction:
    """Post money that the provider took for us: debit its clearing account, credit where the money belongs."""
    return _post(
        cause_kind="capture",
        cause_id=capture.pk,
        amount=capture.amount,
        debit=clearing(capture.provider),
        credit=_CREDITED[Disposition(capture.disposition)],
        at=at,
        note=f"Capture {capture.capture_id}"[:200],
    )


def post_application(capture: Capture, *, at: datetime) -> LedgerTransaction:
    """Move money that was held as unapplied to the sale it pays after all (correction “reopen with late money”)."""
    return _post(
        cause_kind="application",
        cause_id=capture.pk,
        amount=capture.amount,
        debit=UNAPPLIED,
        credit=SALES,
        at=at,
        note=f"Capture {capture.capture_id} applied to its order"[:200],
    )


def _post(
    *, cause_kind: str, cause_id: int, amount: Money, debit: str, credit: str, at: datetime, note: str
) -> LedgerTransaction:
    posting = LedgerTransaction.objects.create(
        cause_kind=cause_kind, cause_id=cause_id, currency=amount.currency, at=at, note=note
    )
    LedgerEntry.objects.bulk_create(
        [
            LedgerEntry(transaction=posting, account=debit, amount_minor=amount.amount_minor),
            LedgerEntry(transaction=posting, account=credit, amount_minor=-amount.amount_minor),
        ]
    )
    return posting
