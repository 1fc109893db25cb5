"""Every endpoint in use, through the official SDK, its answers held against the SDK's annotations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
import stripe

from integrations.sandbox.control import SandboxControl
from integrations.sandbox.stripe.events import API_VERSION
from tests.sandbox import shapes
from tests.sandbox.process import Receiver, SandboxProcess
from tests.sandbox.shop import DECLINED, DEEP, THREE_D_SECURE, VISA, checkout_params, new_session

Answer = TypeVar("Answer", bound=stripe.StripeObject)


def checked(obj: Answer) -> Answer:
    """Passes an answer on when the raw body fits the SDK's annotations."""
    response = obj.last_response
    assert response is not None
    assert shapes.problems(json.loads(response.body)) == []
    return obj


def test_the_sandbox_speaks_the_version_of_the_sdk() -> None:
    assert stripe._api_version._ApiVersion.CURRENT == API_VERSION


def test_a_new_session(client: stripe.StripeClient, sandbox: SandboxProcess) -> None:
    session = checked(new_session(client, quantity=2))
    assert session.id.startswith("cs_test_")
    assert (session.status, session.payment_status) == ("open", "unpaid")
    assert session.url == f"{sandbox.url}/c/pay/{session.id}"
    assert (session.amount_total, session.currency) == (9980, "eur")
    assert session.payment_intent is None
    assert session.livemode is False
    assert session.expires_at == pytest.approx(session.created + 24 * 3600, abs=2)


def test_a_paid_session_shows_everything_down_to_the_fee(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    control.pay(session.id)
    paid = checked(client.v1.checkout.sessions.retrieve(session.id, DEEP))
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    intent = paid.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert (intent.status, intent.amount_received) == ("succeeded", 4990)
    charge = intent.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (charge.paid, charge.captured, charge.amount_captured) == (True, True, 4990)
    entry = charge.balance_transaction
    assert isinstance(entry, stripe.BalanceTransaction)
    assert (entry.amount, entry.fee, entry.net) == (4990, 175, 4815)


def test_metadata_goes_where_stripe_puts_it(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    control.pay(session.id)
    paid = client.v1.checkout.sessions.retrieve(session.id, DEEP)
    intent = paid.payment_intent
    assert isinstance(intent, stripe.PaymentIntent)
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert paid.client_reference_id == "order-1"
    assert paid.metadata is not None
    assert paid.metadata["on"] == "session"
    assert intent.metadata["on"] == "intent"
    assert intent.latest_charge.metadata["on"] == "intent"


@pytest.mark.parametrize("card", [VISA, DECLINED, THREE_D_SECURE, "4000000000000259"])
def test_sessions_after_each_kind_of_card(client: stripe.StripeClient, control: SandboxControl, card: str) -> None:
    session = new_session(client)
    control.pay(session.id, card=card)
    checked(client.v1.checkout.sessions.retrieve(session.id, DEEP))


@pytest.mark.parametrize("currency", ["eur", "gbp", "usd"])
@pytest.mark.parametrize("success", [True, False])
def test_sessions_paid_by_bank_debit(
    client: stripe.StripeClient, control: SandboxControl, currency: str, success: bool
) -> None:
    session = new_session(client, currency=currency)
    control.pay(session.id, method="debit")
    checked(client.v1.checkout.sessions.retrieve(session.id, DEEP))
    control.settle(session.id, success=success)
    settled = checked(client.v1.checkout.sessions.retrieve(session.id, DEEP))
    assert settled.payment_status == ("paid" if success else "unpaid")


def test_expiring_a_session(client: stripe.StripeClient) -> None:
    session = new_session(client)
    expired = checked(client.v1.checkout.sessions.expire(session.id))
    assert (expired.status, expired.url) == ("expired", None)
    with pytest.raises(stripe.InvalidRequestError, match="Only Checkout Sessions with a status in"):
        client.v1.checkout.sessions.expire(session.id)


def test_line_items(client: stripe.StripeClient) -> None:
    session = new_session(client, quantity=3)
    items = checked(client.v1.checkout.sessions.line_items.list(session.id))
    assert [(item.description, item.quantity, item.amount_total) for item in items.data] == [
        ("Tea <b>& more</b>", 3, 14970)
    ]


def test_direct_intents(client: stripe.StripeClient) -> None:
    intent = checked(client.v1.payment_intents.create({"amount": 1000, "currency": "eur", "metadata": {"a": "b"}}))
    assert intent.status == "requires_payment_method"
    confirmed = checked(
        client.v1.payment_intents.confirm(
            intent.id, {"payment_method": "pm_card_visa", "return_url": "http://127.0.0.1/back"}
        )
    )
    assert confirmed.status == "succeeded"
    assert checked(client.v1.payment_intents.retrieve(intent.id)).amount_received == 1000


def test_authorise_then_capture_a_part(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "eur",
            "capture_method": "manual",
            "confirm": True,
            "payment_method": "pm_card_visa",
            "allowed_payment_method_types": ["card"],
        }
    )
    assert (intent.status, intent.amount_capturable) == ("requires_capture", 1000)
    captured = checked(
        client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 700, "expand": ["latest_charge"]})
    )
    assert (captured.status, captured.amount_received) == ("succeeded", 700)
    assert isinstance(captured.latest_charge, stripe.Charge)
    assert captured.latest_charge.amount_captured == 700
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.capture(intent.id)
    assert refused.value.code == "payment_intent_unexpected_state"


