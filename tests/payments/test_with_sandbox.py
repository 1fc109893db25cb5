"""The same stories through the official SDK, over HTTP, against the stand-in for Stripe; webhooks by the real door."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations import providers
from integrations.contract import InvalidRequest, UnknownObject
from integrations.sandbox.control import SandboxControl
from orders.models import Order
from payments import checkout, expiry, sweeping, working
from payments.disputes import evidence
from payments.models import Case, Dispute, LedgerEntry, PaymentAttempt, ProviderCall, ProviderEvent
from payments.settlement import look
from tests.factories import make_order
from tests.sandbox.process import API_KEY, WEBHOOK_SECRET, Receiver, SandboxProcess

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    process = SandboxProcess(tmp_path_factory.mktemp("stripe"), webhook_url="http://127.0.0.1:9/none").start()
    yield process
    process.stop()


DISPUTE_FEE = 1500


class Shop:
    """One order, and the sandbox's levers."""

    def __init__(self, control: SandboxControl, receiver: Receiver) -> None:
        self.control = control
        self.receiver = receiver
        self.order_id = make_order(now=timezone.now()).pk

    def press_pay(self) -> PaymentAttempt:
        checkout.open_attempt(order_id=self.order_id, provider="stripe", clock=timezone.now, actor="shopper")
        return self.attempt

    @property
    def attempt(self) -> PaymentAttempt:
        return PaymentAttempt.objects.filter(order_id=self.order_id).latest("pk")

    @property
    def order(self) -> Order:
        return Order.objects.get(pk=self.order_id)

    def deliver_webhooks(self, *, backwards: bool = False, times: int = 1) -> list[int]:
        """Post what the sandbox has sent so far to the real view, then let the workers work."""
        received = list(self.receiver.received)
        self.receiver.received.clear()
        answers = []
        for sent in reversed(received) if backwards else received:
            for _ in range(times):
                response = Client().post(
                    "/webhooks/stripe/",
                    sent.body,
                    content_type="application/json",
                    headers={"Stripe-Signature": sent.headers["Stripe-Signature"]},
                )
                answers.append(response.status_code)
        self.work()
        return answers

    def work(self) -> None:
        for _ in range(20):
            jobs = working._look_jobs(timezone.now)
            if not jobs:
                return
            for job in jobs:
                job()

    def wait_for(self, type: str) -> None:
        self.receiver.wait_for(lambda: type in self.receiver.types())

    def balance(self) -> dict[str, int]:
        accounts: dict[str, int] = {}
        for entry in LedgerEntry.objects.all():
            accounts[entry.account] = accounts.get(entry.account, 0) + entry.amount_minor
        return accounts


@pytest.fixture
def shop(process: SandboxProcess, settings: Any) -> Iterator[Shop]:
    settings.STRIPE_API_BASE = process.url
    settings.STRIPE_API_KEY = API_KEY
    settings.STRIPE_WEBHOOK_SECRETS = (WEBHOOK_SECRET,)
    settings.PAYMENTS_PROVIDERS = ("stripe",)
    receiver = Receiver()
    process.control.reset()
    process.control.set_webhook(url=receiver.url, secrets=[WEBHOOK_SECRET], retry_seconds=[0.05])
    yield Shop(process.control, receiver)
    receiver.close()


PAID = {"clearing:stripe": 1912, "fees": 88, "sales": -2000}


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("times", [1, 2])
def test_paid(shop: Shop, backwards: bool, times: int) -> None:
    shop.control.pay(shop.press_pay().page_id)
    shop.wait_for("checkout.session.completed")
    assert set(shop.deliver_webhooks(backwards=backwards, times=times)) == {200}
    assert (shop.order.state, shop.attempt.state) == ("paid", "paid")
    assert shop.attempt.captures.get().fee_minor == 88, "2.9 % + 30"
    assert shop.balance() == PAID
    assert not ProviderEvent.objects.exclude(state__in=["processed", "ignored"]).exists()
    assert Case.objects.count() == 0


def test_declined_then_paid(shop: Shop) -> None:
    page = shop.press_pay().page_id
    shop.control.pay(page, card="4000000000009995")
    shop.wait_for("payment_intent.payment_failed")
    shop.deliver_webhooks()
    assert (shop.order.state, shop.attempt.state, shop.attempt.decline_reason) == (
        "placed",
        "pending",
        "insufficient_funds",
    )
    shop.control.pay(page)
    shop.wait_for("checkout.session.completed")
    shop.deliver_webhooks()
    assert shop.order.state == "paid"
    assert shop.balance() == PAID


