"""NMI's stories over HTTP against its stand-in: one post, whatever its answer; looks settle it; the real door."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from integrations.contract import RefundReason
from integrations.sandbox.nmi_control import NmiControl
from orders.models import Order
from orders.money import Money
from payments import checkout, expiry, settlement, working
from payments.calls import answers as call_answers
from payments.calls import sending as calls
from payments.models import Capture, Case, LedgerEntry, PaymentAttempt, ProviderCall, ProviderEvent, Refund
from payments.models.call import Operation
from payments.reconciliation.lists import reconcile
from payments.refunds import requests as refund_requests
from payments.settlement import lock, look
from tests.conformance.stands.nmi import MERCHANT, SECURITY_KEY, TOKENIZATION_KEY, NmiStand
from tests.factories import make_order
from tests.sandbox.process import Receiver, SandboxProcess

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

PAID = {"clearing:nmi": 2000, "sales": -2000}
TRANSACT = "/api/transact.php"
EXPIRED_CARD = "4000000000000069"


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    process = SandboxProcess(
        tmp_path_factory.mktemp("nmi"), provider="nmi", webhook_url="http://127.0.0.1:9/none",
        webhook_secret=NmiStand.secrets[0], arguments=("--account", MERCHANT),
    ).start()  # fmt: skip
    yield process
    process.stop()


class Shop:
    """One order of 20.00 EUR, the gateway's levers, and a clock that may be ahead."""

    def __init__(self, control: NmiControl, receiver: Receiver) -> None:
        self.control, self.receiver = control, receiver
        self.ahead = timedelta()
        self.order_id = make_order(now=timezone.now()).pk

    def clock(self) -> datetime:
        return timezone.now() + self.ahead

    def press_pay(self) -> PaymentAttempt:
        checkout.open_attempt(order_id=self.order_id, provider="nmi", clock=self.clock, actor="shopper")
        return self.attempt

    def pay(self, *, card: str = "4111111111111111", token: str = "") -> PaymentAttempt:
        """Have the frames make a token, and post it."""
        return checkout.pay_with_token(
            order_id=self.order_id,
            reference=self.attempt.reference,
            token=token or self.control.token(card=card),
            clock=self.clock,
            actor="shopper",
        )

    def posts(self) -> int:
        return len(self.control.requests(path_prefix=TRANSACT))

    def work(self) -> None:
        for _ in range(20):
            jobs = working._look_jobs(self.clock)
            if not jobs:
                return
            for job in jobs:
                job()

    def deliver_webhooks(self, *, backwards: bool = False, times: int = 1) -> list[int]:
        received = list(self.receiver.received)
        self.receiver.received.clear()
        return [
            Client()
            .post(
                "/webhooks/nmi/",
                sent.body,
                content_type="application/json",
                headers={"Webhook-Signature": sent.headers["Webhook-Signature"]},
            )
            .status_code
            for sent in (reversed(received) if backwards else received)
            for _ in range(times)
        ]

    @property
    def attempt(self) -> PaymentAttempt:
        return PaymentAttempt.objects.filter(order_id=self.order_id).latest("pk")

    @property
    def order(self) -> Order:
        return Order.objects.get(pk=self.order_id)

    @property
    def call(self) -> ProviderCall:
        return ProviderCall.objects.get(operation=Operation.PAY)

    def balance(self) -> dict[str, int]:
        accounts: dict[str, int] = {}
        for entry in LedgerEntry.objects.all():
            accounts[entry.account] = accounts.get(entry.account, 0) + entry.amount_minor
        return {account: minor for account, minor in accounts.items() if minor}

    def cases(self) -> list[str]:
        return sorted(Case.objects.filter(closed_at=None).values_list("kind", flat=True))


