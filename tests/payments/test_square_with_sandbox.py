"""Square's stories through the official SDK, over HTTP, against its stand-in; webhooks by the real door."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations.sandbox.square_control import SquareControl
from orders.models import Order
from payments import checkout, sweeping, working
from payments.calls import sending as calls
from payments.ledger import check as ledger_check
from payments.models import Capture, Case, Dispute, LedgerEntry, Look, PaymentAttempt, Payout, ProviderCall, Refund
from payments.models.call import Operation
from payments.payouts import watch as payout_watch
from payments.payouts.mirror import mirror
from payments.states import CallState
from tests.conformance.square import APPLICATION, LOCATION, SIGNATURE_KEY, TOKEN, running
from tests.factories import make_order
from tests.sandbox.process import Receiver, SandboxProcess
from tests.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

FEE = 88  # 2.9 % + 30 of 20.00


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    yield from running(tmp_path_factory.mktemp("square"), webhook_url="http://127.0.0.1:9/none")


class Shop:
    """One order of 20.00 EUR, and the sandbox's levers."""

    def __init__(self, control: SquareControl, receiver: Receiver) -> None:
        self.control = control
        self.receiver = receiver
        self.order_id = make_order(now=timezone.now()).pk

    def press_pay(self) -> PaymentAttempt:
        checkout.open_attempt(order_id=self.order_id, provider="square", clock=timezone.now, actor="shopper")
        return self.attempt

    def pay_in_frame(self, token: str) -> None:
        checkout.pay_with_token(
            order_id=self.order_id,
            reference=self.attempt.reference,
            token=token,
            proof="",
            clock=timezone.now,
            actor="shopper",
        )

    @property
    def attempt(self) -> PaymentAttempt:
        return PaymentAttempt.objects.filter(order_id=self.order_id).latest("pk")

    @property
    def order(self) -> Order:
        return Order.objects.get(pk=self.order_id)

    def hear(self, *, times: int = 1) -> set[int]:
        """Wait until the sandbox has sent all, post it to the real view, let the workers work; what was answered."""
        self.receiver.wait_for(lambda: not self.control.health()["webhooks_queued"])
        received = list(self.receiver.received)
        self.receiver.received.clear()
        answers = set()
        for sent in received * times:
            headers = {name: value for name, value in sent.headers.items() if name.lower().startswith(("x-sq", "sq"))}
            answer = Client().post("/webhooks/square/", sent.body, content_type="application/json", headers=headers)
            answers.add(answer.status_code)
        self.work()
        return answers

    def work(self) -> None:
        for _ in range(20):
            jobs = working._look_jobs(timezone.now)
            if not jobs:
                return
            for job in jobs:
                job()

    def taken(self) -> int:
        """What really moved at the provider, by its own books."""
        return sum(told["captured_minor"] for told in self.control.money())

    def balance(self) -> dict[str, int]:
        accounts: dict[str, int] = {}
        for entry in LedgerEntry.objects.all():
            accounts[entry.account] = accounts.get(entry.account, 0) + entry.amount_minor
        return {account: amount for account, amount in accounts.items() if amount}

    def refund(self, amount_minor: int) -> Refund:
        world = World(provider=None, order=self.order, now=timezone.now())  # type: ignore[arg-type]
        refund = world.ask_refund(amount_minor)
        calls.send(refund.calls.get().pk, clock=timezone.now)
        return refund


@pytest.fixture
def shop(process: SandboxProcess, settings: Any) -> Iterator[Shop]:
    receiver = Receiver()
    settings.PAYMENTS_PROVIDERS = ("square",)
    settings.SQUARE_API_BASE, settings.SQUARE_ACCESS_TOKEN = process.url, TOKEN
    settings.SQUARE_LOCATION_ID, settings.SQUARE_APPLICATION_ID = LOCATION, APPLICATION
    settings.SQUARE_WEBHOOK_SIGNATURE_KEYS, settings.SQUARE_CURRENCY = (SIGNATURE_KEY,), "EUR"
    settings.SQUARE_WEBHOOK_URL = receiver.url
    control = SquareControl(process.url)
    control.reset()
    control.hold_refunds(hold=False)
    control.set_webhook(url=receiver.url, secrets=[SIGNATURE_KEY], retry_seconds=[0.05])
    yield Shop(control, receiver)
    receiver.close()
    assert list(ledger_check.check().findings) == [], "every posting has its cause, and every cause its posting"


