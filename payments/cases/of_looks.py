"""What a look tells people of: an answer that time alone will not mend, and a payment that is not ours.

Called inside settlement's transactions.
"""

from __future__ import annotations

from datetime import datetime

from integrations.contract import ConfigurationError, PaymentSnapshot, ProviderError, UnknownObject, WrongMode
from orders.models import Order
from payments.cases.opening import open_case
from payments.models import PaymentAttempt
from payments.models.case import CaseKind


def tell_of_refused_look(order: Order, attempt: PaymentAttempt, error: ProviderError, *, at: datetime) -> None:
    """Open a case for an answer that time alone will not mend."""
    if isinstance(error, UnknownObject):
        kind = CaseKind.UNKNOWN_OBJECT
        ours = f"{attempt.provider} gave us {attempt.page_id or attempt.intent_id} for this attempt."
        theirs = f"{attempt.provider} knows no such object under our key."
        fix = "See whether the key was changed to another account; put the former one back and look again."
    elif isinstance(error, WrongMode):
        kind, ours, theirs = CaseKind.WRONG_MODE, f"Mode {attempt.mode}.", f"Mode {error.answer.mode}."
        fix = "Find out which key was in use; never mix test and live. Nothing was moved."
    elif isinstance(error, ConfigurationError):
        kind, ours = CaseKind.PROVIDER_CONFIGURATION, f"We asked {attempt.provider} about this attempt."
        theirs = f"It refuses our key: {error.message}"[:500]
        fix = "Mend the key or its permissions; looks go on by themselves."
    else:
        return
    _tell(kind, order, attempt, ours=ours, theirs=theirs, fix=fix, at=at)


def is_ours(order: Order, attempt: PaymentAttempt, snapshot: PaymentSnapshot, at: datetime) -> bool:
    """Check mode, account and reference. What is not ours moves nothing, and a person hears of it."""
    if snapshot.mode != attempt.mode:
        kind, ours, theirs = CaseKind.WRONG_MODE, f"Mode {attempt.mode}.", f"Mode {snapshot.mode}."
        fix = "Find out which key was in use; never mix test and live. Nothing was moved."
    elif attempt.account and snapshot.account != attempt.account:
        kind, ours, theirs = CaseKind.WRONG_ACCOUNT, f"Account {attempt.account}.", f"Account {snapshot.account}."
        fix = "Put back the key of the first account until its payments have ended. Nothing was moved."
    elif snapshot.reference != attempt.reference:
        kind, ours = CaseKind.REFERENCE_MISMATCH, f"Reference {attempt.reference}."
        theirs = f"Reference {snapshot.reference[:80] or '(none)'}."
        fix = "Compare the payment at the provider with this order by hand. Nothing was moved."
    else:
        return True
    _tell(kind, order, attempt, ours=ours, theirs=theirs, fix=fix, at=at)
    return False


def _tell(
    kind: CaseKind, order: Order, attempt: PaymentAttempt, *, ours: str, theirs: str, fix: str, at: datetime
) -> None:
    open_case(
        kind,
        subject_kind="attempt",
        subject_id=attempt.pk,
        order=order,
        stake=attempt.amount,
        ours=ours,
        theirs=theirs,
        suggested_fix=fix,
        at=at,
    )