def test_three_d_secure(shop: Shop) -> None:
    page = shop.press_pay().page_id
    shop.control.pay(page, card="4000002500003155")
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert shop.attempt.state == "requires_action"
    shop.control.authenticate(page)
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert shop.order.state == "paid"


@pytest.mark.parametrize(("success", "order", "attempt"), [(True, "paid", "paid"), (False, "placed", "failed")])
def test_a_bank_debit(shop: Shop, success: bool, order: str, attempt: str) -> None:
    page = shop.press_pay().page_id
    shop.control.pay(page, method="debit")
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert (shop.order.state, shop.attempt.state, shop.attempt.page_open) == ("placed", "pending", False)
    shop.control.settle(page, success=success)
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert (shop.order.state, shop.attempt.state) == (order, attempt)


def test_expired_after_the_page_was_closed_then_late_money(shop: Shop) -> None:
    page = shop.press_pay().page_id
    Order.objects.filter(pk=shop.order_id).update(expires_at=timezone.now() - timedelta(seconds=1))
    PaymentAttempt.objects.update(next_look_at=timezone.now())
    for attempt_id in sweeping.claim(at=timezone.now(), most=5):
        working.work_attempt(attempt_id, clock=timezone.now)
    assert (shop.order.state, shop.attempt.state) == ("expired", "cancelled")
    assert shop.control.get(page)["status"] == "expired"

    shop.control.pay(page, force=True)
    shop.wait_for("payment_intent.succeeded")
    shop.deliver_webhooks()
    assert (shop.order.state, shop.attempt.state) == ("expired", "paid")
    assert shop.balance() == {"clearing:stripe": 1912, "fees": 88, "unapplied": -2000}
    assert [case.kind for case in Case.objects.all()] == ["late_money"]


@pytest.mark.parametrize("again", ["another charge", "another intent"])
def test_paid_twice(shop: Shop, again: str) -> None:
    page = shop.press_pay().page_id
    shop.control.pay(page)
    shop.wait_for("checkout.session.completed")
    shop.deliver_webhooks()
    if again == "another charge":
        shop.control.pay_again(page)
    else:
        shop.control.pay(page, force=True)
    shop.wait_for("charge.succeeded")
    shop.wait_for("payment_intent.succeeded")
    shop.deliver_webhooks()
    assert shop.order.state == "paid"
    assert shop.balance() == {"clearing:stripe": 3824, "fees": 176, "sales": -2000, "unapplied": -2000}
    assert [case.kind for case in Case.objects.all()] == ["double_payment"]


@pytest.mark.parametrize(
    ("change", "kind"), [({"amount": 1}, "amount_mismatch"), ({"currency": "usd"}, "currency_mismatch")]
)
def test_another_amount_or_currency_moves_nothing(shop: Shop, change: dict[str, Any], kind: str) -> None:
    shop.control.pay(shop.press_pay().page_id, **change)
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert (shop.order.state, shop.attempt.state) == ("placed", "pending")
    assert [case.kind for case in Case.objects.all()] == [kind]
    assert sum(shop.balance().values()) == 0
    assert "sales" not in shop.balance()


def test_an_answer_dropped_after_the_provider_committed_opens_one_session(shop: Shop) -> None:
    shop.control.fault("drop", method="POST", path_prefix="/v1/checkout/sessions", after=True)
    shop.press_pay()
    call = ProviderCall.objects.get()
    assert (call.state, shop.attempt.page_url) == ("unknown", "")
    ProviderCall.objects.update(next_try_at=timezone.now())
    shop.work()
    assert ProviderCall.objects.get().state == "answered"
    created = [asked for asked in shop.control.requests() if asked.path == "/v1/checkout/sessions"]
    assert [asked.replayed for asked in created] == [False, True]
    assert len({asked.idempotency_key for asked in created}) == 1


def test_a_refund_made_at_the_provider_is_recorded_and_a_case(shop: Shop) -> None:
    shop.control.pay(shop.press_pay().page_id)
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    shop.control.refund(payment_intent=shop.attempt.intent_id, amount=500)
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert shop.order.state == "partially_refunded"
    assert shop.balance() == {**PAID, "clearing:stripe": PAID["clearing:stripe"] - 500, "refunds": 500}
    assert [case.kind for case in Case.objects.all()] == ["provider_refund"]


def test_a_payment_charged_back_at_once_is_paid_and_a_case(shop: Shop) -> None:
    shop.control.pay(shop.press_pay().page_id, card="4000000000000259")
    shop.wait_for("charge.dispute.funds_withdrawn")
    shop.wait_for("checkout.session.completed")
    assert set(shop.deliver_webhooks()) == {200}
    assert (shop.order.state, shop.attempt.state) == ("paid", "paid")
    dispute = Dispute.objects.get()
    assert (dispute.state, dispute.reason, dispute.awaits_answer) == ("open", "fraudulent", True)
    assert shop.balance() == {
        "clearing:stripe": PAID["clearing:stripe"] - 2000 - DISPUTE_FEE,
        "disputes": 2000,
        "fees": PAID["fees"] + DISPUTE_FEE,
        "sales": -2000,
    }
    case = Case.objects.get()
    assert (case.kind, case.closed_at, case.amount_minor) == ("provider_dispute", None, 2000)