@pytest.fixture
def shop(process: SandboxProcess, settings: Any) -> Iterator[Shop]:
    settings.PAYMENTS_PROVIDERS = ("nmi",)
    settings.NMI_SECURITY_KEY, settings.NMI_TOKENIZATION_KEY = SECURITY_KEY, TOKENIZATION_KEY
    settings.NMI_WEBHOOK_SIGNING_KEYS, settings.NMI_MERCHANT_ID = NmiStand.secrets[:1], MERCHANT
    settings.NMI_API_BASE = process.url
    control, receiver = NmiControl(process.url), Receiver()
    control.reset()
    control.set_webhook(url=receiver.url, secrets=[NmiStand.secrets[0]], retry_seconds=[0.05])
    yield Shop(control, receiver)
    receiver.close()


def test_paid_in_one_post_and_told_by_its_webhook_in_any_order(shop: Shop) -> None:
    shop.press_pay()
    assert shop.pay().state == "paid"
    assert (shop.order.state, shop.posts(), shop.balance()) == ("paid", 1, PAID)
    shop.receiver.wait_for(lambda: len(shop.receiver.received) == 1)
    assert shop.deliver_webhooks(times=3) == [200, 200, 200]
    shop.work()
    assert list(ProviderEvent.objects.values_list("state", "attempt")) == [("processed", shop.attempt.pk)]
    assert (shop.cases(), shop.balance()) == ([], PAID)
    assert shop.attempt.mode == "test"
    assert shop.attempt.account == MERCHANT


def test_waiting_for_the_shopper_is_no_anomaly(shop: Shop) -> None:
    shop.press_pay()
    for minutes in (1, 5, 20):
        shop.ahead = timedelta(minutes=minutes)
        shop.work()
    assert (shop.attempt.state, shop.order.state, shop.cases()) == ("pending", "placed", [])
    assert shop.attempt.look_failures == 0
    assert shop.posts() == 0


def test_declined_and_then_another_attempt_pays(shop: Shop) -> None:
    first = shop.press_pay()
    assert shop.pay(card=EXPIRED_CARD).state == "failed"
    assert shop.attempt.decline_reason == "expired_card"
    second = shop.press_pay()
    assert second.pk != first.pk
    assert shop.pay().state == "paid"
    assert (shop.order.state, shop.posts(), shop.balance(), shop.cases()) == ("paid", 2, PAID, [])


@pytest.mark.parametrize("fault", ["drop", "html_502"])
def test_a_sale_whose_answer_was_lost_is_found_by_its_order_id_and_never_posted_again(shop: Shop, fault: str) -> None:
    shop.press_pay()
    shop.control.fault(fault, path_prefix=TRANSACT, after=True)
    assert shop.pay().state == "paid"
    for _ in range(3):
        shop.pay()
    shop.ahead = timedelta(hours=1)
    shop.work()
    assert (shop.order.state, shop.posts(), shop.balance(), shop.cases()) == ("paid", 1, PAID, [])


def test_a_sale_that_never_happened_fails_once_not_found_counts_and_the_shopper_can_pay_again(shop: Shop) -> None:
    shop.press_pay()
    shop.control.fault("drop", path_prefix=TRANSACT)
    assert shop.pay().state == "pending"
    assert shop.call.state == "unknown"
    with pytest.raises(checkout.CannotPay):
        checkout.open_attempt(order_id=shop.order_id, provider="nmi", clock=shop.clock, actor="shopper", anew=True)
    shop.ahead = timedelta(minutes=10)
    shop.work()
    assert (shop.attempt.state, shop.call.state, shop.call.error_category) == ("failed", "answered", "not_found")
    assert shop.control.sales() == []
    shop.press_pay()
    token = shop.control.token()
    assert shop.pay(token=token).state == "paid"
    assert len(shop.control.sales()) == 1
    assert shop.balance() == PAID


def test_a_report_that_lags_does_not_hide_what_was_answered(shop: Shop) -> None:
    shop.press_pay()
    shop.control.configure(list_lag_seconds=3600)
    assert shop.pay().state == "paid", "the answer told its id, and by its id it is found at once"
    assert shop.posts() == 1


def test_a_lost_answer_and_a_report_that_lags_end_paid_once_it_tells(shop: Shop) -> None:
    shop.press_pay()
    shop.control.configure(list_lag_seconds=3600)
    shop.control.fault("drop", path_prefix=TRANSACT, after=True)
    assert shop.pay().state == "pending"
    shop.control.configure(list_lag_seconds=0)
    shop.ahead = timedelta(minutes=2)
    shop.work()
    assert (shop.attempt.state, shop.order.state, shop.posts()) == ("paid", "paid", 1)


