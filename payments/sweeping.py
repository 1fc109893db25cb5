"""When to look at an attempt again without being told to: webhooks may be lost, and the provider is the truth.

The schedule keeps every order right within 15 minutes of its payment even if no webhook ever arrives.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from orders.models import Order
from orders.states import OrderState
from payments.calls import money as money_calls
from payments.disputes import watch as dispute_watch
from payments.models import PaymentAttempt
from payments.states import UNDECIDED_REFUNDS, AttemptState, RefundState

# Age of the attempt in seconds → how long to wait for the next look, in seconds.
SCHEDULE: tuple[tuple[int, int], ...] = ((60, 20), (300, 60), (1800, 180), (7200, 600))
SLOWEST_SECONDS = 1800  # a bank debit that takes days is asked for twice an hour
PAGE_STAYS_OPEN_SECONDS = 600  # while somebody can still pay, never look more rarely than this
WATCH_ENDED_SECONDS = (1800, 7200, 21_600, 90_000, 260_000)  # after the attempt began; the last one is three days
WATCH_RETURNED_DAYS = (1, 3, 7, 14, 30)  # a refund that has left may come back for thirty days (Stripe)
RETRY_SECONDS = (5, 15, 30, 60, 120, 300, 600)


def after_look(attempt: PaymentAttempt, order: Order, *, trusted: bool, at: datetime) -> datetime | None:
    """Return when to look again after a look that was settled at `at`; None when nothing is expected any more.

    `trusted`: the payment is what was asked for. One that is not is left alone, but for money on its way back.
    """
    of_payment = next_look(attempt, order, at=at) if trusted else dispute_watch.next_look(attempt, at=at)
    moments = [of_payment, watch_refunds(attempt, at=at), money_calls.next_look(attempt, at=at)]
    return min((moment for moment in moments if moment is not None), default=None)


def watch_refunds(attempt: PaymentAttempt, *, at: datetime) -> datetime | None:
    """Return when to look again for a refund that is not decided, or that has left and may come back; None where there
    is none."""
    moments = []
    for state, requested_at, succeeded_at in attempt.refunds.values_list("state", "requested_at", "succeeded_at"):
        if state in UNDECIDED_REFUNDS:
            moments.append(at + timedelta(seconds=_wait(at - requested_at)))
        elif state == RefundState.SUCCEEDED and succeeded_at is not None:
            moments += [succeeded_at + timedelta(days=days) for days in WATCH_RETURNED_DAYS]
    return min((moment for moment in moments if moment > at), default=None)


def look_now(attempt_ids: Iterable[int], *, at: datetime) -> None:
    """Let workers look at these attempts at once: something hinted at them. In the caller's transaction."""
    ids = PaymentAttempt.objects.filter(pk__in=attempt_ids).order_by("pk")
    due = ids.select_for_update(no_key=True).values_list("pk", flat=True)
    later = Q(next_look_at=None) | Q(next_look_at__gt=at)
    PaymentAttempt.objects.filter(later, pk__in=list(due)).update(next_look_at=at)


def next_look(attempt: PaymentAttempt, order: Order, *, at: datetime) -> datetime | None:
    """Return when to look again after a look that was answered at `at`; None when nothing is expected any more."""
    over = order.state != OrderState.PLACED or at >= order.expires_at
    if attempt.page_open and (over or not attempt.is_live):
        # The page must be closed: the sweeper does it (payments/expiry.py), ever less often where it is refused.
        return at + timedelta(seconds=_wait(at - (attempt.close_requested_at or at)))
    if attempt.state in (AttemptState.FAILED, AttemptState.CANCELLED):
        return _watch_for_late_money(attempt, at=at)
    if not attempt.is_live:
        return dispute_watch.next_look(attempt, at=at)
    wait = _wait(at - attempt.created_at)
    if attempt.page_open:
        wait = min(wait, PAGE_STAYS_OPEN_SECONDS)
    due = at + timedelta(seconds=wait)
    for moment in (attempt.page_expires_at, order.expires_at):
        if moment is not None and at < moment < due:
            due = moment + timedelta(seconds=1)
    return due


def _wait(age: timedelta) -> int:
    return next((seconds for limit, seconds in SCHEDULE if age.total_seconds() < limit), SLOWEST_SECONDS)


def _watch_for_late_money(attempt: PaymentAttempt, *, at: datetime) -> datetime | None:
    """An ended attempt whose page a shopper had may still turn out paid, and its webhook may be lost: look a few
    times more."""
    if attempt.url_given_at is None:
        return None
    moments = (attempt.created_at + timedelta(seconds=seconds) for seconds in WATCH_ENDED_SECONDS)
    return next((moment for moment in moments if moment > at), None)


def retry_look(attempt: PaymentAttempt, *, at: datetime, asked_to_wait: int | None) -> datetime:
    """Return when to look again after a look without an answer; `asked_to_wait`: the provider's Retry-After,
    seconds."""
    step = RETRY_SECONDS[min(attempt.look_failures, len(RETRY_SECONDS)) - 1]
    return at + timedelta(seconds=max(step, min(asked_to_wait or 0, RETRY_SECONDS[-1])))


def due(at: datetime) -> Q:
    """Return the filter for attempts whose next look is due and not in somebody's hands."""
    return Q(next_look_at__lte=at) & (Q(sweep_lease_until=None) | Q(sweep_lease_until__lt=at))


def claim(*, at: datetime, most: int) -> list[int]:
    """Lease up to `most` due attempts to the caller and return their ids."""
    with transaction.atomic(durable=True):
        ids = list(
            PaymentAttempt.objects.filter(due(at))
            .order_by("next_look_at")
            .select_for_update(skip_locked=True, no_key=True)
            .values_list("pk", flat=True)[:most]
        )
        PaymentAttempt.objects.filter(pk__in=ids).update(
            sweep_lease_until=at + timedelta(seconds=settings.LEASE_SECONDS)
        )
    return ids


def put_off(attempt_id: int, *, at: datetime, why: str) -> None:
    """Note that a worker broke down over an attempt, and look again later and later. `why` is for staff."""
    with transaction.atomic(durable=True):
        attempt = PaymentAttempt.objects.select_for_update(no_key=True).get(pk=attempt_id)
        attempt.look_failures += 1
        attempt.look_error = why[:300]
        attempt.next_look_at = retry_look(attempt, at=at, asked_to_wait=None)
        attempt.sweep_lease_until = None
        attempt.save(update_fields=["look_failures", "look_error", "next_look_at", "sweep_lease_until"])