def test_the_bank_decides_and_the_money_follows(shop: Shop) -> None:
    shop.control.pay(shop.press_pay().page_id)
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    told = shop.control.dispute(payment_intent=shop.attempt.intent_id, inquiry=True, reason="general")
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert (Dispute.objects.get().state, shop.balance()) == ("inquiry", PAID)

    shop.control.move_dispute(told["id"], status="needs_response")
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert (Dispute.objects.get().state, shop.balance()["disputes"]) == ("open", 2000)

    shop.control.move_dispute(told["id"], status="won")
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    dispute = Dispute.objects.get()
    assert (dispute.state, dispute.dispute_id, dispute.outstanding()) == ("won", told["id"], {"EUR": 0})
    assert {account: minor for account, minor in shop.balance().items() if minor} == PAID
    assert not Case.objects.filter(closed_at=None).exists()


def test_evidence_is_staged_then_submitted_once_through_the_sdk(shop: Shop) -> None:
    shop.control.pay(shop.press_pay().page_id, card="4000000000000259")
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    dispute, stripe = Dispute.objects.get(), providers.get("stripe")
    pack = evidence.build(dispute, {"shipping_tracking_number": "JJD0099", "uncategorized_text": "It was delivered."})
    stripe.stage_evidence(dispute.dispute_id, pack, idempotency_key="stage-1")
    held = shop.control.get(dispute.dispute_id)
    assert {name: held["evidence"][name] for name in pack} == pack
    assert (held["status"], held["evidence_details"]["submission_count"]) == ("needs_response", 0)

    for _ in range(2):  # the answer was lost: the same key again
        stripe.submit_evidence(dispute.dispute_id, pack, idempotency_key="submit-1")
    assert shop.control.get(dispute.dispute_id)["evidence_details"]["submission_count"] == 1
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    dispute = Dispute.objects.get()
    assert (dispute.state, dispute.awaits_answer) == ("under_review", False)
    with pytest.raises(InvalidRequest):
        stripe.submit_evidence(dispute.dispute_id, pack, idempotency_key="submit-2")


def test_an_answered_inquiry_that_becomes_a_chargeback_waits_for_an_answer(shop: Shop) -> None:
    shop.control.pay(shop.press_pay().page_id, card="4000000000001976")
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    dispute, stripe = Dispute.objects.get(), providers.get("stripe")
    pack = evidence.build(dispute, {})
    stripe.submit_evidence(dispute.dispute_id, pack, idempotency_key="inquiry-1")
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert (Dispute.objects.get().state, Dispute.objects.get().awaits_answer) == ("inquiry", False)

    shop.control.move_dispute(dispute.dispute_id, status="needs_response")
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert (Dispute.objects.get().state, Dispute.objects.get().awaits_answer) == ("open", True)
    stripe.submit_evidence(dispute.dispute_id, pack, idempotency_key="chargeback-1")
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert (Dispute.objects.get().state, Dispute.objects.get().awaits_answer) == ("under_review", False)


def test_a_dispute_is_accepted_through_the_sdk(shop: Shop) -> None:
    shop.control.pay(shop.press_pay().page_id, card="4000000000000259")
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    dispute, stripe = Dispute.objects.get(), providers.get("stripe")
    for _ in range(2):
        stripe.accept_dispute(dispute.dispute_id, idempotency_key="accept-1")
    look(shop.attempt.pk, clock=timezone.now, actor="test")
    assert Dispute.objects.get().state == "lost"
    assert shop.balance()["dispute_losses"] == 2000
    with pytest.raises(InvalidRequest):
        stripe.accept_dispute(dispute.dispute_id, idempotency_key="accept-2")
    with pytest.raises(UnknownObject):
        stripe.accept_dispute("du_nobody", idempotency_key="accept-3")
    with pytest.raises(InvalidRequest, match="no id of Stripe's"):
        stripe.accept_dispute("../charges/ch_1", idempotency_key="accept-4")


def test_a_retired_page_is_closed_at_the_provider(shop: Shop) -> None:
    attempt = shop.press_pay()
    assert expiry.retire(attempt.pk, clock=timezone.now, actor="test").attempt.state == "cancelled"
    assert shop.control.get(attempt.page_id)["status"] == "expired"
