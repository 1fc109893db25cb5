"""Webhooks: Stripe's signature, the right events, retries, and every switch."""

from __future__ import annotations

import json
import time

import pytest
import stripe

from integrations.sandbox.control import ControlError, SandboxControl
from tests.sandbox.process import WEBHOOK_SECRET, Received, Receiver
from tests.sandbox.shop import DECLINED, new_session

PAID = [
    "payment_intent.created",
    "charge.succeeded",
    "payment_intent.succeeded",
    "checkout.session.completed",
    "charge.updated",
]


def verified(received: Received, *, secret: str = WEBHOOK_SECRET) -> stripe.Event:
    """The event, once the SDK has accepted its signature."""
    event: stripe.Event = stripe.Webhook.construct_event(received.body, received.headers["Stripe-Signature"], secret)
    return event


@pytest.fixture
def paid(client: stripe.StripeClient, control: SandboxControl) -> str:
    """A session that was just paid."""
    session = new_session(client)
    control.pay(session.id)
    return session.id


def held_types(control: SandboxControl) -> list[str]:
    return [delivery.type for delivery in control.deliveries(state="held")]


def test_the_sdk_accepts_the_signature(receiver: Receiver, paid: str) -> None:
    receiver.wait_for(lambda: len(receiver.received) == 5)
    for received in receiver.received:
        event = verified(received)
        assert event.livemode is False
        assert event.account is None if "account" in event else True
        with pytest.raises(stripe.SignatureVerificationError):
            verified(received, secret="whsec_other")
        changed = Received(received.body.replace(b"4990", b"1"), received.headers)
        if changed.body != received.body:
            with pytest.raises(stripe.SignatureVerificationError):
                verified(changed)


def test_events_are_written_in_stripes_order(control: SandboxControl, paid: str) -> None:
    assert [delivery.type for delivery in control.deliveries()] == PAID


def test_the_session_event_carries_what_the_shop_needs(receiver: Receiver, paid: str) -> None:
    receiver.wait_for(lambda: "checkout.session.completed" in receiver.types())
    (body,) = [r.event for r in receiver.received if r.event["type"] == "checkout.session.completed"]
    session = body["data"]["object"]  # type: ignore[index]
    assert (session["id"], session["status"], session["payment_status"]) == (paid, "complete", "paid")
    assert (session["client_reference_id"], session["metadata"]["order"]) == ("order-1", "1")
    assert session["url"] is None
    assert body["request"] == {"id": None, "idempotency_key": None}


def test_an_event_says_which_request_caused_it(client: stripe.StripeClient, receiver: Receiver) -> None:
    intent = client.v1.payment_intents.create({"amount": 100, "currency": "eur"}, {"idempotency_key": "key-1"})
    receiver.wait_for(lambda: len(receiver.received) == 1)
    assert intent.last_response is not None
    assert receiver.received[0].event["request"] == {
        "id": intent.last_response.request_id,
        "idempotency_key": "key-1",
    }


def test_snapshots_show_the_moment_and_not_the_end(control: SandboxControl, receiver: Receiver, paid: str) -> None:
    receiver.wait_for(lambda: len(receiver.received) == 5)
    by_type = {str(r.event["type"]): r.event["data"]["object"] for r in receiver.received}  # type: ignore[index]
    assert by_type["payment_intent.created"]["status"] == "requires_payment_method"
    assert by_type["payment_intent.succeeded"]["status"] == "succeeded"
    assert by_type["charge.succeeded"]["balance_transaction"] is None
    assert by_type["charge.updated"]["balance_transaction"].startswith("txn_")


def test_a_declined_card(client: stripe.StripeClient, control: SandboxControl) -> None:
    control.pay(new_session(client).id, card=DECLINED)
    assert [delivery.type for delivery in control.deliveries()] == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ]


