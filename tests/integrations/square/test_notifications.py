"""Square's webhooks: what proves one, what is refused, and what is read of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.contract import Mode, Notification, NotificationRejected, ProviderIds
from integrations.providers.square import notifications
from integrations.providers.square.loopback import signed_event

KEY = "signature-key-of-a-test"
URL = "https://shop.example/webhooks/square/"
REFERENCE = "pa_" + "a" * 36
LOCATION = "L1"


def event(**changes: Any) -> dict[str, Any]:
    payment = {"id": "PAY1", "order_id": "ORD1", "reference_id": REFERENCE, "location_id": LOCATION}
    told: dict[str, Any] = {
        "merchant_id": "ML1",
        "location_id": LOCATION,
        "type": "payment.updated",
        "event_id": "6a8f5f28-54a1-4eb0-a98a-3111513fd4fc",
        "created_at": "2026-11-26T10:00:00.123Z",
        "data": {"type": "payment", "id": "PAY1", "object": {"payment": payment}},
    }
    return told | changes


def of_payment(**told: Any) -> dict[str, Any]:
    return {"data": {"object": {"payment": {"id": "P", **told}}}}


def signature(body: bytes, *, key: str = KEY, url: str = URL) -> str:
    return base64.b64encode(hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()).decode()


def verified(
    body: bytes, headers: Mapping[str, str] | None = None, *, keys: Sequence[str] = (KEY,), url: str = URL
) -> Notification:
    sent = {"X-Square-HmacSha256-Signature": signature(body)} if headers is None else headers
    return notifications.verify(headers=sent, body=body, keys=keys, url=url, mode=Mode.TEST, location_id=LOCATION)


def test_a_payment_is_read() -> None:
    told = verified(json.dumps(event()).encode())
    assert told.event_id == "6a8f5f28-54a1-4eb0-a98a-3111513fd4fc"
    assert (told.mode, told.account, told.reference) == (Mode.TEST, "ML1", REFERENCE)
    assert told.ids == ProviderIds(page_id="ORD1", intent_id="PAY1")
    assert told.object_ids == ("PAY1", "ORD1")
    assert told.created_at == datetime(2026, 11, 26, 10, 0, 0, 123000, UTC)
    assert told.relevant
    assert not told.of_payouts


def test_squares_own_test_event_is_accepted_and_changes_nothing() -> None:
    """A delivery that Square once signed: the vector that its own libraries are tested with."""
    body = (
        b'{"merchant_id":"MLEFBHHSJGVHD","type":"webhooks.test_notification",'
        b'"event_id":"ac3ac95b-f97d-458c-a6e6-18981597e05f","created_at":"2022-07-13T20:30:59.037339943Z",'
        b'"data":{"type":"webhooks","id":"bc368e64-01aa-407e-b46e-3231809b1129"}}'
    )
    signature = "GF4YkrJgGBDZ9NIYbNXBnMzqb2HoL4RW/S6vkZ9/2N4="  # pragma: allowlist secret
    header = {"x-square-hmacsha256-signature": signature}
    url = "https://webhook.site/679a4f3a-dcfa-49ee-bac5-9d0edad886b9"
    told = verified(body, header, keys=("Ibxx_5AKakO-3qeNVR61Dw",), url=url)
    assert (told.type, told.account, told.relevant) == ("webhooks.test_notification", "MLEFBHHSJGVHD", False)


def test_a_note_from_a_link_is_our_reference() -> None:
    payment = {"id": "PAY1", "order_id": "ORD1", "note": REFERENCE}
    told = event(data={"type": "payment", "id": "PAY1", "object": {"payment": payment}})
    read = verified(json.dumps(told).encode())
    assert (read.reference, read.ids) == (REFERENCE, ProviderIds(intent_id="ORD1"))
    payment["note"] = "Thanks a lot"
    assert verified(json.dumps(told).encode()).reference == ""


@pytest.mark.parametrize(
    ("kind", "subject", "ids"),
    [
        ("refund.updated", {"refund": {"id": "R1", "payment_id": "PAY1", "order_id": "RET"}}, ("R1", "PAY1", "RET")),
        ("dispute.created", {"dispute": {"id": "D1", "disputed_payment": {"payment_id": "PAY1"}}}, ("D1", "PAY1")),
    ],
)  # fmt: skip
def test_refunds_and_disputes_name_their_payment(kind: str, subject: dict[str, Any], ids: tuple[str, ...]) -> None:
    told = verified(json.dumps(event(type=kind, data={"type": "x", "id": ids[0], "object": subject})).encode())
    assert told.relevant
    assert told.object_ids == ids
    # A refund's order is the return's: it must not be taken for ours.
    assert (told.ids, told.reference) == (ProviderIds(), "")


@pytest.mark.parametrize(
    ("changes", "relevant"),
    [
        ({"type": "order.updated"}, False),
        ({"type": "payout.paid"}, False),
        ({"location_id": "L2"}, True),  # the payment's own location is what counts
        (of_payment(location_id="L2"), False),
        (of_payment(application_details={"square_product": "SQUARE_POS"}), False),
        (of_payment(application_details={"square_product": "ECOMMERCE_API"}), True),
        ({"data": {"type": "payment", "id": "P", "deleted": True}}, False),
    ],
)  # fmt: skip
def test_what_can_be_a_payment_of_ours(changes: dict[str, Any], relevant: bool) -> None:
    told = verified(json.dumps(event(**changes)).encode())
    assert told.relevant is relevant
    assert told.of_payouts is (changes.get("type") == "payout.paid")


def test_the_environment_header_says_the_mode() -> None:
    body = json.dumps(event()).encode()
    headers = {"x-square-hmacsha256-signature": signature(body), "square-environment": "Production"}
    assert verified(body, headers).mode is Mode.LIVE


def test_an_old_key_counts_beside_the_new_one() -> None:
    body = json.dumps(event()).encode()
    told = verified(body, {"x-square-hmacsha256-signature": signature(body)}, keys=("new-key", KEY))
    assert told.reference == REFERENCE
    with pytest.raises(NotificationRejected):
        verified(body, {"x-square-hmacsha256-signature": signature(body)}, keys=("new-key", "", " "))


def test_a_signature_for_another_url_is_refused() -> None:
    body = json.dumps(event()).encode()
    for url in (URL.rstrip("/"), URL.replace("https", "http"), URL + "x"):
        with pytest.raises(NotificationRejected, match="SQUARE_WEBHOOK_URL"):
            verified(body, url=url)


_BODY = json.dumps(event()).encode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-square-signature": signature(_BODY)},
        {"x-square-hmacsha256-signature": ""},
        {"x-square-hmacsha256-signature": signature(_BODY)[:-1]},
        {"x-square-hmacsha256-signature": signature(_BODY) + "="},
        {"x-square-hmacsha256-signature": " " + signature(_BODY)},
        {"x-square-hmacsha256-signature": "ä" * 44},
        {"x-square-hmacsha256-signature": signature(_BODY, key="other")},
        {"x-square-hmacsha256-signature": signature(_BODY), "X-Square-HmacSha256-Signature": signature(_BODY)},
    ],
)
def test_a_header_that_proves_nothing_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(NotificationRejected):
        verified(_BODY, headers)


def test_every_changed_byte_is_refused() -> None:
    header = {"x-square-hmacsha256-signature": signature(_BODY)}
    for position in range(len(_BODY)):
        changed = _BODY[:position] + bytes([_BODY[position] ^ 1]) + _BODY[position + 1 :]
        with pytest.raises(NotificationRejected):
            verified(changed, header)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"text"',
        b"null",
        b"{",
        b"\xff\xfe{}",
        b'{"a":NaN}',
        b'{"a":1e999}',
        b'{"a":1,"a":2}',
        b"[" * 100_000,
        b"{" + b'"a":' * 10,
        json.dumps(event(event_id=None)).encode(),
        json.dumps(event(event_id="a b")).encode(),
        json.dumps(event(event_id=["x"])).encode(),
        json.dumps(event(type="Payment!")).encode(),
        json.dumps(event(created_at="yesterday")).encode(),
        json.dumps(event(created_at="2026-11-26T10:00:00")).encode(),
        json.dumps(event(created_at=1)).encode(),
        json.dumps(event(data=None)).encode(),
        json.dumps(event(data={"object": []})).encode(),
        json.dumps(event(data={"object": {"payment": "x"}})).encode(),
        json.dumps(event(merchant_id="a/b")).encode(),
        b'{"x":"' + b"a" * (1024 * 1024) + b'"}',
    ],
)
def test_what_is_signed_and_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(NotificationRejected):
        verified(body)


def test_hostile_ids_are_no_ids() -> None:
    payment = {"id": "../x", "order_id": "a b", "reference_id": "<script>alert(1)</script>", "location_id": LOCATION}
    told = verified(json.dumps(event(data={"id": 5, "object": {"payment": payment}})).encode())
    assert (told.object_ids, told.ids, told.reference) == ((), ProviderIds(), "")


def test_doctors_own_event_passes_and_changes_nothing() -> None:
    headers, body = signed_event(secret=KEY, url=URL, event_id="evt_1", mode=Mode.TEST, now=datetime.now(UTC))
    told = verified(body, headers)
    assert (told.event_id, told.relevant) == ("evt_1", False)