@pytest.fixture
def framed(shop: Shop, settings: Any) -> Shop:
    settings.PAYMENTS_PRESENTATION = {"square": "embedded"}
    shop.press_pay()
    return shop


def cases() -> list[str]:
    return sorted(Case.objects.filter(closed_at=None).values_list("kind", flat=True))


@pytest.mark.parametrize("times", [1, 2])
def test_paid_on_the_links_page(shop: Shop, times: int) -> None:
    shop.control.pay_link(shop.press_pay().page_id)
    assert shop.hear(times=times) == {200}
    assert (shop.order.state, shop.attempt.state) == ("paid", "paid")
    assert shop.attempt.captures.get().fee_minor == FEE
    said = Look.objects.filter(attempt=shop.attempt).latest("number").said
    assert said["order"]["reference_id"] == shop.attempt.reference
    assert [each["total_money"]["amount"] for each in said["payments"]] == [2000]
    assert "card_details" not in str(said)
    assert "buyer_email_address" not in str(said)
    assert shop.balance() == {"clearing:square": 2000 - FEE, "fees": FEE, "sales": -2000}
    assert cases() == []


def test_declined_on_the_links_page_and_then_paid(shop: Shop) -> None:
    page = shop.press_pay().page_id
    shop.control.pay_link(page, card="4000000000009995")
    shop.hear()
    assert (shop.attempt.state, shop.attempt.decline_reason) == ("pending", "insufficient_funds")
    shop.control.pay_link(page)
    shop.hear()
    assert shop.order.state == "paid"


def test_a_link_paid_in_two_tabs_is_a_case_and_no_second_sale(shop: Shop) -> None:
    page = shop.press_pay().page_id
    shop.control.pay_link(page)
    shop.control.pay_link(page)
    shop.hear()
    assert sorted(Capture.objects.values_list("disposition", flat=True)) == ["applied", "unapplied"]
    assert shop.balance()["sales"] == -2000
    assert shop.balance()["unapplied"] == -2000
    assert cases() == ["double_payment"]
    assert shop.taken() == 4000


def test_another_amount_pays_nothing_and_is_a_case(shop: Shop) -> None:
    shop.control.pay_link(shop.press_pay().page_id, amount=100)
    shop.hear()
    assert shop.order.state == "placed"
    assert shop.balance()["suspense"] == -100
    assert len(cases()) == 1


def test_an_order_that_runs_out_deletes_its_link_and_late_money_is_a_case(shop: Shop) -> None:
    page = shop.press_pay().page_id
    Order.objects.filter(pk=shop.order_id).update(expires_at=timezone.now() - timedelta(seconds=1))
    PaymentAttempt.objects.update(next_look_at=timezone.now())
    for attempt_id in sweeping.claim(at=timezone.now(), most=5):
        working.work_attempt(attempt_id, clock=timezone.now)
    assert (shop.order.state, shop.attempt.state, shop.attempt.page_open) == ("expired", "cancelled", False)
    assert shop.control.get(shop.attempt.intent_id)["state"] == "CANCELED"
    shop.control.pay_link(page)
    shop.hear()
    assert shop.attempt.state == "paid"
    assert shop.order.state == "expired"
    assert len(cases()) == 1