def test_an_unanswered_event_is_sent_again_with_the_same_body(
    control: SandboxControl, receiver: Receiver, client: stripe.StripeClient
) -> None:
    receiver.answers = [500, 302]
    client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    receiver.wait_for(lambda: len(receiver.received) == 3)
    assert len({received.body for received in receiver.received}) == 1
    receiver.wait_for(lambda: control.deliveries()[0].state == "delivered")
    (delivery,) = control.deliveries()
    assert [attempt.status for attempt in delivery.attempts] == [500, 302, 200]


def test_after_the_last_retry_it_gives_up_and_backfill_finds_the_event(
    control: SandboxControl, receiver: Receiver, client: stripe.StripeClient
) -> None:
    receiver.answers = [500, 500, 500]
    client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    receiver.wait_for(lambda: control.deliveries()[0].state == "failed")
    assert len(client.v1.events.list({"delivery_success": False}).data) == 1
    assert client.v1.events.list({"delivery_success": True}).data == []
    assert client.v1.events.list().data[0].pending_webhooks == 1
    control.resend(control.deliveries()[0].event_id)
    receiver.wait_for(lambda: len(receiver.received) == 4)


def test_a_shop_that_is_away(control: SandboxControl, receiver: Receiver, client: stripe.StripeClient) -> None:
    control.set_webhook(url="http://127.0.0.1:9/away", retry_seconds=[0.2])
    client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    receiver.wait_for(lambda: bool(control.deliveries()[0].attempts))
    assert control.deliveries()[0].attempts[0].status is None
    control.set_webhook(url=receiver.url)
    receiver.wait_for(lambda: len(receiver.received) == 1)


def test_lose_by_type(client: stripe.StripeClient, control: SandboxControl, receiver: Receiver) -> None:
    control.webhook_rule("lose", types=["checkout.session.completed"])
    session = new_session(client)
    control.pay(session.id)
    receiver.wait_for(lambda: len(control.deliveries(state="delivered")) == 4)
    assert sorted(receiver.types()) == sorted(set(PAID) - {"checkout.session.completed"})
    (lost,) = client.v1.events.list({"delivery_success": False}).data
    assert lost.type == "checkout.session.completed"


def test_lose_the_next_two(client: stripe.StripeClient, control: SandboxControl) -> None:
    control.webhook_rule("lose", times=2)
    control.pay(new_session(client).id)
    assert [delivery.type for delivery in control.deliveries(state="lost")] == PAID[:2]


def test_hold_and_release_in_any_order(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver
) -> None:
    control.webhook_rule("hold")
    control.pay(new_session(client).id)
    assert held_types(control) == PAID
    held = control.deliveries(state="held")
    chosen = [held[4].event_id, held[0].event_id]
    assert [sent.status for sent in control.release(event_ids=chosen, order="given")] == [200, 200]
    assert receiver.types() == [PAID[4], PAID[0]]
    control.release(order="reversed")
    assert receiver.types()[2:] == [PAID[3], PAID[2], PAID[1]]
    assert held_types(control) == []


def test_release_reports_what_the_shop_answered(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver
) -> None:
    control.webhook_rule("hold")
    client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    receiver.answers = [503]
    assert [sent.status for sent in control.release()] == [503]


def test_delay(client: stripe.StripeClient, control: SandboxControl, receiver: Receiver) -> None:
    control.webhook_rule("delay", seconds=0.7, times=1)
    started = time.monotonic()
    client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    receiver.wait_for(lambda: len(receiver.received) == 1)
    assert time.monotonic() - started >= 0.7


def test_double(client: stripe.StripeClient, control: SandboxControl, receiver: Receiver) -> None:
    control.webhook_rule("double", types=["payment_intent.created"])
    client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    receiver.wait_for(lambda: len(receiver.received) == 2)
    assert len({received.event["id"] for received in receiver.received}) == 1


