"""Asking for a refund: its row, the call that will ask the provider, and the looks that follow, committed together."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Sum

from integrations import providers
from integrations.contract import RefundReason
from orders.money import Money
from payments import sweeping
from payments.calls import preparing
from payments.models import Capture, PaymentAttempt, Refund, StaffAction
from payments.models.call import Operation
from payments.models.refund import Maker
from payments.refunds import calls as refund_calls
from payments.states import HELD_REFUNDS


class CannotRefund(Exception):
    """No refund was asked for. The message says why, to the person who wanted it."""


def left_of(capture: Capture) -> Money:
    """Return what of a capture is neither refunded nor reserved for a refund; less than zero is told as zero."""
    held = Refund.objects.filter(capture=capture, state__in=HELD_REFUNDS).aggregate(total=Sum("amount_minor"))["total"]
    return Money(max(capture.amount_minor - (held or 0), 0), capture.currency)


def check_refundable(capture: Capture, amount: Money) -> None:
    """Raise CannotRefund unless this much of the capture can be given back by its provider."""
    if capture.provider not in providers.enabled():
        raise CannotRefund(
            f"{capture.provider} cannot be asked to give money back. Pay the customer another way, and note it."
        )
    left = left_of(capture)
    if amount.currency != capture.currency:
        raise CannotRefund(f"Capture {capture.capture_id} is in {capture.currency}; it is given back in that.")
    if not left.amount_minor:
        raise CannotRefund(f"All of capture {capture.capture_id} is refunded, or about to be.")
    if amount.amount_minor <= 0:
        raise CannotRefund("The amount to refund must be more than nothing.")
    if amount > left:
        raise CannotRefund(f"Only {left} of capture {capture.capture_id} are left to refund, not {amount}.")


def request_refund(
    capture: Capture, *, amount: Money, reason: RefundReason, action: StaffAction | None, at: datetime
) -> Refund:
    """Write a refund of ours down, with the call that asks for it. Needs the locks order → attempt → capture.

    Whoever called sends the call once this is committed (`refund.calls`), and looks; else workers do. Raises
    CannotRefund; the database refuses more than is left even to a caller who does not ask here.
    """
    check_refundable(capture, amount)
    attempt = capture.attempt
    refund = Refund.objects.create(
        capture=capture,
        attempt=attempt,
        order_id=capture.order_id,
        action=action,
        provider=capture.provider,
        account=capture.account,
        amount_minor=amount.amount_minor,
        currency=amount.currency,
        made_by=Maker.OURS,
        reason=reason,
        requested_at=at,
    )
    preparing.prepare(attempt, Operation.REFUND, refund_calls.request_for(refund), at=at, refund=refund)
    watched = sweeping.watch_refunds(attempt, at=at)
    PaymentAttempt.objects.filter(pk=attempt.pk).update(
        next_look_at=min((moment for moment in (attempt.next_look_at, watched) if moment), default=None)
    )
    return refund
