"""Money that should not come: late, doubled, wrong amount or currency, edited and forgotten objects."""

from __future__ import annotations

import pytest
import stripe

from integrations.sandbox.control import ControlError, SandboxControl
from tests.sandbox.process import Receiver
from tests.sandbox.shop import DECLINED, new_session


def test_late_money_on_an_expired_session(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver
) -> None:
    session = new_session(client)
    control.pay(session.id, card=DECLINED)
    client.v1.checkout.sessions.expire(session.id)
    with pytest.raises(ControlError, match="cannot be paid"):
        control.pay(session.id)
    control.pay(session.id, force=True)
    late = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["payment_intent"]})
    assert (late.status, late.payment_status) == ("complete", "paid")
    assert isinstance(late.payment_intent, stripe.PaymentIntent)
    assert late.payment_intent.metadata["order"] == "1"
    receiver.wait_for(lambda: "checkout.session.completed" in receiver.types())


def test_a_second_intent_paid_for_one_session(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    first = control.pay(session.id).payment_intent
    second = control.pay(session.id, force=True).payment_intent
    assert first != second
    assert client.v1.checkout.sessions.retrieve(session.id).payment_intent == first
    assert [effect.captured_minor for effect in control.effects()] == [4990, 4990]
    assert {effect.metadata["order"] for effect in control.effects()} == {"1"}


def test_a_second_capture_on_one_intent(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    intent = control.pay(session.id).payment_intent
    control.pay_again(session.id, amount=100)
    assert len(client.v1.charges.list({"payment_intent": intent}).data) == 2
    assert client.v1.payment_intents.retrieve(intent).amount_received == 5090
    assert control.effects()[0].captured_minor == 5090


def test_another_amount_and_another_currency(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    intent = control.pay(session.id, amount=100, currency="usd").payment_intent
    paid = client.v1.payment_intents.retrieve(intent)
    assert (paid.amount_received, paid.currency) == (100, "usd")
    shown = client.v1.checkout.sessions.retrieve(session.id)
    assert (shown.amount_total, shown.currency) == (100, "usd")


def test_edited_and_forgotten_objects(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    intent = control.pay(session.id).payment_intent
    control.patch(intent, livemode=True, metadata={"order": "2"})
    edited = client.v1.payment_intents.retrieve(intent)
    assert (edited.livemode, edited.metadata["order"]) == (True, "2")
    charge = client.v1.charges.list({"payment_intent": intent}).data[0]
    assert control.forget(charge.id) is True
    assert control.forget(charge.id) is False
    assert client.v1.charges.list({"payment_intent": intent}).data == []
    with pytest.raises(ControlError, match="no object"):
        control.get(charge.id)


def test_steps_out_of_turn_are_refused(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    with pytest.raises(ControlError):
        control.authenticate(session.id)
    control.pay(session.id)
    for step in (control.authenticate, control.settle):
        with pytest.raises(ControlError):
            step(session.id)


def test_reset_forgets_everything_but_the_endpoint(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver
) -> None:
    account = client.v1.accounts.retrieve_current().id
    control.pay(new_session(client).id)
    control.advance_clock(seconds=100)
    control.fault("drop")
    control.reset()
    assert (control.effects(), control.requests(), control.deliveries(), control.faults()) == ([], [], [], [])
    assert client.v1.accounts.retrieve_current().id == account
    client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    receiver.wait_for(lambda: receiver.types()[-1:] == ["payment_intent.created"])
