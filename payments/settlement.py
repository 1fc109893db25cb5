"""look() and settle(): the one door through which what a provider says becomes true here.

A look takes its number, asks the provider outside any transaction, then settle() writes everything in ONE transaction:
lock order, then attempt; check; captures, states, ledger, facts; hints used. settle() never sends anything.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog
from django.db import transaction
from django.db.models import F, Q

from integrations import providers
from integrations.contract import (
    PaymentSnapshot,
    PaymentStatus,
    ProviderError,
    ProviderIds,
    UnknownObject,
)
from integrations.failpoints import failpoint
from orders.models import Order
from orders.states import OrderState
from orders.transitions import move_or_record
from payments import inbox, other_intents, sweeping
from payments.calls import money as money_calls
from payments.calls import open as open_calls
from payments.calls import our_step
from payments.captures import record_captures
from payments.cases import of_looks as look_cases
from payments.cases.opening import open_case
from payments.clock import Clock
from payments.disputes.recording import record_disputes
from payments.masking import masked
from payments.models import Look, PaymentAttempt, ProviderEvent
from payments.models.case import CaseKind
from payments.refunds.recording import record_refunds
from payments.retrying import made_again
from payments.states import AttemptState, EventState
from payments.tries import record_tries

log = structlog.get_logger(__name__)

REPEATS = 3
"""How often a look that was overtaken by a newer one is repeated at once."""


class Outcome(StrEnum):
    """What became of a look."""

    SETTLED = "settled"
    OVERTAKEN = "overtaken"
    UNREACHABLE = "unreachable"
    NOTHING_TO_ASK = "nothing_to_ask"
    NOTHING_THERE = "nothing_there"
    """The provider knows no such payment, as is to be expected: money moves by a call of ours, and none has yet."""


@dataclass(frozen=True, slots=True)
class LookResult:
    """`error` is the provider's refusal, where there was one; its text is for staff. `snapshot`: what it said, where it
    was settled."""

    outcome: Outcome
    attempt: PaymentAttempt
    error: ProviderError | None = None
    snapshot: PaymentSnapshot | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """A look that has taken its number. `applied`: the last look that was applied before it; `hints`: the events that
    stood committed, each with the intent it names."""

    number: int
    applied: int
    hints: list[tuple[int, str]]
    attempt: PaymentAttempt


def look(attempt_id: int, *, clock: Clock, actor: str, ids: ProviderIds | None = None) -> LookResult:
    """Ask the provider for the whole payment and settle what it says. Opens its own transactions; never inside one.

    `actor`: who made us look (`worker:inbox`, `return_page`, `user:7`). `ids`: the provider's ids as a verified event
    told them: used while the attempt has none of its own, and to find a second intent of this reference. Whatever is
    found under them must carry our reference.
    """
    result = _look_once(attempt_id, clock=clock, actor=actor, ids=ids)
    for _ in range(REPEATS):
        if result.outcome is not Outcome.OVERTAKEN:
            break
        result = _look_once(attempt_id, clock=clock, actor=actor, ids=ids)
    return result


def _look_once(attempt_id: int, *, clock: Clock, actor: str, ids: ProviderIds | None) -> LookResult:
    begun = _begin(attempt_id)
    attempt = begun.attempt
    asked = attempt.ids if attempt.page_id or attempt.intent_id else ids
    if asked is None or not (asked.page_id or asked.intent_id):
        return LookResult(Outcome.NOTHING_TO_ASK, attempt)
    failpoint("look.before_fetch")
    try:
        snapshot = providers.get(attempt.provider).fetch(asked)
        others = other_intents.of(attempt, ids)
        for intent_id in sorted(others - {snapshot.ids.intent_id}):
            snapshot = other_intents.add(snapshot, intent_id)
    except ProviderError as error:
        return _not_told(attempt_id, error, begun=begun, at=clock(), actor=actor)
    failpoint("look.after_fetch")
    # A hint at an intent that this look did not ask about waits for its own: there may be money on it.
    covered = {"", asked.intent_id, snapshot.ids.intent_id, *others}
    hints = [event_id for event_id, intent_id in begun.hints if intent_id in covered]
    return settle(attempt_id, begun=begun, snapshot=snapshot, hints=hints, at=clock(), actor=actor)


@made_again
def settle(
    attempt_id: int, *, begun: Begun, snapshot: PaymentSnapshot, hints: list[int], at: datetime, actor: str
) -> LookResult:
    """Make true here what a look was told. One transaction; drops a look older than the last one applied.

    `hints`: ids of the events that were committed before the number was taken; they are processed by this.
    """
    number = begun.number
    with transaction.atomic(durable=True):
        order, attempt = lock(attempt_id)
        if number <= attempt.applied_look or _may_be_older(begun, attempt, snapshot):
            return LookResult(Outcome.OVERTAKEN, attempt)
        news = _remember(attempt, number, snapshot, at)
        attempt.applied_look, attempt.looked_at = number, at
        attempt.look_failures, attempt.look_error = 0, ""
        trusted = look_cases.is_ours(order, attempt, snapshot, at)
        if trusted:
            _adopt(attempt, snapshot, at=at)
            record_tries(attempt, snapshot, at=at)
            cause = f"look:{number}"
            trusted = record_captures(order, attempt, snapshot, cause=cause, actor=actor, at=at)
            if snapshot.captures:
                open_calls.answer_by_look(money_calls.of(attempt), at=at)
            record_refunds(order, attempt, snapshot, cause=cause, actor=actor, at=at)
            record_disputes(order, attempt, snapshot, cause=cause, actor=actor, at=at)
            if trusted:
                _follow(order, attempt, snapshot, cause=cause, actor=actor, at=at, news=news)
                if not attempt.captures.exists() and snapshot.status is not PaymentStatus.PAID:
                    our_step.follow(order, attempt, snapshot, number=number, actor=actor, at=at)
        attempt.next_look_at = sweeping.after_look(attempt, order, trusted=trusted, at=at)
        attempt.sweep_lease_until = None
        attempt.save()
        _use(hints, attempt, number, at)
        failpoint("settle.before_commit")
    failpoint("settle.after_commit")
    log.info("settled", attempt=attempt.pk, look=number, state=attempt.state, order=order.number, news=news)
    return LookResult(Outcome.SETTLED, attempt, snapshot=snapshot)


def lock(attempt_id: int) -> tuple[Order, PaymentAttempt]:
    """Lock an attempt's order, then the attempt (the order of locks everywhere). Needs a transaction.

    NO KEY: rows that merely refer to them (events, cases) are written meanwhile, and wait in no ring with us.
    """
    order_id = PaymentAttempt.objects.values_list("order_id", flat=True).get(pk=attempt_id)
    order = Order.objects.select_for_update(no_key=True).get(pk=order_id)
    return order, PaymentAttempt.objects.select_for_update(no_key=True).get(pk=attempt_id)


def _may_be_older(begun: Begun, attempt: PaymentAttempt, snapshot: PaymentSnapshot) -> bool:
    """Say whether this look may have been answered before one that was applied while it asked, and that matters.

    Numbers tell in which order looks began, not in which they were answered. It matters once there is money that may
    go back, or where less money is told than we hold: what was so before would be taken for a contradiction.
    """
    if attempt.applied_look == begun.applied:
        return False
    if attempt.refunds.exists() or attempt.disputes.exists():
        return True
    told = {capture.capture_id for capture in snapshot.captures}
    return attempt.captures.exclude(capture_id__in=told).exists()


@made_again
def _begin(attempt_id: int) -> Begun:
    """Take the next look number, and the hints that stand committed at this moment, each with the intent it names."""
    with transaction.atomic(durable=True):
        attempt = PaymentAttempt.objects.select_for_update(no_key=True).get(pk=attempt_id)
        PaymentAttempt.objects.filter(pk=attempt_id).update(look_number=F("look_number") + 1)
        attempt.look_number += 1
        hints = list(
            ProviderEvent.objects.filter(hinting_at(attempt), state__in=[EventState.RECEIVED, EventState.FAILED])
            .order_by("pk")
            .values_list("pk", "intent_id")
        )
    return Begun(attempt.look_number, attempt.applied_look, hints, attempt)


def hinting_at(attempt: PaymentAttempt) -> Q:
    """Return the filter for inbox rows that speak of this attempt."""
    speaks = Q(attempt=attempt) | Q(attempt=None, reference=attempt.reference)
    for key, value in (("page_id", attempt.page_id), ("intent_id", attempt.intent_id)):
        if value:
            speaks |= Q(attempt=None, reference="", **{key: value})
    # Another account's event is never a hint; its worker ends it with a case (payments/working.py).
    return Q(provider=attempt.provider, mode=attempt.mode, account__in=["", attempt.account]) & speaks


@made_again
def _not_told(attempt_id: int, error: ProviderError, *, begun: Begun, at: datetime, actor: str) -> LookResult:
    """Note that a look got no answer that can be believed, and nothing moves; or that nothing is there yet."""
    with transaction.atomic(durable=True):
        order, attempt = lock(attempt_id)
        if isinstance(error, UnknownObject) and attempt.applied_look != begun.applied:
            return LookResult(Outcome.OVERTAKEN, attempt)  # it may have been asked for before there was anything
        if isinstance(error, UnknownObject) and our_step.may_find_nothing(attempt, at=at):
            return _found_nothing(order, attempt, number=begun.number, at=at, actor=actor)
        attempt.look_failures += 1
        attempt.look_error = f"{error.category}: {error.message}"[:300]
        attempt.next_look_at = sweeping.retry_look(attempt, at=at, asked_to_wait=error.retry_after_seconds)
        attempt.sweep_lease_until = None
        attempt.save(update_fields=["look_failures", "look_error", "next_look_at", "sweep_lease_until"])
        look_cases.tell_of_refused_look(order, attempt, error, at=at)
    log.warning("look_failed", attempt=attempt.pk, category=error.category, failures=attempt.look_failures)
    return LookResult(Outcome.UNREACHABLE, attempt, error)


def _found_nothing(order: Order, attempt: PaymentAttempt, *, number: int, at: datetime, actor: str) -> LookResult:
    """Settle that the provider knows no such payment; as any other answer, only if no later look has been settled."""
    if number <= attempt.applied_look:
        return LookResult(Outcome.OVERTAKEN, attempt)
    attempt.applied_look, attempt.looked_at = number, at
    attempt.look_failures, attempt.look_error = 0, ""
    our_step.found_nothing(order, attempt, number=number, actor=actor, at=at)
    attempt.next_look_at = sweeping.after_look(attempt, order, trusted=True, at=at)
    attempt.sweep_lease_until = None
    attempt.save()
    log.info("settled", attempt=attempt.pk, look=number, state=attempt.state, order=order.number, found=False)
    return LookResult(Outcome.NOTHING_THERE, attempt)


def _remember(attempt: PaymentAttempt, number: int, snapshot: PaymentSnapshot, at: datetime) -> bool:
    """Keep what was said, masked, if it differs from the time before; say whether it does."""
    said = masked(dict(snapshot.raw))
    digest = hashlib.sha256(
        json.dumps(
            [snapshot.status, snapshot.account, snapshot.mode, snapshot.reference, said], sort_keys=True
        ).encode()
    ).hexdigest()
    last = Look.objects.filter(attempt=attempt).order_by("-number").values_list("digest", flat=True).first()
    if last == digest:
        return False
    Look.objects.create(attempt=attempt, number=number, at=at, status=snapshot.status, digest=digest, said=said)
    return True


def _adopt(attempt: PaymentAttempt, snapshot: PaymentSnapshot, *, at: datetime) -> None:
    """Take over the provider's ids, its page's state, and the last decline."""
    known = attempt.ids
    attempt.account = attempt.account or snapshot.account
    attempt.page_id = attempt.page_id or snapshot.ids.page_id
    attempt.intent_id = attempt.intent_id or snapshot.ids.intent_id
    if attempt.ids != known:
        inbox.unpark(attempt, at=at)
    attempt.page_open = snapshot.page_open and not _is_over_for_us(attempt)
    attempt.page_url = snapshot.page_url if attempt.page_open else ""
    attempt.page_expires_at = snapshot.expires_at or attempt.page_expires_at
    attempt.decline_reason = snapshot.decline.reason if snapshot.decline else ""
    attempt.decline_code = snapshot.decline.provider_code[:100] if snapshot.decline else ""
    attempt.in_review = snapshot.in_review


def _is_over_for_us(attempt: PaymentAttempt) -> bool:
    """Say whether nobody can pay there any more, though it stands open at the provider: only calls of ours take money,
    and one is under way, or none will be."""
    return money_calls.moved_by_us(attempt) and (not attempt.is_live or money_calls.of(attempt).exists())


_EVENT_FOR = {
    PaymentStatus.PENDING: ("opened", AttemptState.PENDING),
    PaymentStatus.REQUIRES_ACTION: ("action_required", AttemptState.REQUIRES_ACTION),
    PaymentStatus.AUTHORIZED: ("authorized", AttemptState.AUTHORIZED),
    PaymentStatus.FAILED: ("failed", AttemptState.FAILED),
    PaymentStatus.CANCELLED: ("cancelled", AttemptState.CANCELLED),
}
_ENDED_WITHOUT_MONEY = (AttemptState.FAILED, AttemptState.CANCELLED)


def _follow(
    order: Order,
    attempt: PaymentAttempt,
    snapshot: PaymentSnapshot,
    *,
    cause: str,
    actor: str,
    at: datetime,
    news: bool,
) -> None:
    """Move the attempt's machine after the provider where no capture did (payments/captures.py moves those)."""
    if attempt.captures.exists() or snapshot.status is PaymentStatus.PAID:
        if not snapshot.captures and attempt.captures.exists() and news:
            _contradicted(order, attempt, snapshot, cause=cause, actor=actor, at=at)
        return
    event, target = _EVENT_FOR[snapshot.status]
    if attempt.state == target or attempt.state in _ENDED_WITHOUT_MONEY:
        # An ended attempt is watched (sweeping.next_look) until its page takes no more money; only money moves it.
        return
    row = move_or_record(attempt, event, actor=actor, cause=cause, at=at)
    if row.forbidden:
        _contradicted(order, attempt, snapshot, cause=cause, actor=actor, at=at, recorded=True)
    elif target == AttemptState.FAILED and order.state == OrderState.PLACED:
        our_step.tell_shopper_it_failed(order, attempt, at=at)