def test_paid_in_the_frame(framed: Shop) -> None:
    framed.pay_in_frame(framed.control.token())
    framed.hear(times=2)
    assert (framed.order.state, framed.attempt.state) == ("paid", "paid")
    assert framed.attempt.intent_id == Capture.objects.get().capture_id
    assert (framed.taken(), cases()) == (2000, [])


def test_a_lost_answer_takes_the_money_once(framed: Shop) -> None:
    framed.control.fault("drop", path_prefix="/v2/payments", after=True)
    framed.pay_in_frame(framed.control.token())
    call = ProviderCall.objects.get(operation=Operation.PAY)
    assert call.state == CallState.ANSWERED, "the look that follows finds the payment"
    framed.hear()
    assert (framed.order.state, framed.attempt.state) == ("paid", "paid")
    assert (framed.taken(), Capture.objects.count(), cases()) == (2000, 1, [])


def test_a_request_that_never_arrived_is_sent_again_and_pays_once(framed: Shop) -> None:
    """Nothing is charged at Square, and the look says so: the call must not be taken for done."""
    framed.control.fault("drop", path_prefix="/v2/payments")
    framed.pay_in_frame(framed.control.token())
    framed.work()
    call = ProviderCall.objects.get(operation=Operation.PAY)
    assert (call.state, framed.taken()) == (CallState.UNKNOWN, 0)
    ProviderCall.objects.filter(pk=call.pk).update(next_try_at=timezone.now())
    framed.work()
    framed.hear()
    assert (framed.order.state, framed.taken(), cases()) == ("paid", 2000, [])


def test_a_decline_in_the_frame_ends_the_attempt_and_the_next_has_its_own_reference(framed: Shop) -> None:
    first = framed.attempt
    framed.pay_in_frame(framed.control.token(card="4000000000009995"))
    framed.hear()
    first = PaymentAttempt.objects.get(pk=first.pk)
    assert (first.state, first.decline_reason) == ("failed", "insufficient_funds")
    second = framed.press_pay()
    assert second.reference != first.reference
    framed.pay_in_frame(framed.control.token())
    framed.hear()
    assert (framed.order.state, framed.taken()) == ("paid", 2000)


def test_refunds_of_ours_and_theirs(shop: Shop) -> None:
    shop.control.pay_link(shop.press_pay().page_id)
    shop.hear()
    ours = shop.refund(500)
    shop.hear()
    ours = Refund.objects.get(pk=ours.pk)
    assert (ours.state, shop.order.state) == ("succeeded", "partially_refunded")
    shop.control.refund_payment(Capture.objects.get().capture_id, amount=300)
    assert shop.hear(times=2) == {200}
    theirs = Refund.objects.exclude(pk=ours.pk).get()
    assert (theirs.amount_minor, theirs.state) == (300, "succeeded")
    assert cases() == ["provider_refund"]


def test_a_dispute_is_heard_of_by_its_payment_alone(framed: Shop) -> None:
    framed.pay_in_frame(framed.control.token())
    framed.hear()
    made = framed.control.dispute_payment(Capture.objects.get().capture_id)
    framed.hear()
    dispute = Dispute.objects.get()
    assert (dispute.dispute_id, dispute.state) == (made["id"], "open")
    framed.control.decide_dispute(made["id"], state="WON")
    framed.hear()
    assert Dispute.objects.get().state == "won"
    assert framed.order.state == "paid"


def test_a_payout_is_explained_to_the_cent(shop: Shop) -> None:
    shop.control.pay_link(shop.press_pay().page_id)
    shop.hear()
    payout_watch.begin_mirrors(timezone.now())
    shop.refund(500)
    shop.hear()
    made = shop.control.make_payout()["id"]
    shop.control.move_payout(made, status="PAID")
    assert shop.hear() == {200}
    done = mirror("square", clock=timezone.now)
    assert (done.complete, done.error) == (True, None)
    payout = Payout.objects.get(payout_id=made)
    assert (payout.state, payout.amount_minor, payout.remainder_minor) == ("paid", 1500 - FEE, 0)
    assert cases() == []
