"""Refunds through the official SDK, over HTTP, against the stand-in for Stripe; webhooks by the real door."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from integrations.contract import RefundReason
from orders.models import Order
from orders.money import Money
from payments.calls import sending as calls
from payments.models import Capture, Case, ProviderCall, Refund
from payments.refunds import requests as refund_requests
from payments.settlement import lock, look
from tests.payments.test_with_sandbox import PAID, Shop, process, shop

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

__all__ = ["process", "shop"]


@pytest.fixture
def paid(shop: Shop) -> Shop:
    shop.control.pay(shop.press_pay().page_id)
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert shop.balance() == PAID
    return shop


def ask(shop: Shop, amount_minor: int) -> Refund:
    """Write a refund down, as an approved act does."""
    with transaction.atomic():
        Order.objects.select_for_update(no_key=True).get(pk=shop.order_id)
        lock(shop.attempt.pk)
        capture = Capture.objects.select_for_update(no_key=True).get()
        return refund_requests.request_refund(
            capture,
            amount=Money(amount_minor, "EUR"),
            reason=RefundReason.REQUESTED_BY_CUSTOMER,
            action=None,
            at=timezone.now(),
        )


def refund(shop: Shop, amount_minor: int) -> Refund:
    made = ask(shop, amount_minor)
    calls.send(made.calls.get().pk, clock=timezone.now)
    look(made.attempt_id, clock=timezone.now, actor="test")
    return Refund.objects.get(pk=made.pk)


def test_it_is_asked_for_as_the_api_documents_and_no_more_is_told(paid: Shop) -> None:
    made = refund(paid, 500)
    assert (made.state, made.refund_id[:3]) == ("succeeded", "re_")
    assert (paid.order.state, paid.attempt.state) == ("partially_refunded", "partially_refunded")
    assert paid.balance() == {**PAID, "clearing:stripe": PAID["clearing:stripe"] - 500, "refunds": 500}
    (asked,) = [each for each in paid.control.requests() if each.path == "/v1/refunds" and each.method == "POST"]
    assert asked.idempotency_key == made.calls.get().idempotency_key
    shown: Any = made.calls.get().request
    assert set(shown) == {"reference", "ids", "capture_id", "amount_minor", "currency", "reason"}
    assert Case.objects.count() == 0


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("backwards", [False, True])
def test_webhooks_in_any_order_and_twice_change_nothing_more(paid: Shop, backwards: bool, times: int) -> None:
    refund(paid, 2000)
    paid.wait_for("charge.refunded")
    assert set(paid.deliver_webhooks(backwards=backwards, times=times)) == {200}
    assert paid.order.state == "refunded"
    assert paid.balance() == {**PAID, "clearing:stripe": PAID["clearing:stripe"] - 2000, "refunds": 2000}
    assert Refund.objects.count() == 1


def test_an_answer_dropped_after_stripe_committed_is_one_refund(paid: Shop) -> None:
    paid.control.fault("drop", method="POST", path_prefix="/v1/refunds", after=True)
    made = ask(paid, 500)
    assert calls.send(made.calls.get().pk, clock=timezone.now).state == "unknown"
    ProviderCall.objects.filter(refund=made).update(next_try_at=timezone.now())
    paid.work()
    made = Refund.objects.get()
    assert (made.state, made.calls.get().state) == ("succeeded", "answered")
    assert paid.balance() == {**PAID, "clearing:stripe": PAID["clearing:stripe"] - 500, "refunds": 500}
    asked = [each for each in paid.control.requests() if each.path == "/v1/refunds" and each.method == "POST"]
    assert [each.replayed for each in asked] == [False, True]


def test_a_look_alone_settles_what_was_never_answered(paid: Shop) -> None:
    paid.control.fault("drop", method="POST", path_prefix="/v1/refunds", after=True)
    made = ask(paid, 500)
    calls.send(made.calls.get().pk, clock=timezone.now)
    look(paid.attempt.pk, clock=timezone.now, actor="test")
    made = Refund.objects.get()
    assert (made.state, made.calls.get().state) == ("succeeded", "answered"), "found by our reference in its metadata"


def test_it_fails_after_it_had_succeeded(paid: Shop) -> None:
    made = refund(paid, 2000)
    paid.control.move_refund(made.refund_id, status="failed", failure_reason="lost_or_stolen_card")
    paid.wait_for("refund.failed")
    paid.deliver_webhooks()
    made = Refund.objects.get()
    assert (made.state, made.failure_reason) == ("failed", "lost_or_stolen_card")
    assert (paid.order.state, paid.attempt.state) == ("paid", "paid")
    assert paid.balance() == {**PAID, "refunds": 0}
    assert [case.kind for case in Case.objects.all()] == ["refund_failed"]


def test_a_disputed_charge_is_refused_for_good(paid: Shop) -> None:
    paid.control.dispute(payment_intent=paid.attempt.intent_id)
    made = refund(paid, 500)
    assert made.state == "failed"
    assert "charge_disputed" in made.failure_reason
    assert "refunds" not in paid.balance()
    assert Case.objects.filter(kind="refund_failed").count() == 1
