"""Refunds: never more than was captured, each with its entry in the balance."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe

from integrations.sandbox.control import ControlError, SandboxControl
from tests.sandbox.process import Receiver
from tests.sandbox.shop import DECLINED, new_session


@pytest.fixture
def intent(client: stripe.StripeClient, control: SandboxControl) -> str:
    """A paid intent over 49.90 EUR."""
    return control.pay(new_session(client).id).payment_intent


def test_in_parts_until_nothing_is_left(client: stripe.StripeClient, control: SandboxControl, intent: str) -> None:
    first = client.v1.refunds.create({"payment_intent": intent, "amount": 990, "reason": "requested_by_customer"})
    assert (first.status, first.amount, first.reason) == ("succeeded", 990, "requested_by_customer")
    with pytest.raises(
        stripe.InvalidRequestError, match=r"40\.01 EUR\) is greater than unrefunded amount on charge \(40\.00"
    ):
        client.v1.refunds.create({"payment_intent": intent, "amount": 4001})
    rest = client.v1.refunds.create({"payment_intent": intent})
    assert rest.amount == 4000
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_already_refunded"
    charge = client.v1.charges.list({"payment_intent": intent}).data[0]
    assert (charge.amount_refunded, charge.refunded) == (4990, True)
    assert control.effects()[0].refunded_minor == 4990


def test_32_at_once_never_exceed_the_capture(client: stripe.StripeClient, control: SandboxControl, intent: str) -> None:
    def refund(_: int) -> bool:
        try:
            client.v1.refunds.create({"payment_intent": intent, "amount": 500})
        except stripe.InvalidRequestError:
            return False
        return True

    with ThreadPoolExecutor(32) as pool:
        done = list(pool.map(refund, range(32)))
    assert done.count(True) == 9
    assert control.effects()[0].refunded_minor == 4500


def test_the_balance_shows_refunds_without_giving_the_fee_back(client: stripe.StripeClient, intent: str) -> None:
    refund = client.v1.refunds.create({"payment_intent": intent, "expand": ["balance_transaction"]})
    entry = refund.balance_transaction
    assert isinstance(entry, stripe.BalanceTransaction)
    assert (entry.type, entry.amount, entry.fee, entry.net) == ("refund", -4990, 0, -4990)


def test_nothing_to_refund(client: stripe.StripeClient, control: SandboxControl) -> None:
    declined = control.pay(new_session(client).id, card=DECLINED).payment_intent
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        client.v1.refunds.create({"payment_intent": declined})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"charge": "ch_none"})
    assert refused.value.code == "resource_missing"
    with pytest.raises(stripe.InvalidRequestError, match="payment_intent or charge"):
        client.v1.refunds.create({"amount": 5})


def test_a_refund_made_in_the_dashboard(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver, intent: str
) -> None:
    made = control.refund(payment_intent=intent, amount=100, reason="fraudulent")
    assert client.v1.refunds.retrieve(made["id"]).reason == "fraudulent"
    receiver.wait_for(lambda: {"refund.created", "charge.refunded"} <= set(receiver.types()))
    with pytest.raises(ControlError, match="greater than unrefunded"):
        control.refund(payment_intent=intent, amount=5000)


def test_a_refund_that_fails_later_gives_the_money_back_to_the_balance(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver, intent: str
) -> None:
    refund = client.v1.refunds.create({"payment_intent": intent, "amount": 1000})
    control.move_refund(refund.id, status="failed", failure_reason="expired_or_canceled_card")
    failed = client.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert isinstance(failed.failure_balance_transaction, stripe.BalanceTransaction)
    assert failed.failure_balance_transaction.amount == 1000
    assert client.v1.charges.list({"payment_intent": intent}).data[0].amount_refunded == 0
    receiver.wait_for(lambda: "refund.failed" in receiver.types())
    with pytest.raises(ControlError, match="stays so"):
        control.move_refund(refund.id, status="succeeded")


def test_pending_refunds(client: stripe.StripeClient, control: SandboxControl) -> None:
    by_card = control.pay(new_session(client).id, card="4000000000007726").payment_intent
    session = new_session(client)
    by_debit = control.pay(session.id, method="debit").payment_intent
    control.settle(session.id)
    for intent in (by_card, by_debit):
        refund = client.v1.refunds.create({"payment_intent": intent, "amount": 100})
        assert refund.status == "pending"
        with pytest.raises(stripe.InvalidRequestError, match="only a refund in requires_action can be canceled"):
            client.v1.refunds.cancel(refund.id)
        control.move_refund(refund.id, status="succeeded")
        assert client.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_cancelling_a_refund_that_waits_for_the_customer(
    client: stripe.StripeClient, control: SandboxControl, intent: str
) -> None:
    refund = client.v1.refunds.create({"payment_intent": intent, "amount": 100})
    control.move_refund(refund.id, status="requires_action")
    assert client.v1.refunds.cancel(refund.id).status == "canceled"
    assert control.effects()[0].refunded_minor == 0


@pytest.mark.parametrize(
    ("amount", "fee"), [(50, 31), (500, 45), (1000, 59), (4990, 175), (1017, 59), (1018, 60), (99_999_999, 2_900_030)]
)
def test_the_fee_is_2_9_percent_plus_30_in_integers(
    client: stripe.StripeClient, control: SandboxControl, amount: int, fee: int
) -> None:
    control.pay(new_session(client, amount=amount).id)
    entry = client.v1.balance_transactions.list({"type": "charge"}).data[0]
    assert (entry.fee, entry.net) == (fee, amount - fee)
    assert sum(detail.amount for detail in entry.fee_details) == fee


def test_the_fee_can_come_later(client: stripe.StripeClient, control: SandboxControl, receiver: Receiver) -> None:
    control.configure(balance_delay_seconds=60)
    control.pay(new_session(client).id)
    assert client.v1.charges.list().data[0].balance_transaction is None
    control.advance_clock(seconds=61)
    assert client.v1.charges.list().data[0].balance_transaction is not None
    receiver.wait_for(lambda: "charge.updated" in receiver.types())
