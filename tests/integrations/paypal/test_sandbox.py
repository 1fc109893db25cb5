"""The stand-in is as strict as PayPal: what it refuses, in PayPal's words, and what its webhooks and its proof do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integrations.contract import InvalidRequest
from integrations.providers.paypal import orders
from integrations.providers.paypal.adapter import PayPalProvider
from integrations.sandbox.paypal.control import PayPalControl
from tests.integrations.paypal.conftest import WEBHOOK_ID, capture_request, new_key, start_request
from tests.sandbox.process import Receiver

VERIFY = "/v1/notifications/verify-webhook-signature"


def refusal(adapter: PayPalProvider, body: dict[str, Any], *, key: str = "") -> str:
    with pytest.raises(InvalidRequest) as refused:
        adapter._client.create_order(body=body, key=key or new_key())
    return refused.value.code


def body_with(**changes: Any) -> dict[str, Any]:
    body = orders.body(start_request())
    body["purchase_units"][0] |= changes
    return body


@pytest.mark.parametrize(
    ("changes", "issue"),
    [
        ({"custum_id": "x"}, "NOT_SUPPORTED"),
        ({"amount": {"currency_code": "EUR"}}, "MISSING_REQUIRED_PARAMETER"),
        ({"amount": {"currency_code": "EUR", "value": 49.9}}, "INVALID_PARAMETER_SYNTAX"),
        ({"amount": {"currency_code": "EUR", "value": "49.901"}, "items": []}, "INVALID_ARRAY_MIN_ITEMS"),
        ({"custom_id": "x" * 128}, "INVALID_STRING_LENGTH"),
        ({"amount": {"currency_code": "EUR", "value": "1.00", "breakdown": {}}}, "AMOUNT_MISMATCH"),
    ],
)
def test_what_is_refused(adapter: PayPalProvider, changes: dict[str, Any], issue: str) -> None:
    assert refusal(adapter, body_with(**changes)) == issue


@pytest.mark.parametrize(
    ("amount", "issue"),
    [
        ({"currency_code": "JPY", "value": "49.90"}, "DECIMAL_PRECISION"),
        ({"currency_code": "EUR", "value": "49.901"}, "DECIMAL_PRECISION"),
        ({"currency_code": "EUR", "value": "0.00"}, "CANNOT_BE_ZERO_OR_NEGATIVE"),
        ({"currency_code": "XXX", "value": "1"}, "INVALID_CURRENCY_CODE"),
    ],
)
def test_amounts_are_held_to_their_currency(adapter: PayPalProvider, amount: dict[str, str], issue: str) -> None:
    body = {"intent": "CAPTURE", "purchase_units": [{"amount": amount}]}
    assert refusal(adapter, body) == issue


def test_items_must_add_up(adapter: PayPalProvider) -> None:
    body = body_with()
    body["purchase_units"][0]["items"][0]["quantity"] = "2"
    assert refusal(adapter, body) == "ITEM_TOTAL_MISMATCH"


def test_a_payment_source_needs_a_request_id(adapter: PayPalProvider) -> None:
    with pytest.raises(InvalidRequest) as refused:
        adapter._client.post("/v2/checkout/orders", json.dumps(body_with()).encode())
    assert refused.value.code == "PAYPAL_REQUEST_ID_REQUIRED"


def test_nobody_captures_what_nobody_approved(adapter: PayPalProvider, control: PayPalControl) -> None:
    asked = start_request()
    ids = adapter.start(asked, idempotency_key=new_key()).ids
    with pytest.raises(InvalidRequest) as refused:
        adapter.capture(capture_request(ids, asked), idempotency_key=new_key())
    assert refused.value.code == "ORDER_NOT_APPROVED"
    assert control.effects()[0].captured_minor == 0


def test_a_completed_order_is_not_patched(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids = adapter.start(start_request(), idempotency_key=new_key()).ids
    control.force_capture(ids.page_id)
    operation = {"op": "replace", "path": "/purchase_units/@reference_id=='default'/description", "value": "x"}
    with pytest.raises(InvalidRequest) as refused:
        adapter._client.patch_order(ids.page_id, operations=[operation])
    assert refused.value.code == "ORDER_ALREADY_COMPLETED"


def test_a_window_of_more_than_31_days_is_refused(adapter: PayPalProvider) -> None:
    with pytest.raises(InvalidRequest):
        adapter._client.search(start_date="2026-10-01T00:00:00Z", end_date="2026-11-02T00:00:00Z", page=1, page_size=10)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("none", "SUCCESS"),
        ("encoded anew", "FAILURE"),
        ("another webhook", "FAILURE"),
        ("the simulator", "FAILURE"),
        ("another signature", "FAILURE"),
    ],
)
def test_paypals_own_proof_compares_bytes(
    adapter: PayPalProvider, control: PayPalControl, receiver: Receiver, change: str, word: str
) -> None:
    control.set_webhook(url=receiver.url, secrets=[WEBHOOK_ID])
    body = b'{"id":"WH-1", "event_type":"X", "amount": 1.10, "empty": {}, "name": "\\u00fc"}'
    headers = control.signed(
        body, webhook_id="WEBHOOK_ID" if change == "the simulator" else WEBHOOK_ID, at=1_700_000_000
    )
    asked = {
        "auth_algo": headers["PAYPAL-AUTH-ALGO"],
        "cert_url": headers["PAYPAL-CERT-URL"],
        "transmission_id": headers["PAYPAL-TRANSMISSION-ID"],
        "transmission_sig": headers["PAYPAL-TRANSMISSION-SIG"],
        "transmission_time": headers["PAYPAL-TRANSMISSION-TIME"],
        "webhook_id": {"another webhook": "9XX12345678901234", "the simulator": "WEBHOOK_ID"}.get(change, WEBHOOK_ID),
    }
    if change == "another signature":
        asked["transmission_sig"] = asked["transmission_sig"][::-1]
    event = json.dumps(json.loads(body)).encode() if change == "encoded anew" else body
    question = json.dumps(asked).encode()[:-1] + b', "webhook_event": ' + event + b"}"
    assert adapter._client.post(VERIFY, question)["verification_status"] == word


def test_webhooks_are_sent_again_until_they_are_taken(
    adapter: PayPalProvider, control: PayPalControl, receiver: Receiver
) -> None:
    control.set_webhook(url=receiver.url, secrets=[WEBHOOK_ID], retry_seconds=[0.05, 0.05])
    receiver.answers += [500, 503]
    ids = adapter.start(start_request(), idempotency_key=new_key()).ids
    control.approve(ids.page_id)
    receiver.wait_for(lambda: len(receiver.received) == 3)
    assert len({received.body for received in receiver.received}) == 1, "the same bytes each time"
    sent = [received.headers["PAYPAL-TRANSMISSION-ID"] for received in receiver.received]
    assert len(set(sent)) == 3


def test_an_event_is_sent_again_on_request(adapter: PayPalProvider, control: PayPalControl, receiver: Receiver) -> None:
    ids = adapter.start(start_request(), idempotency_key=new_key()).ids
    control.approve(ids.page_id)
    [event] = adapter._client.get("/v1/notifications/webhooks-events")["events"]
    control.set_webhook(url=receiver.url, secrets=[WEBHOOK_ID])
    adapter._client.post(f"/v1/notifications/webhooks-events/{event['id']}/resend", b"{}")
    receiver.wait_for(lambda: len(receiver.received) == 1)
    assert json.loads(receiver.received[0].body) == event
