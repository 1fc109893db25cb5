"""Fills an OrderView from the database: what the shopper's page is made from. Reads only; never asks the provider."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from django.urls import reverse

from orders.models import Order, Transition
from orders.money import Money
from orders.states import OrderState
from payments.extra_money import held_beyond
from payments.models import Capture, Dispute, PaymentAttempt, Refund
from payments.models.capture import Disposition
from payments.refunds.arrival import arrives_by
from payments.shop.page_data import AttemptView, MoneyBack, OrderView
from payments.states import DisputeState, RefundState
from payments.ways_to_pay import ways_to_pay

PROVIDER_NAMES = {"stripe": "Card or bank (Stripe)", "paypal": "PayPal", "square": "Card (Square)", "nmi": "Card (NMI)"}


def provider_name(provider: str) -> str:
    """Return how a shopper reads the name of a way to pay."""
    return PROVIDER_NAMES.get(provider, provider.title())


def view_of(order: Order, *, now: datetime, paying: bool = False, choosing: bool = False) -> OrderView:
    """Return all that the page of `order` needs at the moment `now`."""
    attempt = order.attempts.order_by("-pk").first()
    extra = held_beyond(order)
    refunds = list(order.refunds.filter(state=RefundState.SUCCEEDED).select_related("capture").order_by("pk"))
    of_payment = [each for each in refunds if each.capture.disposition == Disposition.APPLIED]
    paid_by = order.captures.filter(disposition=Disposition.APPLIED).select_related("attempt").first()
    dispute = _dispute_to_show(order)
    ways = ways_to_pay(order.currency, at=now)
    return OrderView(
        now=now,
        order_number=order.number,
        order_state=order.state,
        total_display=order.total.format(locale=order.locale),
        email=order.email,
        placed_at=order.placed_at,
        expires_at=order.expires_at,
        pay_url=reverse("payments:pay", args=[order.token]),
        order_url=reverse("payments:order", args=[order.token]),
        check_url=reverse("payments:return", args=[order.token]),
        again_url=reverse("storefront:again", args=[order.token]),
        paid_at=order.paid_at,
        closed_at=_closed_at(order),
        attempt=_attempt_view(paid_by.attempt if paid_by else attempt),
        paying=paying,
        choosing=choosing,
        extra_display=_sum_display([amount for _, amount in extra], order),
        extra_at=extra[0][0].created_at if extra else None,
        refunds=tuple(_money_back(each, order) for each in of_payment),
        refunded_display=_sum_display([each.amount for each in of_payment], order),
        extra_refunds=tuple(_money_back(each, order) for each in refunds if each not in of_payment),
        disputed_at=dispute.opened_at if dispute else None,
        disputed_display=dispute.amount.format(locale=order.locale) if dispute else "",
        dispute_lost_at=dispute.closed_at if dispute else None,
        provider_count=sum(way.available for way in ways),
        ways_away=tuple(provider_name(way.provider) for way in ways if not way.available),
    )


def lines_of(order: Order) -> list[dict[str, object]]:
    """Return the order's lines as its pages show them."""
    return [
        {"name": line.name, "quantity": line.quantity, "total_display": line.total.format(locale=order.locale)}
        for line in order.lines.all()
    ]


def version_of(order: Order) -> str:
    """Return a short digest that changes whenever the order's page may read differently."""
    attempt = order.attempts.order_by("-pk").first()
    refunded = order.refunds.filter(state=RefundState.SUCCEEDED).count()
    seen = [order.state, Capture.objects.filter(order=order).count(), refunded]
    seen += order.disputes.order_by("pk").values_list("state", flat=True)
    if attempt is not None:
        seen += [
            attempt.pk,
            attempt.state,
            attempt.page_open,
            attempt.decline_reason,
            attempt.url_given_at is not None,
            attempt.looked_at is not None,
            attempt.look_failures > 0,
        ]
    return hashlib.sha256(json.dumps(seen, default=str).encode()).hexdigest()[:16]


def _dispute_to_show(order: Order) -> Dispute | None:
    """Return the undecided dispute, else the last that was lost, of the money that pays the order."""
    disputes = order.disputes.filter(capture__disposition=Disposition.APPLIED).order_by("-opened_at")
    return disputes.filter(closed_at=None).first() or disputes.filter(state=DisputeState.LOST).first()


def _attempt_view(attempt: PaymentAttempt | None) -> AttemptView | None:
    if attempt is None:
        return None
    return AttemptView(
        state=attempt.state,
        url_given=attempt.url_given_at is not None,
        page_open=attempt.page_open,
        verified_at=attempt.looked_at,
        unreachable=attempt.look_failures > 0,
        pending_since=attempt.url_given_at or attempt.created_at,
        decline_reason=attempt.decline_reason,
        method=provider_name(attempt.provider),
    )


def _closed_at(order: Order) -> datetime | None:
    if order.state not in (OrderState.CANCELLED, OrderState.EXPIRED):
        return None
    return (
        Transition.objects.filter(subject_kind="order", subject_id=order.pk, to_state=order.state)
        .order_by("-sequence")
        .values_list("at", flat=True)
        .first()
    )


def _money_back(refund: Refund, order: Order) -> MoneyBack:
    sent_at = refund.succeeded_at or refund.requested_at
    return MoneyBack(
        amount_display=refund.amount.format(locale=order.locale), at=sent_at, arrives_by=arrives_by(sent_at)
    )


def _sum_display(amounts: list[Money], order: Order) -> str:
    """Return the sum of money as the shopper reads it; each currency by itself, empty for none."""
    sums: dict[str, int] = {}
    for amount in amounts:
        sums[amount.currency] = sums.get(amount.currency, 0) + amount.amount_minor
    return " + ".join(Money(minor, code).format(locale=order.locale) for code, minor in sorted(sums.items()))
