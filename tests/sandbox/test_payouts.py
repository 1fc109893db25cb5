"""Payouts: what the balance sends to the bank, its entries, the bank's answer, and what a manual one cannot tell."""

from __future__ import annotations

import json
from typing import Any, TypeVar, cast

import pytest
import stripe

from integrations.sandbox.control import ControlError, SandboxControl
from tests.sandbox import shapes
from tests.sandbox.process import Receiver
from tests.sandbox.shop import new_session

CHARGED_BACK = "4000000000000259"
DAY = 24 * 3600
Answer = TypeVar("Answer", bound=stripe.StripeObject)


def checked(obj: Answer) -> Answer:
    """Passes an answer on when the raw body fits the SDK's annotations."""
    assert obj.last_response is not None
    assert shapes.problems(json.loads(obj.last_response.body)) == []
    return obj


def pay(client: stripe.StripeClient, control: SandboxControl, **more: Any) -> str:
    """The intent over 49.90 that was paid: 1.75 of it are fees."""
    card = more.pop("card", "4242424242424242")
    return control.pay(new_session(client, **more).id, card=card).payment_intent


def entries(client: stripe.StripeClient, payout: str) -> list[tuple[str, int, int]]:
    """The payout's entries as the API lists them, oldest first: type, amount, net."""
    listed = checked(client.v1.balance_transactions.list({"payout": payout, "limit": 100, "expand": ["data.source"]}))
    return [(entry.type, entry.amount, entry.net) for entry in listed.data[::-1]]


def told(client: stripe.StripeClient) -> list[str]:
    """The types of all payout events, oldest first. Each event is held against the SDK."""
    events = checked(client.v1.events.list({"limit": 100})).data[::-1]
    return [event.type.removeprefix("payout.") for event in events if event.type.startswith("payout.")]


def test_an_automatic_payout_takes_all_that_is_available(client: stripe.StripeClient, control: SandboxControl) -> None:
    refunded = pay(client, control)
    client.v1.refunds.create({"payment_intent": refunded, "amount": 1000})
    pay(client, control, card=CHARGED_BACK)
    control.advance_clock(seconds=2 * DAY)
    pay(client, control)  # not available yet
    control.adjust(amount=-200, kind="stripe_fee")
    payout = checked(client.v1.payouts.retrieve(control.pay_out()["id"], {"expand": ["balance_transaction"]}))
    assert (payout.status, payout.automatic, payout.reconciliation_status) == ("pending", True, "completed")
    assert sorted(entries(client, payout.id)) == sorted([
        ("charge", 4990, 4815), ("refund", -1000, -1000), ("adjustment", -4990, -6490), ("charge", 4990, 4815),
        ("stripe_fee", -200, -200), ("payout", -payout.amount, -payout.amount),
    ])  # fmt: skip
    assert payout.amount == 4815 - 1000 + 4815 - 6490 - 200
    assert isinstance(payout.balance_transaction, stripe.BalanceTransaction)
    assert (payout.balance_transaction.net, payout.balance_transaction.source) == (-payout.amount, payout.id)
    with pytest.raises(ControlError, match="insufficient funds"):
        control.pay_out()


def test_entries_become_available_with_time(client: stripe.StripeClient, control: SandboxControl) -> None:
    pay(client, control)
    (entry,) = client.v1.balance_transactions.list().data
    assert entry.status == "pending"
    with pytest.raises(ControlError, match="0 eur available"):
        control.pay_out()
    assert control.pay_out(early=True)["amount"] == 4815
    control.advance_clock(seconds=2 * DAY)
    assert checked(client.v1.balance_transactions.retrieve(entry.id)).status == "available"


def test_the_bank_answers(client: stripe.StripeClient, control: SandboxControl, receiver: Receiver) -> None:
    pay(client, control)
    payout = control.pay_out(early=True)["id"]
    moved = control.move_payout(payout, status="in_transit")
    assert moved["trace_id"]["status"] == "supported"
    assert control.move_payout(payout, status="paid")["status"] == "paid"
    checked(client.v1.payouts.retrieve(payout))
    assert told(client) == ["created", "reconciliation_completed", "updated", "paid"]
    receiver.wait_for(lambda: sum("payout." in str(sent.event["type"]) for sent in receiver.received) == 4)
    assert [problem for sent in receiver.received for problem in shapes.problems(sent.event)] == []
    with pytest.raises(ControlError, match="it can become failed"):
        control.move_payout(payout, status="canceled")