def test_reorder_reverses_each_window(client: stripe.StripeClient, control: SandboxControl, receiver: Receiver) -> None:
    control.webhook_rule("reorder", window=5)
    control.pay(new_session(client).id)
    receiver.wait_for(lambda: len(receiver.received) == 5)
    assert receiver.types() == PAID[::-1]


def test_rules_are_switched_off(client: stripe.StripeClient, control: SandboxControl, receiver: Receiver) -> None:
    control.webhook_rule("lose")
    control.clear_webhook_rules()
    client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    receiver.wait_for(lambda: len(receiver.received) == 1)


def test_during_a_rotation_both_secrets_sign(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver
) -> None:
    control.set_webhook(secrets=["whsec_old", "whsec_new"])
    client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    receiver.wait_for(lambda: len(receiver.received) == 1)
    assert (
        verified(receiver.received[0], secret="whsec_old").id == verified(receiver.received[0], secret="whsec_new").id
    )


def test_signature_time_is_real_time_however_the_clock_stands(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver
) -> None:
    control.set_clock(offset_seconds=-7 * 24 * 3600)
    client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    receiver.wait_for(lambda: len(receiver.received) == 1)
    assert verified(receiver.received[0]).created < time.time() - 6 * 24 * 3600
    control.configure(signature_offset_seconds=-600)
    client.v1.payment_intents.create({"amount": 100, "currency": "eur"})
    receiver.wait_for(lambda: len(receiver.received) == 2)
    with pytest.raises(stripe.SignatureVerificationError, match="tolerance"):
        verified(receiver.received[1])


def test_events_of_another_account_and_another_mode(control: SandboxControl, receiver: Receiver, paid: str) -> None:
    receiver.wait_for(lambda: len(receiver.received) == 5)
    control.create_event("checkout.session.completed", obj=paid, overrides={"account": "acct_other"})
    control.create_event(
        "checkout.session.completed", obj=paid, changes={"livemode": True}, overrides={"livemode": True}
    )
    receiver.wait_for(lambda: len(receiver.received) == 7)
    extra = [verified(received) for received in receiver.received[5:]]
    assert {getattr(event, "account", None) for event in extra} == {"acct_other", None}
    assert {event.livemode for event in extra} == {True, False}


def test_events_of_unknown_type_and_object(control: SandboxControl, receiver: Receiver) -> None:
    control.create_event("unicorn.seen", obj={"id": "uni_1", "object": "unicorn"})
    receiver.wait_for(lambda: receiver.types() == ["unicorn.seen"])
    assert receiver.received[0].event["data"] == {"object": {"id": "uni_1", "object": "unicorn"}}


def test_raw_bytes_are_sent_as_they_are(control: SandboxControl, receiver: Receiver) -> None:
    receiver.answers = [400]
    assert control.send_raw(b"\xff\x00 no json") == (400, None)
    received = receiver.received[0]
    assert received.body == b"\xff\x00 no json"
    assert received.headers["Stripe-Signature"].startswith("t=")


def test_raw_bytes_with_another_secret_time_or_header(control: SandboxControl, receiver: Receiver) -> None:
    body = json.dumps({"id": "evt_1", "object": "event"}).encode()
    control.send_raw(body)
    control.send_raw(body, secret="whsec_forged")
    control.send_raw(body, timestamp=1)
    control.send_raw(body, headers={"Stripe-Signature": None})
    good, forged, old, bare = receiver.received
    assert verified(good).id == "evt_1"
    assert verified(forged, secret="whsec_forged").id == "evt_1"
    for bad in (forged, old):
        with pytest.raises(stripe.SignatureVerificationError):
            verified(bad)
    assert "Stripe-Signature" not in bare.headers


def test_only_loopback_receivers(control: SandboxControl) -> None:
    for url in ("https://127.0.0.1/x", "http://shop.example/webhooks", "http://10.0.0.1/", "file:///etc/passwd"):
        with pytest.raises(ControlError, match="not http on loopback"):
            control.set_webhook(url=url)