def test_money_that_came_after_we_gave_it_up_is_late_money(shop: Shop) -> None:
    """A report that lags longer than anybody knows: the money is found by its webhook, and a person hears of it."""
    shop.press_pay()
    shop.control.configure(list_lag_seconds=100_000)
    shop.control.fault("drop", path_prefix=TRANSACT, after=True)
    shop.pay()
    shop.ahead = timedelta(minutes=10)
    shop.work()
    assert shop.attempt.state == "failed"
    shop.control.configure(list_lag_seconds=0)
    shop.receiver.wait_for(lambda: len(shop.receiver.received) == 1)
    assert shop.deliver_webhooks() == [200]
    shop.work()
    assert shop.attempt.state == "paid"
    assert shop.order.state == "paid"
    assert shop.cases() == ["late_money"]
    assert shop.balance() == PAID


def test_the_shopper_chooses_another_way_before_paying(shop: Shop) -> None:
    attempt = shop.press_pay()
    result = expiry.retire(attempt.pk, clock=shop.clock, actor="shopper")
    assert result.attempt.state == "cancelled"
    with pytest.raises(checkout.CannotPay):
        shop.pay()
    assert shop.posts() == 0


def test_an_order_whose_time_is_over_expires_without_anything_at_nmi(shop: Shop) -> None:
    shop.press_pay()
    shop.ahead = timedelta(hours=2)
    shop.work()
    assert shop.attempt.state == "cancelled"
    expiry.expire_order(shop.order_id, clock=shop.clock, actor="worker:keep")
    assert (shop.order.state, shop.cases()) == ("expired", [])


def test_a_second_sale_in_the_virtual_terminal_is_a_case(shop: Shop) -> None:
    attempt = shop.press_pay()
    shop.pay()
    shop.control.sell(order_id=attempt.reference, amount=2000, currency="EUR")
    shop.receiver.wait_for(lambda: len(shop.receiver.received) == 2)
    shop.deliver_webhooks(backwards=True)
    shop.work()
    assert shop.cases() == ["double_payment"]
    assert shop.balance() == {**PAID, "clearing:nmi": 4000, "unapplied": -2000}


class Killed(BaseException):
    """What no handler catches, as the death of a process is."""


