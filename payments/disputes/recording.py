"""Disputes as settlement finds them: a row each, its state, its money, its facts, its case.

record_disputes() is called by settle() only, inside its transaction, with order and attempt locked. A dispute changes
no order and no attempt.
"""

from __future__ import annotations

from datetime import datetime

from django_fsm import can_proceed

from integrations.contract import DisputeMovement as ToldMovement
from integrations.contract import DisputeSnapshot, PaymentSnapshot
from integrations.facts import Fact
from integrations.failpoints import failpoint
from integrations.redaction import one_line
from orders import facts
from orders.models import Order, Transition
from orders.transitions import move, move_or_record
from payments.captures import capture_facts
from payments.disputes import cases as dispute_cases
from payments.disputes import postings as dispute_ledger
from payments.models import Capture, Dispute, DisputeMovement, PaymentAttempt
from payments.states import UNDECIDED_DISPUTES
from payments.states import DisputeState as State

_STEPS: dict[tuple[str, str], tuple[str, ...]] = {
    (State.INQUIRY, State.WON): ("escalated", "won"),
    (State.INQUIRY, State.LOST): ("escalated", "lost"),
}
"""What must have happened between two looks; everywhere else one event leads there, or none does."""
_EVENT_TO = {
    State.OPEN: "escalated",
    State.UNDER_REVIEW: "answered",
    State.WON: "won",
    State.LOST: "lost",
    State.CLOSED: "closed",
}


def record_disputes(
    order: Order, attempt: PaymentAttempt, snapshot: PaymentSnapshot, *, cause: str, actor: str, at: datetime
) -> None:
    """Write what the snapshot tells of disputes. Needs settle()'s locks; the same snapshot again writes nothing."""
    if not snapshot.disputes:
        return
    captures = {capture.capture_id: capture for capture in attempt.captures.all()}
    for told in sorted(snapshot.disputes, key=lambda told: told.dispute_id):
        capture = captures.get(told.capture_id)
        if capture is None:
            dispute_cases.tell_of_unknown_capture(order, attempt, told, at=at)
        else:
            _record(order, capture, told, cause=cause, actor=actor, at=at)


def blocks_refund(capture: Capture) -> str:
    """Say why money of this capture should not be refunded, as a sentence for whoever asks; empty where nothing speaks
    against it.

    A provider refuses a refund while the bank has the money (Stripe: `charge_disputed`); paying twice is the risk in
    every other case. An inquiry may be ended by a refund: that is said, and not forbidden, so it does not stand here.
    Nor does a dispute that was lowered to 0 while the bank holds nothing.
    """
    chargebacks = capture.disputes.filter(state__in=[State.OPEN, State.UNDER_REVIEW, State.LOST]).order_by("-pk")
    held = next((each for each in chargebacks if each.amount_minor or any(each.outstanding().values())), None)
    if held is None:
        return ""
    if held.state == State.LOST:
        return (
            f"The bank took {held.amount} back for the customer by dispute {held.dispute_id}, which is lost: "
            "a refund would pay them twice."
        )
    return (
        f"The bank has taken {held.amount} back by dispute {held.dispute_id}, which is undecided: "
        "a refund would pay the customer twice. Answer the dispute or accept it."
    )


def warns_refund(capture: Capture) -> str:
    """Return what whoever refunds money of this capture should know first; empty where there is nothing."""
    asked = capture.disputes.filter(state=State.INQUIRY).order_by("-pk").first()
    if asked is None:
        return ""
    return (
        f"The bank inquires about this payment (dispute {asked.dispute_id}). A full refund usually ends the inquiry; "
        "a partial one may not."
    )


def dispute_facts(dispute: Dispute) -> dict[str, object]:
    """Return what receivers are told of a dispute; provider, account and `dispute` together name it."""
    return {
        "dispute": dispute.dispute_id,
        "dispute_state": str(dispute.state),
        "dispute_reason": dispute.reason,
        "dispute_amount_minor": dispute.amount_minor,
        "dispute_currency": dispute.currency,
        "dispute_opened_at": dispute.opened_at.isoformat(),
        "dispute_closed_at": dispute.closed_at.isoformat() if dispute.closed_at else None,
        "respond_by": dispute.respond_by.isoformat() if dispute.respond_by else None,
    }


