"""Refunds as settlement finds them: one row each, moved after the provider, posted, told; order and attempt follow.

Called inside settle()'s transaction, with order and attempt locked; capture and refund are locked here, in that order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from integrations.contract import PaymentSnapshot, RefundSnapshot
from integrations.facts import Fact
from integrations.failpoints import failpoint
from orders import facts
from orders.models import Order
from orders.money import Money
from orders.refunding import follow_refunds
from orders.transitions import move_or_record
from payments.captures import capture_facts
from payments.models import Capture, PaymentAttempt, Refund
from payments.models.capture import Disposition
from payments.models.refund import Maker
from payments.refunds import calls as refund_calls
from payments.refunds import cases as refund_cases
from payments.refunds.arrival import arrives_by
from payments.refunds.postings import post_refund, post_refund_reversal
from payments.states import UNDECIDED_REFUNDS, RefundState


@dataclass(frozen=True, slots=True, kw_only=True)
class Settling:
    """The transaction refunds are settled in: whose, by whom, because of what, when."""

    order: Order
    attempt: PaymentAttempt
    cause: str
    actor: str
    at: datetime


def record_refunds(
    order: Order, attempt: PaymentAttempt, snapshot: PaymentSnapshot, *, cause: str, actor: str, at: datetime
) -> None:
    """Write what is new among the snapshot's refunds, moving order and attempt. Needs settle()'s locks."""
    if not snapshot.refunds and not attempt.refunds.exists():
        return
    it = Settling(order=order, attempt=attempt, cause=cause, actor=actor, at=at)
    captures = {
        capture.capture_id: capture
        for capture in Capture.objects.select_for_update(no_key=True).filter(attempt=attempt).order_by("pk")
    }
    known = list(Refund.objects.select_for_update(no_key=True, of=("self",)).filter(attempt=attempt).order_by("pk"))
    for told in sorted(snapshot.refunds, key=lambda told: (told.created_at or at, told.refund_id)):
        refund = _the_known(known, told) or _found(it, captures.get(told.capture_id), known, told)
        if refund is not None:
            _follow(it, refund, told)
    for refund in known:
        _give_up_lost(it, refund)


def lock(refund_id: int) -> Refund:
    """Lock a refund after its capture. Needs the locks of its order and attempt."""
    capture_id = Refund.objects.values_list("capture_id", flat=True).get(pk=refund_id)
    capture = Capture.objects.select_for_update(no_key=True).get(pk=capture_id)
    refund = Refund.objects.select_for_update(no_key=True, of=("self",)).get(pk=refund_id)
    refund.capture = capture
    return refund


def accept(it: Settling, refund: Refund, told: RefundSnapshot) -> None:
    """Note the provider's id of a refund of ours, and that the provider has it in hand. Needs the refund's lock."""
    if refund.refund_id or refund.state != RefundState.REQUESTED:
        return
    taken = Refund.objects.filter(provider=refund.provider, account=refund.account, refund_id=told.refund_id)
    if taken.exists():  # a row of another refund: what a look will say decides
        return
    refund.refund_id = told.refund_id
    refund.save(update_fields=["refund_id"])
    move_or_record(refund, "accepted", actor=it.actor, cause=it.cause, at=it.at)


def fail(it: Settling, refund: Refund, *, why: str) -> None:
    """End a refund that did not reach the customer, and put back what had left. Needs the refund's lock.

    `why`: the provider's word or our sentence, for staff.
    """
    was = refund.state
    refund.failed_at, refund.failure_reason = it.at, why[:300]
    refund.save(update_fields=["failed_at", "failure_reason"])
    if move_or_record(refund, "failed", actor=it.actor, cause=it.cause, at=it.at).forbidden:
        return
    had_left = was == RefundState.SUCCEEDED
    if had_left:
        post_refund_reversal(refund, at=it.at)
        _move_order_and_attempt(it, refund.capture)
    if had_left or refund.is_ours:
        _tell(it, refund, Fact.REFUND_FAILED, {"refund_failure": refund.failure_reason, "refund_had_left": had_left})
        refund_cases.tell_of_failure(refund, order=it.order, had_left=had_left, at=it.at)
    refund_cases.forget_provider_refund(refund, at=it.at)


def refunded_minor(capture: Capture) -> int:
    """Return how much of a capture went back, in its minor units."""
    succeeded = Refund.objects.filter(capture=capture, state=RefundState.SUCCEEDED)
    return succeeded.aggregate(total=Sum("amount_minor"))["total"] or 0


def _the_known(known: list[Refund], told: RefundSnapshot) -> Refund | None:
    """Return our row of what the provider tells: by its id, else by our reference while it has none.

    What goes back as a whole goes back once. So where the provider's word for it carries no reference (NMI's void) and
    our own call for the same is sent once and never answered, it is what that call asked for, whoever did it.
    """
    for refund in known:
        if refund.refund_id == told.refund_id:
            return refund
    for refund in known:
        same = (refund.capture.capture_id, refund.amount) == (
            told.capture_id,
            Money(told.amount_minor, told.currency),
        )
        whole = not told.reference and refund.amount_minor == refund.capture.amount_minor
        ours = told.reference == refund.reference or (whole and refund_calls.rests(refund))
        if ours and not refund.refund_id and same:
            return refund
    return None


def _found(it: Settling, capture: Capture | None, known: list[Refund], told: RefundSnapshot) -> Refund | None:
    """Record a refund that nobody asked for here; None where it may yet turn out ours, or has nothing to record: it is
    of no capture we hold, or of amount 0."""
    if capture is None or capture.currency != told.currency:
        refund_cases.tell_of_unknown_capture(told, order=it.order, attempt=it.attempt, at=it.at)
        return None
    if not told.amount_minor:
        refund_cases.tell_of_nothing(told, order=it.order, attempt=it.attempt, at=it.at)
        return None
    for refund in known:
        waits = refund.is_ours and not refund.refund_id and refund.capture_id == capture.pk
        if waits and refund.amount_minor == told.amount_minor and refund_calls.may_be_under_way(refund):
            return None
    refund = Refund.objects.create(
        capture=capture,
        attempt=it.attempt,
        order=it.order,
        provider=capture.provider,
        account=capture.account,
        refund_id=told.refund_id,
        amount_minor=told.amount_minor,
        currency=told.currency,
        made_by=Maker.THEIRS,
        requested_at=told.created_at or it.at,
    )
    if told.status != RefundState.FAILED:
        refund_cases.tell_of_provider_refund(refund, order=it.order, status=told.status, at=it.at)
    return refund


def _follow(it: Settling, refund: Refund, told: RefundSnapshot) -> None:
    """Move one refund to where the provider says it is."""
    if Money(told.amount_minor, told.currency) != refund.amount:
        refund_cases.tell_of_other_amount(refund, told, order=it.order, at=it.at)
        return
    if not refund.refund_id and refund.state == RefundState.FAILED:
        _came_after_all(it, refund, told)
        return
    if not refund.refund_id:
        refund.refund_id = told.refund_id
        refund.save(update_fields=["refund_id"])
    if refund.is_ours:
        refund_calls.answer_by_look(refund, at=it.at)
    if told.status == refund.state:
        return
    if told.status == RefundState.FAILED:
        fail(it, refund, why=told.failure_reason or f"{refund.provider} says that it failed")
        return
    if refund.state not in UNDECIDED_REFUNDS:
        refund_cases.contradict(refund, told, order=it.order, actor=it.actor, cause=it.cause, at=it.at)
        return
    if refund.state == RefundState.REQUESTED:
        move_or_record(refund, "accepted", actor=it.actor, cause=it.cause, at=it.at)
    if told.status == RefundState.SUCCEEDED:
        _succeed(it, refund)


def _succeed(it: Settling, refund: Refund) -> None:
    refund.succeeded_at = it.at
    refund.save(update_fields=["succeeded_at"])
    move_or_record(refund, "succeeded", actor=it.actor, cause=it.cause, at=it.at)
    failpoint("refund.before_posting")
    post_refund(refund, at=it.at)
    went_back = _move_order_and_attempt(it, refund.capture)
    _tell(it, refund, Fact.REFUND_SUCCEEDED, {})
    if went_back >= refund.capture.amount_minor:
        refund_cases.close_returned(refund.capture, order=it.order, action=refund.action, at=it.at)
    if went_back > refund.capture.amount_minor:
        refund_cases.tell_of_excess(refund.capture, went_back, order=it.order, at=it.at)


def _move_order_and_attempt(it: Settling, capture: Capture) -> int:
    """Let both follow what went back of the capture that pays the order; return how much did, in minor units.

    Money that pays no order moves neither: what was paid stays paid.
    """
    went_back = refunded_minor(capture)
    if capture.disposition == Disposition.APPLIED:
        for subject in (it.order, it.attempt):
            follow_refunds(
                subject,
                refunded_minor=went_back,
                total_minor=capture.amount_minor,
                actor=it.actor,
                cause=it.cause,
                at=it.at,
            )
    return went_back


def _came_after_all(it: Settling, refund: Refund, told: RefundSnapshot) -> None:
    """A refund given up as never made is there: its row has ended, so the money is recorded as found there."""
    if told.status == RefundState.FAILED:
        return
    refund_cases.contradict(refund, told, order=it.order, actor=it.actor, cause=it.cause, at=it.at)
    found = _found(it, refund.capture, [], told)
    if found is not None:
        _follow(it, found, told)


def _give_up_lost(it: Settling, refund: Refund) -> None:
    """End a refund of ours whose call was never answered and of which the provider knows nothing, long after."""
    if refund.state != RefundState.REQUESTED or refund.refund_id or not refund_calls.is_lost(refund, at=it.at):
        return
    refund_calls.answer_by_look(refund, at=it.at)
    fail(it, refund, why=f"{refund.provider} never answered and knows no such refund")


def _tell(it: Settling, refund: Refund, fact: Fact, more: dict[str, object]) -> None:
    facts.record(fact, it.order, at=it.at, cause=it.cause, more={**refund_facts(refund, at=it.at), **more})


def refund_facts(refund: Refund, *, at: datetime) -> dict[str, object]:
    """Return what receivers are told of a refund, beside its capture; provider, account and `refund` together name it.

    A refund that the provider refused has no id there: `refund` is then our reference.
    """
    return {
        **capture_facts(refund.capture),
        "refund": refund.refund_id or refund.reference,
        "refund_reference": refund.reference,
        "refunded_at": (refund.succeeded_at or at).isoformat(),
        "refund_arrives_at": arrives_by(refund.succeeded_at or at).isoformat(),
        "refund_amount_minor": refund.amount_minor,
        "refund_currency": refund.currency,
        "refund_display": refund.amount.format(locale=refund.order.locale),
        "refund_of": refund.capture.disposition,
    }