@pytest.mark.parametrize(
    "step",
    [
        "payment.committed", "call.before_send", "call.after_send", "call.before_store", "call.after_store",
        "look.before_fetch", "look.after_fetch", "settle.before_commit", "settle.after_commit",
    ],
)  # fmt: skip
def test_killed_at_each_step_it_is_posted_once_at_most_and_ends(
    step: str, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.press_pay()
    armed = [step]

    def failpoint(name: str) -> None:
        if armed and armed[0] == name:
            armed.clear()
            raise Killed(name)

    for module in (checkout, calls, call_answers, settlement):
        monkeypatch.setattr(module, "failpoint", failpoint)
    with pytest.raises(Killed):
        shop.pay()
    for minutes in (1, 5, 10, 20):
        shop.ahead = timedelta(minutes=minutes)
        shop.work()
    assert shop.posts() <= 1
    taken = sum(sale["captured_minor"] for sale in shop.control.sales())
    assert (shop.attempt.state, shop.order.state, taken, shop.balance()) in (
        ("paid", "paid", 2000, PAID),
        ("failed", "placed", 0, {}),
    )
    assert shop.call.state == "answered"
    assert not shop.call.request["token"], "a token is kept only for as long as it may be sent"
    assert shop.cases() == []


# --- going back -----------------------------------------------------------------------------------------------


def refund(shop: Shop, amount_minor: int) -> Refund:
    with transaction.atomic():
        Order.objects.select_for_update(no_key=True).get(pk=shop.order_id)
        lock(shop.attempt.pk)
        capture = Capture.objects.select_for_update(no_key=True).get()
        made = refund_requests.request_refund(
            capture,
            amount=Money(amount_minor, "EUR"),
            reason=RefundReason.REQUESTED_BY_CUSTOMER,
            action=None,
            at=shop.clock(),
        )
    calls.send(made.calls.get().pk, clock=shop.clock)
    look(made.attempt_id, clock=shop.clock, actor="test")
    return Refund.objects.get(pk=made.pk)


def test_all_of_it_before_settlement_is_voided_and_the_order_is_refunded(shop: Shop) -> None:
    shop.press_pay()
    shop.pay()
    made = refund(shop, 2000)
    assert (made.state, made.refund_id) == ("succeeded", f"{shop.attempt.intent_id}:void")
    assert (shop.order.state, shop.attempt.state) == ("refunded", "refunded")
    assert shop.control.sales()[0]["refunded_minor"] == 2000
    assert shop.cases() == []


def test_a_part_before_settlement_is_refused_with_what_to_do_and_moves_nothing(shop: Shop) -> None:
    shop.press_pay()
    shop.pay()
    made = refund(shop, 500)
    assert made.state == "failed"
    assert "only after it is settled" in made.failure_reason or "only after it is settled" in repr(
        list(Case.objects.values_list("theirs", flat=True))
    )
    assert shop.control.sales()[0]["refunded_minor"] == 0
    assert shop.order.state == "paid"


def test_a_part_after_settlement_is_pending_until_the_next_batch(shop: Shop) -> None:
    shop.press_pay()
    shop.pay()
    shop.control.settle_day()
    made = refund(shop, 500)
    assert made.state == "pending"
    shop.control.settle_day()
    look(made.attempt_id, clock=shop.clock, actor="test")
    assert Refund.objects.get(pk=made.pk).state == "succeeded"
    assert shop.order.state == "partially_refunded"


def test_a_refund_whose_answer_was_lost_is_found_by_its_reference_and_made_once(shop: Shop) -> None:
    shop.press_pay()
    shop.pay()
    shop.control.settle_day()
    shop.control.fault("drop", path_prefix=TRANSACT, after=True)
    made = refund(shop, 500)
    assert made.state in ("pending", "succeeded")
    shop.ahead = timedelta(hours=1)
    shop.work()
    assert [len(sale["refunds"]) for sale in shop.control.sales()] == [1]
    assert Refund.objects.count() == 1


def test_a_void_whose_answer_was_lost_is_found_too(shop: Shop) -> None:
    shop.press_pay()
    shop.pay()
    shop.control.fault("drop", path_prefix=TRANSACT, after=True)
    made = refund(shop, 2000)
    assert (made.state, shop.order.state) == ("succeeded", "refunded")
    assert Refund.objects.count() == 1
    assert shop.cases() == []


def test_a_void_in_nmis_own_pages_is_a_refund_we_did_not_ask_for(shop: Shop) -> None:
    shop.press_pay()
    shop.pay()
    shop.control.give_back(shop.attempt.intent_id)
    look(shop.attempt.pk, clock=shop.clock, actor="test")
    assert (shop.order.state, shop.cases()) == ("refunded", ["provider_refund"])


# --- reconciliation -------------------------------------------------------------------------------------------


def test_reconciliation_finds_what_no_webhook_told_and_what_is_nobodys(shop: Shop) -> None:
    attempt = shop.press_pay()
    shop.control.sell(order_id=attempt.reference, amount=2000, currency="EUR")
    shop.control.sell(order_id="typed by hand", amount=777, currency="EUR")
    runs = reconcile(
        "nmi",
        since=timezone.now() - timedelta(hours=1),
        dry_run=False,
        actor="test",
        clock=shop.clock,
        pause=lambda _: None,
    )
    assert len(runs) == 1
    assert shop.order.state == "paid"
    assert "reconcile_unknown_capture" in shop.cases()
    again = reconcile(
        "nmi",
        since=timezone.now() - timedelta(hours=1),
        dry_run=False,
        actor="test",
        clock=shop.clock,
        pause=lambda _: None,
    )
    assert len(again) == 1
    assert shop.balance() == PAID