def _record(order: Order, capture: Capture, told: DisputeSnapshot, *, cause: str, actor: str, at: datetime) -> None:
    dispute = (
        Dispute.objects.select_for_update(no_key=True)
        .filter(provider=capture.provider, account=capture.account, dispute_id=told.dispute_id)
        .first()
    )
    is_new = dispute is None
    if dispute is None:
        dispute = _create(order, capture, told, at=at)
    news = _adopt(dispute, told, at=at)
    moved = _follow(order, dispute, told, cause=cause, actor=actor, at=at)
    paid = [_write(dispute, entry, at=at) for entry in told.movements]
    if dispute.state == State.LOST:
        dispute_ledger.post_losses(dispute, at=at)
    if is_new:
        _tell(Fact.DISPUTE_OPENED, order, dispute, cause=cause, at=at)
    if moved and not dispute.is_undecided:
        _tell(Fact.DISPUTE_CLOSED, order, dispute, cause=cause, at=at)
    if is_new or news or moved or any(paid):
        dispute_cases.follow(order, dispute, at=at)


def _create(order: Order, capture: Capture, told: DisputeSnapshot, *, at: datetime) -> Dispute:
    """Write a new dispute as it must have begun: one that is told as closed was an inquiry, any other a chargeback."""
    began = State.INQUIRY if told.status in (State.INQUIRY, State.CLOSED) else State.OPEN
    return Dispute.objects.create(
        provider=capture.provider,
        account=capture.account,
        dispute_id=told.dispute_id,
        capture=capture,
        attempt_id=capture.attempt_id,
        order=order,
        state=began,
        amount_minor=told.amount_minor,
        currency=told.currency,
        opened_at=told.opened_at or at,
        seen_at=at,
    )


def _adopt(dispute: Dispute, told: DisputeSnapshot, *, at: datetime) -> bool:
    """Take over what can change beside the state; say whether any of it did."""
    now = {
        "amount_minor": told.amount_minor,
        "currency": told.currency,
        "reason": one_line(told.reason)[:60],
        "respond_by": told.respond_by or dispute.respond_by,
        "evidence_submitted_at": (dispute.evidence_submitted_at or at) if told.evidence_submitted else None,
    }
    changed = [name for name, value in now.items() if getattr(dispute, name) != value]
    for name in changed:
        setattr(dispute, name, now[name])
    if "respond_by" in changed:
        dispute.deadline_told_days = None
    if changed:
        dispute.save(update_fields=[*changed, "deadline_told_days"])
    return bool(changed)


def _follow(order: Order, dispute: Dispute, told: DisputeSnapshot, *, cause: str, actor: str, at: datetime) -> bool:
    """Move the dispute's machine after the provider; say whether it moved."""
    if told.status == dispute.state:
        return False
    target = State(told.status)
    events = _STEPS.get((dispute.state, target)) or ((_EVENT_TO[target],) if target in _EVENT_TO else ())
    if not events or not can_proceed(getattr(dispute, events[0])):
        _refuse(order, dispute, told, events, cause=cause, actor=actor, at=at)
        return False
    if target not in UNDECIDED_DISPUTES:
        dispute.closed_at = at
        dispute.save(update_fields=["closed_at"])
    for event in events:
        move(dispute, event, actor=actor, cause=cause, at=at)
    return True


def _refuse(
    order: Order,
    dispute: Dispute,
    told: DisputeSnapshot,
    events: tuple[str, ...],
    *,
    cause: str,
    actor: str,
    at: datetime,
) -> None:
    """The provider tells what the machine does not allow: a forbidden row, once, and a case."""
    last = Transition.objects.filter(subject_kind=Dispute.SUBJECT_KIND, subject_id=dispute.pk).order_by("-sequence")
    known = last.values_list("forbidden", "event").first()
    if events and known != (True, events[0]):
        move_or_record(dispute, events[0], actor=actor, cause=cause, at=at)
    dispute_cases.tell_of_forbidden(order, dispute, told, at=at)


def _write(dispute: Dispute, told: ToldMovement, *, at: datetime) -> bool:
    """Write and post a movement that is not known yet; say whether it was not."""
    same = DisputeMovement.objects.filter(provider=dispute.provider, account=dispute.account, entry_id=told.entry_id)
    if same.exists():
        return False
    movement = DisputeMovement.objects.create(
        dispute=dispute,
        provider=dispute.provider,
        account=dispute.account,
        entry_id=told.entry_id,
        kind=told.kind,
        amount_minor=told.amount_minor,
        fee_minor=told.fee_minor,
        currency=told.currency,
        at=told.at,
        seen_at=at,
    )
    failpoint("dispute.before_posting")
    dispute_ledger.post_movement(movement, at=at)
    return True


def _tell(fact: Fact, order: Order, dispute: Dispute, *, cause: str, at: datetime) -> None:
    more = {**capture_facts(dispute.capture), **dispute_facts(dispute)}
    facts.record(fact, order, at=at, cause=cause, more=more)