def test_cancelling_an_authorisation_makes_no_refund(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "eur",
            "capture_method": "manual",
            "confirm": True,
            "payment_method": "pm_card_visa",
            "allowed_payment_method_types": ["card"],
        }
    )
    cancelled = client.v1.payment_intents.cancel(intent.id, {"expand": ["latest_charge.refunds"]})
    charge = cancelled.latest_charge
    assert isinstance(charge, stripe.Charge)
    assert (charge.amount_captured, charge.amount_refunded, charge.refunded) == (0, 0, False)
    assert client.v1.refunds.list().data == []


def test_cancelling_an_intent(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 1000, "currency": "eur"})
    cancelled = checked(client.v1.payment_intents.cancel(intent.id, {"cancellation_reason": "abandoned"}))
    assert (cancelled.status, cancelled.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe.InvalidRequestError, match="You cannot cancel this PaymentIntent"):
        client.v1.payment_intents.cancel(intent.id)


def test_the_intent_of_an_open_session_ends_with_the_session(
    client: stripe.StripeClient, control: SandboxControl
) -> None:
    session = new_session(client)
    intent_id = control.pay(session.id, card=DECLINED).payment_intent
    with pytest.raises(stripe.InvalidRequestError, match="Expire the Checkout Session instead"):
        client.v1.payment_intents.cancel(intent_id)
    client.v1.checkout.sessions.expire(session.id)
    assert client.v1.payment_intents.retrieve(intent_id).status == "canceled"


def test_a_refused_confirmation_leaves_nothing_behind(client: stripe.StripeClient, control: SandboxControl) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_intents.create(
            {"amount": 1000, "currency": "eur", "confirm": True, "payment_method": "pm_card_visa"}
        )
    assert refused.value.param == "return_url"
    assert control.effects() == []
    assert control.deliveries() == []
    assert client.v1.events.list().data == []