def _contradicted(
    order: Order,
    attempt: PaymentAttempt,
    snapshot: PaymentSnapshot,
    *,
    cause: str,
    actor: str,
    at: datetime,
    recorded: bool = False,
) -> None:
    """The provider now tells what our states do not allow: a forbidden row, and a case."""
    if not recorded and snapshot.status is not PaymentStatus.PAID:
        move_or_record(attempt, _EVENT_FOR[snapshot.status][0], actor=actor, cause=cause, at=at)
    open_case(
        CaseKind.FORBIDDEN_TRANSITION,
        subject_kind="attempt",
        subject_id=attempt.pk,
        order=order,
        stake=attempt.amount,
        ours=f"The attempt is {attempt.state}.",
        theirs=f"{attempt.provider} says {snapshot.status}.",
        suggested_fix="Compare the payment at the provider; final states here never roll back by themselves.",
        at=at,
    )


def _use(hints: list[int], attempt: PaymentAttempt, number: int, at: datetime) -> None:
    """Mark the hints as used, and of which attempt: the look may have begun before a worker had matched them."""
    ProviderEvent.objects.filter(pk__in=hints, state__in=[EventState.RECEIVED, EventState.FAILED]).update(
        state=EventState.PROCESSED,
        attempt=attempt,
        used_by_look=number,
        finished_at=at,
        next_try_at=None,
        lease_until=None,
        error="",
    )
