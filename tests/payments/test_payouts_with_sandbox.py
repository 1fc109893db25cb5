"""A payout through the official SDK, over HTTP, against the stand-in for Stripe; its webhooks by the real door."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from integrations import providers
from integrations.sandbox.control import SandboxControl
from payments.ledger import check as ledger_check
from payments.models import Case, Payout, PayoutMirror
from payments.payouts import watch as payout_watch
from payments.payouts.explanation import explain
from payments.payouts.mirror import mirror
from tests.payments.test_with_sandbox import Shop
from tests.sandbox.process import API_KEY, WEBHOOK_SECRET, Receiver, SandboxProcess

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    process = SandboxProcess(tmp_path_factory.mktemp("stripe"), webhook_url="http://127.0.0.1:9/none").start()
    yield process
    process.stop()


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
    assert list(ledger_check.check().findings) == [], "every posting has its cause, and every cause its posting"


def pay(shop: Shop) -> str:
    """The order is paid; the intent."""
    attempt = shop.press_pay()
    paid = shop.control.pay(attempt.page_id)
    shop.wait_for("charge.updated")
    shop.deliver_webhooks()
    assert shop.order.state == "paid"
    return paid.payment_intent


def bring_in() -> None:
    done = mirror("stripe", clock=timezone.now)
    assert (done.complete, done.error) == (True, None)


def cases() -> list[str]:
    return sorted(Case.objects.filter(closed_at=None).values_list("kind", flat=True))


def pay_out(control: SandboxControl) -> str:
    made: str = control.pay_out(early=True)["id"]
    for status in ("in_transit", "paid"):
        control.move_payout(made, status=status)
    return made


def test_from_the_payment_to_the_bank(shop: Shop) -> None:
    intent = pay(shop)
    payout_watch.begin_mirrors(timezone.now())
    bring_in()
    later = timezone.now() + timedelta(minutes=10)
    assert not payout_watch.is_due(later)

    shop.control.refund(payment_intent=intent, amount=500)
    shop.wait_for("charge.refunded")
    shop.deliver_webhooks()
    shop.control.adjust(amount=-200, kind="stripe_fee")
    shop.control.adjust(amount=30, description="Credit")
    made = pay_out(shop.control)
    shop.wait_for("payout.paid")
    assert set(shop.deliver_webhooks()) == {200}
    assert payout_watch.is_due(timezone.now()), "the webhook is a hint: look now"

    bring_in()
    payout = Payout.objects.get(payout_id=made)
    assert (payout.state, payout.remainder_minor, cases()) == ("paid", 0, ["provider_refund"])
    assert payout.bank_reference.startswith("TRACE")
    assert [(line.kind, line.count) for line in explain(payout).lines] == [
        ("payment", 1), ("refund", 1), ("fee", 1), ("adjustment", 1),
    ]  # fmt: skip
    balance = shop.balance()
    assert (balance["clearing:stripe"], balance["payouts"]) == (0, payout.amount_minor)


def test_a_failed_payout_goes_out_again(shop: Shop) -> None:
    pay(shop)
    made = pay_out(shop.control)
    bring_in()
    shop.control.move_payout(made, status="failed")
    again = pay_out(shop.control)
    bring_in()
    states = dict(Payout.objects.values_list("payout_id", "state"))
    assert states == {made: "failed", again: "paid"}
    assert list(Payout.objects.values_list("remainder_minor", flat=True)) == [0, 0]
    assert (shop.balance()["clearing:stripe"], cases()) == (0, [])


def test_a_manual_payout(shop: Shop) -> None:
    pay(shop)
    made = shop.control.pay_out(automatic=False, amount=1000, early=True)["id"]
    shop.control.move_payout(made, status="paid")
    bring_in()
    payout = Payout.objects.get()
    assert (payout.automatic, payout.remainder_minor, cases()) == (False, None, [])


def test_an_account_that_settles_in_dollars(shop: Shop) -> None:
    shop.control.settle_in("usd", rates={"eur": "1.0875"})
    pay(shop)
    made = shop.control.pay_out(currency="usd", early=True)["id"]
    shop.control.move_payout(made, status="paid")
    bring_in()
    bring_in()
    payout = Payout.objects.get()
    assert (payout.currency, payout.remainder_minor, cases()) == ("USD", 0, [])


def test_a_payment_that_the_shop_does_not_know(shop: Shop) -> None:
    pay(shop)
    client = providers.get("stripe")
    assert client.capabilities.payouts
    shop.control.adjust(amount=700)
    entry = shop.control.pay_out(early=True)
    listed = client.payout_entries(entry["id"]).items
    stray = next(each for each in listed if each.kind == "adjustment")
    shop.control.patch(stray.entry_id, type="charge", reporting_category="charge", source="ch_stray")
    shop.control.move_payout(entry["id"], status="paid")
    bring_in()
    assert (Payout.objects.get().remainder_minor, cases()) == (700, ["payout_remainder"])
    assert PayoutMirror.objects.get().error == ""