@pytest.mark.parametrize(("steps", "kind", "event"), [
    (["failed"], "payout_failure", "failed"),
    (["in_transit", "paid", "failed"], "payout_failure", "failed"),
    (["canceled"], "payout_cancel", "canceled"),
])  # fmt: skip
def test_what_comes_back_is_paid_out_with_the_next(
    client: stripe.StripeClient, control: SandboxControl, steps: list[str], kind: str, event: str
) -> None:
    pay(client, control)
    payout = control.pay_out(early=True)["id"]
    for status in steps:
        control.move_payout(payout, status=status)
    failed = checked(client.v1.payouts.retrieve(payout, {"expand": ["failure_balance_transaction"]}))
    assert isinstance(failed.failure_balance_transaction, stripe.BalanceTransaction)
    assert failed.failure_balance_transaction.type == kind
    assert (failed.failure_code == "account_closed") == (event == "failed")
    assert told(client)[-1] == event
    again = control.pay_out()
    assert (again["amount"], entries(client, again["id"])) == (4815, [(kind, 4815, 4815), ("payout", -4815, -4815)])
    assert entries(client, payout) == [("charge", 4990, 4815), ("payout", -4815, -4815)]


def test_a_manual_payout_cannot_be_itemised(client: stripe.StripeClient, control: SandboxControl) -> None:
    pay(client, control)
    manual = control.pay_out(automatic=False, amount=1000, early=True)
    assert (manual["amount"], manual["reconciliation_status"]) == (1000, "not_applicable")
    with pytest.raises(stripe.InvalidRequestError, match="automatic transfers, not manual") as refused:
        client.v1.balance_transactions.list({"payout": manual["id"]})
    assert refused.value.code == "balance_transactions_manual_filtering_not_allowed"
    with pytest.raises(ControlError, match="insufficient funds"):
        control.pay_out(automatic=False, amount=3816, early=True)
    rest = control.pay_out(early=True)
    assert rest["amount"] == 3815
    assert sorted(entries(client, rest["id"])) == [
        ("charge", 4990, 4815),
        ("payout", -3815, -3815),
        ("payout", -1000, -1000),
    ]


def test_entries_are_listed_once_stripe_has_reconciled(client: stripe.StripeClient, control: SandboxControl) -> None:
    pay(client, control)
    payout = control.pay_out(early=True, reconciled=False)
    assert payout["reconciliation_status"] == "in_progress"
    assert entries(client, payout["id"]) == []
    control.complete_payout(payout["id"])
    assert len(entries(client, payout["id"])) == 2
    with pytest.raises(ControlError, match="is completed"):
        control.complete_payout(payout["id"])


def test_lists_and_filters(client: stripe.StripeClient, control: SandboxControl) -> None:
    made = []
    for _ in range(3):
        pay(client, control)
        made.append(control.pay_out(early=True))
        control.advance_clock(seconds=1000)
    newest_first = [payout["id"] for payout in reversed(made)]
    assert [payout.id for payout in checked(client.v1.payouts.list()).data] == newest_first
    assert [payout.id for payout in client.v1.payouts.list({"limit": 1}).auto_paging_iter()] == newest_first
    control.move_payout(made[0]["id"], status="paid")
    paid = client.v1.payouts.list({"status": "paid"}).data
    assert [payout.id for payout in paid] == [made[0]["id"]]
    for name in ("created", "arrival_date"):
        asked = cast("Any", {name: {"gte": made[1][name]}})
        assert [payout.id for payout in client.v1.payouts.list(asked).data] == newest_first[:2]
    both = client.v1.balance_transactions.list({"payout": made[0]["id"], "type": "charge"}).data
    assert [entry.net for entry in both] == [4815]
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.balance_transactions.list({"payout": "po_none"})
    assert (refused.value.code, refused.value.param) == ("resource_missing", "payout")


def test_an_account_that_settles_in_another_currency(client: stripe.StripeClient, control: SandboxControl) -> None:
    control.settle_in("eur", rates={"usd": "0.92"})
    intent = pay(client, control, currency="usd")
    client.v1.refunds.create({"payment_intent": intent, "amount": 990})
    refund, charge = checked(client.v1.balance_transactions.list()).data
    assert (charge.currency, charge.amount, charge.fee, charge.exchange_rate) == ("eur", 4591, 161, 0.92)
    assert (refund.currency, refund.amount) == ("eur", -911)
    assert control.pay_out(early=True)["amount"] == 4591 - 161 - 911


def test_what_the_control_api_refuses(control: SandboxControl) -> None:
    with pytest.raises(ControlError, match="give no amount"):
        control.pay_out(amount=5)
    with pytest.raises(ControlError, match="adjustment or stripe_fee"):
        control.adjust(amount=5, kind="charge")
    control.adjust(amount=500)
    payout = control.pay_out()["id"]
    with pytest.raises(ControlError, match="must be one of"):
        control.move_payout(payout, status="lost")
