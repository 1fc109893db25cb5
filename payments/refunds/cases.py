"""What a person hears of refunds: found at the provider, failed, too much, contradicted; which cases they end."""

from __future__ import annotations

from datetime import datetime

from integrations.contract import RefundSnapshot
from orders.models import Order
from orders.money import Money
from orders.transitions import move_or_record
from payments.cases.opening import close_case, open_case
from payments.models import Capture, Case, PaymentAttempt, Refund, StaffAction
from payments.models.capture import Disposition
from payments.models.case import CaseKind, Resolution

_EVENT_FOR = {"pending": "accepted", "succeeded": "succeeded", "failed": "failed"}


def tell_of_provider_refund(refund: Refund, *, order: Order, status: str, at: datetime) -> None:
    """Open a case for a refund that nobody asked for here."""
    open_case(
        CaseKind.PROVIDER_REFUND,
        subject_kind=Refund.SUBJECT_KIND,
        subject_id=refund.pk,
        order=order,
        stake=refund.amount,
        ours=f"Nobody asked here for a refund of capture {refund.capture.capture_id}.",
        theirs=f"{refund.provider} shows refund {refund.refund_id} over {refund.amount} ({status}).",
        suggested_fix=(
            "It is recorded and posted. Find out in the provider's dashboard who made it and why, tell the customer, "
            "then close this case. Nobody you know? See who has access to the dashboard and to the key."
        ),
        at=at,
    )


def tell_of_unknown_capture(told: RefundSnapshot, *, order: Order, attempt: PaymentAttempt, at: datetime) -> None:
    """Open a case for a refund of money that we do not hold, or in another currency: it has no row."""
    if told.status == "failed":
        return
    open_case(
        CaseKind.PROVIDER_REFUND,
        subject_kind=PaymentAttempt.SUBJECT_KIND,
        subject_id=attempt.pk,
        order=order,
        stake=Money(told.amount_minor, told.currency),
        ours=f"We hold no capture {told.capture_id[:80] or '(none named)'} in {told.currency} of this attempt.",
        theirs=f"{attempt.provider} shows refund {told.refund_id} of it ({told.status}).",
        suggested_fix="Compare payment and refund at the provider by hand; nothing was posted.",
        at=at,
    )


def tell_of_nothing(told: RefundSnapshot, *, order: Order, attempt: PaymentAttempt, at: datetime) -> None:
    """Open a case for a refund of amount 0: no money went back, so it has no row and no posting."""
    if told.status == "failed":
        return
    open_case(
        CaseKind.PROVIDER_REFUND,
        subject_kind=PaymentAttempt.SUBJECT_KIND,
        subject_id=attempt.pk,
        order=order,
        stake=Money(0, told.currency),
        ours="A refund gives something back.",
        theirs=f"{attempt.provider} shows refund {told.refund_id} over {Money(0, told.currency)} ({told.status}).",
        suggested_fix="Ask the provider what it stands for; nothing was posted. Accept the case if it stays so.",
        at=at,
    )


def tell_of_failure(refund: Refund, *, order: Order, had_left: bool, at: datetime) -> None:
    """Open a case: the customer does not have the money, though somebody meant them to."""
    open_case(
        CaseKind.REFUND_FAILED,
        subject_kind=Refund.SUBJECT_KIND,
        subject_id=refund.pk,
        order=order,
        stake=refund.amount,
        ours=(
            f"{refund} had gone out on {refund.succeeded_at:%d %B %Y}; the customer was told so."
            if had_left
            else f"We asked {refund.provider} for {refund}."
        ),
        theirs=f"{refund.provider}: {refund.failure_reason}"[:500],
        suggested_fix=(
            "The money is back with the provider. Tell the customer, and ask for another way (a bank transfer, say)."
            if had_left
            else "No money went back. Mend what the provider names, then refund again; or pay the customer another way."
        ),
        at=at,
    )


def tell_of_excess(capture: Capture, went_back_minor: int, *, order: Order, at: datetime) -> None:
    """Open a case for a capture of which more went back than it took."""
    went_back = Money(went_back_minor, capture.currency)
    open_case(
        CaseKind.REFUND_EXCESS,
        subject_kind="capture",
        subject_id=capture.pk,
        order=order,
        stake=Money(went_back_minor - capture.amount_minor, capture.currency),
        ours=f"Capture {capture.capture_id} took {capture.amount}.",
        theirs=f"{capture.provider} has given {went_back} of it back.",
        suggested_fix="Ask the provider how this can be, and claim back what is too much.",
        at=at,
    )


def tell_of_other_amount(refund: Refund, told: RefundSnapshot, *, order: Order, at: datetime) -> None:
    """Open a case for a refund that the provider now tells with another amount; nothing moves."""
    theirs = Money(told.amount_minor, told.currency)
    open_case(
        CaseKind.AMOUNT_MISMATCH if theirs.currency == refund.currency else CaseKind.CURRENCY_MISMATCH,
        subject_kind=Refund.SUBJECT_KIND,
        subject_id=refund.pk,
        order=order,
        stake=theirs,
        ours=f"{refund}.",
        theirs=f"{refund.provider} says {theirs}.",
        suggested_fix="Compare the refund at the provider; nothing was moved after it said this.",
        at=at,
    )


def contradict(refund: Refund, told: RefundSnapshot, *, order: Order, actor: str, cause: str, at: datetime) -> None:
    """Write the forbidden row, once while its case is open, and open the case."""
    kind = CaseKind.FORBIDDEN_TRANSITION
    subject = {"subject_kind": Refund.SUBJECT_KIND, "subject_id": refund.pk}
    if not Case.objects.filter(kind=kind, closed_at=None, **subject).exists():
        move_or_record(refund, _EVENT_FOR[told.status], actor=actor, cause=cause, at=at)
    open_case(
        kind,
        subject_kind=Refund.SUBJECT_KIND,
        subject_id=refund.pk,
        order=order,
        stake=refund.amount,
        ours=f"{refund} is {refund.state}.",
        theirs=f"{refund.provider} says that refund {told.refund_id} is {told.status}.",
        suggested_fix="Compare the refund at the provider; final states here never roll back by themselves.",
        at=at,
    )


def forget_provider_refund(refund: Refund, *, at: datetime) -> None:
    """A refund found at the provider has failed: nobody's money is gone, so its case ends."""
    _close({CaseKind.PROVIDER_REFUND}, Refund.SUBJECT_KIND, refund.pk, at=at)


def close_returned(capture: Capture, *, order: Order, action: StaffAction | None, at: datetime) -> None:
    """All of a capture went back: where it paid nothing, the case that told of it is mended."""
    if capture.disposition == Disposition.APPLIED:
        return
    _close({CaseKind.DOUBLE_PAYMENT}, "capture", capture.pk, at=at, action=action)
    still_held = Capture.objects.filter(attempt=capture.attempt_id, disposition=capture.disposition).exclude(
        pk=capture.pk
    )
    if not still_held.exists():
        kinds = {CaseKind.LATE_MONEY, CaseKind.AMOUNT_MISMATCH, CaseKind.CURRENCY_MISMATCH}
        _close(kinds, PaymentAttempt.SUBJECT_KIND, capture.attempt_id, at=at, action=action)


def _close(
    kinds: set[CaseKind], subject_kind: str, subject_id: int, *, at: datetime, action: StaffAction | None = None
) -> None:
    found = Case.objects.select_for_update().filter(
        kind__in=kinds, subject_kind=subject_kind, subject_id=subject_id, closed_at=None
    )
    for case in found.order_by("pk"):
        close_case(case, resolution=Resolution.MENDED, at=at, user=action.requested_by if action else None)
