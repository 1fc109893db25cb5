"""The cases of disputes: one a dispute, from its opening to its end, and one where what is told cannot be."""

from __future__ import annotations

from datetime import datetime

from integrations.contract import DisputeSnapshot
from orders.models import Order
from orders.money import Money
from payments.cases.opening import close_case, open_case
from payments.disputes import deadlines as dispute_deadlines
from payments.models import Case, Dispute, PaymentAttempt
from payments.models.case import CaseKind, Resolution
from payments.situation import provider_label
from payments.states import DisputeState as State

_ANSWER = "Gather the evidence on the dispute's page, stage it and have it submitted in time; or accept the dispute."
_FIX = {
    State.INQUIRY: "Answer the bank from the dispute's page, or refund the payment, before it becomes a chargeback.",
    State.OPEN: _ANSWER,
    State.UNDER_REVIEW: "Wait for the bank: it has the evidence, which can be sent once.",
    State.WON: "Wait for the money; ask the provider where it stays away.",
    State.LOST: "See whether the goods can be had back and the buyer kept from buying again; then close the case.",
    State.CLOSED: "Nothing to do.",
}


def follow(order: Order, dispute: Dispute, *, at: datetime) -> None:
    """Bring the dispute's case up to its state; close it where the dispute ended well and all its money is back."""
    if not dispute.awaits_answer:
        dispute_deadlines.end(dispute, at=at)
    outstanding = {currency: minor for currency, minor in dispute.outstanding().items() if minor}
    if dispute.state in (State.WON, State.CLOSED) and not outstanding:
        _close(dispute, at=at)
        return
    case = open_case(
        CaseKind.PROVIDER_DISPUTE,
        subject_kind=Dispute.SUBJECT_KIND,
        subject_id=dispute.pk,
        order=order,
        stake=dispute.amount,
        ours=f"Capture {dispute.capture.capture_id} over {dispute.capture.amount} is disputed.",
        theirs=_what_stands(dispute, outstanding),
        suggested_fix=_FIX[State(dispute.state)],
        at=at,
    )
    if case.suggested_fix != _FIX[State(dispute.state)]:
        case.suggested_fix = _FIX[State(dispute.state)]
        case.save(update_fields=["suggested_fix"])


def tell_of_unknown_capture(order: Order, attempt: PaymentAttempt, told: DisputeSnapshot, *, at: datetime) -> None:
    """A dispute of money that we never saw taken: nothing is posted, and a person hears of it."""
    open_case(
        CaseKind.PROVIDER_DISPUTE,
        subject_kind="attempt",
        subject_id=attempt.pk,
        order=order,
        stake=Money(told.amount_minor, told.currency),
        ours=f"We hold no capture {told.capture_id or '(none named)'} of this attempt.",
        theirs=f"{provider_label(attempt.provider)} shows dispute {told.dispute_id} ({told.status}) of it.",
        suggested_fix="Find the payment in the provider's dashboard and answer the dispute there, before its deadline.",
        at=at,
    )


def tell_of_forbidden(order: Order, dispute: Dispute, told: DisputeSnapshot, *, at: datetime) -> None:
    """The provider tells a state that cannot follow the one we hold."""
    open_case(
        CaseKind.FORBIDDEN_TRANSITION,
        subject_kind=Dispute.SUBJECT_KIND,
        subject_id=dispute.pk,
        order=order,
        stake=dispute.amount,
        ours=f"Dispute {dispute.dispute_id} is {_word(dispute.state)}.",
        theirs=f"{provider_label(dispute.provider)} says {_word(told.status)}.",
        suggested_fix="Compare the dispute at the provider. Its money is posted as told; its state here stays.",
        at=at,
    )


def _what_stands(dispute: Dispute, outstanding: dict[str, int]) -> str:
    reason = f": {_word(dispute.reason)}" if dispute.reason else ""
    shown = f"{provider_label(dispute.provider)} shows dispute {dispute.dispute_id} ({_word(dispute.state)})"
    sentences = [f"{shown} over {dispute.amount}{reason}."]
    if dispute.awaits_answer and dispute.respond_by:
        sentences.append(f"Answer it by {dispute.respond_by:%Y-%m-%d %H:%M %Z}.")
    if outstanding:
        amounts = ", ".join(str(Money(minor, currency)) for currency, minor in sorted(outstanding.items()))
        sentences.append(f"The bank holds {amounts}.")
    return " ".join(sentences)


def _close(dispute: Dispute, *, at: datetime) -> None:
    case = (
        Case.objects.select_for_update()
        .filter(
            kind=CaseKind.PROVIDER_DISPUTE,
            subject_kind=Dispute.SUBJECT_KIND,
            subject_id=dispute.pk,
            closed_at=None,
        )
        .first()
    )
    if case is not None:
        ended = Resolution.MENDED if dispute.state == State.WON else Resolution.NO_ERROR
        close_case(case, resolution=ended, at=at)


def _word(value: str) -> str:
    return value.replace("_", " ")