def test_a_declined_confirmation_is_a_402_with_the_intent_inside(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as declined:
        client.v1.payment_intents.create(
            {
                "amount": 1000,
                "currency": "eur",
                "confirm": True,
                "payment_method": "pm_card_chargeDeclinedInsufficientFunds",
                "allowed_payment_method_types": ["card"],
            }
        )
    error = declined.value
    assert shapes.error_problems(error.json_body) == []
    assert error.http_status == 402
    assert error.error is not None
    assert (error.code, error.error.decline_code) == ("card_declined", "insufficient_funds")
    assert error.error.payment_intent is not None
    assert error.error.payment_intent.status == "requires_payment_method"
    assert error.error.charge is not None


def test_lists_and_single_reads(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    control.pay(session.id)
    intent = control.get(session.id)["payment_intent"]
    refund = checked(
        client.v1.refunds.create({"payment_intent": intent, "amount": 90, "expand": ["charge", "balance_transaction"]})
    )
    pages: list[stripe.ListObject[Any]] = [
        checked(client.v1.checkout.sessions.list({"payment_intent": intent, "expand": ["data.payment_intent"]})),
        checked(client.v1.payment_intents.list({"expand": ["data.latest_charge.balance_transaction"]})),
        checked(client.v1.charges.list({"payment_intent": intent, "expand": ["data.refunds"]})),
        checked(client.v1.refunds.list({"payment_intent": intent})),
        checked(client.v1.balance_transactions.list({"expand": ["data.source"]})),
        checked(client.v1.events.list({"limit": 100})),
    ]
    assert [len(page.data) for page in pages] == [1, 1, 1, 1, 2, 7]
    checked(client.v1.charges.retrieve(pages[2].data[0].id, {"expand": ["refunds", "payment_intent"]}))
    checked(client.v1.refunds.retrieve(refund.id, {"expand": ["payment_intent"]}))
    checked(client.v1.balance_transactions.retrieve(pages[4].data[0].id, {"expand": ["source"]}))
    checked(client.v1.events.retrieve(pages[5].data[0].id))


def test_the_account(client: stripe.StripeClient) -> None:
    account = checked(client.v1.accounts.retrieve_current())
    assert account.id.startswith("acct_")
    assert account.id == client.v1.accounts.retrieve_current().id


def test_webhook_bodies_are_events_of_the_right_shape(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver
) -> None:
    for currency, card in (("eur", VISA), ("eur", DECLINED), ("eur", THREE_D_SECURE)):
        control.pay(new_session(client, currency=currency).id, card=card)
    debit = new_session(client)
    control.pay(debit.id, method="debit")
    receiver.wait_for(lambda: receiver.types().count("checkout.session.completed") == 2)
    for received in receiver.received:
        assert shapes.problems(received.event) == []


Call = Callable[[stripe.StripeClient], object]
UNKNOWN: dict[str, Call] = {
    "session": lambda client: client.v1.checkout.sessions.retrieve("cs_test_none"),
    "intent": lambda client: client.v1.payment_intents.retrieve("pi_none"),
    "charge": lambda client: client.v1.charges.retrieve("ch_none"),
    "refund": lambda client: client.v1.refunds.retrieve("re_none"),
    "dispute": lambda client: client.v1.disputes.retrieve("du_none"),
    "answer": lambda client: client.v1.disputes.update("du_none"),
    "entry": lambda client: client.v1.balance_transactions.retrieve("txn_none"),
    "event": lambda client: client.v1.events.retrieve("evt_none"),
    "expire": lambda client: client.v1.checkout.sessions.expire("cs_test_none"),
    "capture": lambda client: client.v1.payment_intents.capture("pi_none"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_an_unknown_id_is_a_404(client: stripe.StripeClient, name: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        UNKNOWN[name](client)
    assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")
    assert shapes.error_problems(refused.value.json_body) == []


def test_a_kind_is_not_found_under_another_kinds_address(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create({"amount": 1000, "currency": "eur"})
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.charges.retrieve(intent.id)
    assert refused.value.http_status == 404


@pytest.mark.parametrize("path", ["colour", "payment_intent.colour", "line_items.price", "data.payment_intent"])
def test_what_cannot_be_expanded_is_refused_before_anything_happens(client: stripe.StripeClient, path: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.v1.checkout.sessions.create(checkout_params(expand=[path]))
    assert client.v1.checkout.sessions.list().data == []
