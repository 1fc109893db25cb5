"""NMI's webhooks beyond the conformance kit: test mode in production, the merchant, the nonce, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from integrations import nonces
from integrations.contract import Mode, Notification, NotificationRejected, ProviderIds
from integrations.providers.nmi import loopback, notifications
from integrations.sandbox.nmi.events import signature
from payments.models import ProviderEvent
from tests.conformance.stands.nmi import MERCHANT, SECURITY_KEY, TOKENIZATION_KEY, NmiStand

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEY = NmiStand.secrets[0]
NONCE = "0123456789abcdef"


def event(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "merchant": {"id": MERCHANT, "name": "Shop"},
        "features": {"is_test_mode": False},
        "transaction_id": "12030573544",
        "order_id": "pa_1234567890",
        "action": {"action_type": "sale", "date": "20261121115900", "success": "1"},
        **changes,
    }
    return {
        "event_id": "8a5e5f0c-0000-4000-8000-000000000001",
        "event_type": "transaction.sale.success",
        "event_body": body,
    }


def verify(told: object, *, nonce: str = NONCE, mode: Mode = Mode.LIVE, **options: Any) -> Notification:
    body = json.dumps(told).encode()
    headers = {"Webhook-Signature": signature(body, secret=KEY, nonce=nonce)}
    return notifications.verify(headers=headers, body=body, signing_keys=(KEY,), now=NOW, mode=mode, **options)


def test_what_a_sale_hints_at() -> None:
    assert verify(event()) == Notification(
        provider="nmi",
        event_id="8a5e5f0c-0000-4000-8000-000000000001",
        type="transaction.sale.success",
        mode=Mode.LIVE,
        account=MERCHANT,
        created_at=datetime(2026, 11, 21, 11, 59, tzinfo=UTC),
        object_ids=("12030573544",),
        ids=ProviderIds(page_id="pa_1234567890"),
        reference="pa_1234567890",
        relevant=True,
    )


@pytest.mark.parametrize("host", list(Mode))
def test_an_event_of_an_account_in_test_mode_is_of_test_mode_wherever_it_comes_from(host: Mode) -> None:
    assert verify(event(features={"is_test_mode": True}), mode=host).mode is Mode.TEST
    assert verify(event(), mode=host).mode is host


@pytest.mark.parametrize(
    ("type", "relevant"),
    [
        ("transaction.sale.success", True), ("transaction.sale.failure", True), ("transaction.sale.unknown", True),
        ("transaction.refund.success", True), ("transaction.void.success", True),
        ("transaction.check.status.latereturn", True), ("settlement.batch.complete", False),
        ("chargeback.batch.complete", False), ("recurring.subscription.add", False),
    ],
)  # fmt: skip
def test_which_types_can_change_a_payment(type: str, relevant: bool) -> None:
    assert verify({**event(), "event_type": type}).relevant is relevant


@pytest.mark.parametrize(
    "changes",
    [
        {"features": None}, {"features": {}}, {"features": {"is_test_mode": "false"}}, {"merchant": None},
        {"merchant": {"id": ""}}, {"merchant": {"id": ["1"]}}, {"merchant": {"id": True}},
        {"action": {"date": "yesterday"}},
    ],
)  # fmt: skip
def test_an_event_without_what_it_must_say_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(NotificationRejected):
        verify(event(**changes))


@pytest.mark.parametrize("value", ["../1", "x" * 300, {"a": 1}, None, 1.5, "pa_1\n"])
def test_an_order_id_of_another_shape_is_none(value: object) -> None:
    note = verify(event(order_id=value, transaction_id=value))
    assert (note.reference, note.ids, note.object_ids) == ("", ProviderIds(), ())


@pytest.mark.parametrize(
    "header",
    ["", "t=a", "s=" + "0" * 64, "t=,s=" + "0" * 64, "t=a,s=" + "0" * 63, "t=a,s=" + "G" * 64, "t=a,s=" + "A" * 64,
     "t=a,t=b,s=" + "0" * 64, "t=a,s=" + "0" * 64 + ",s=" + "0" * 64, " t=a,s=" + "0" * 64, "t=\xe9,s=" + "0" * 64,
     "t=" + "a" * 256 + ",s=" + "0" * 64],
)  # fmt: skip
def test_a_header_of_another_shape_is_refused(header: str) -> None:
    with pytest.raises(NotificationRejected):
        notifications.verify(
            headers={"Webhook-Signature": header}, body=b"{}", signing_keys=(KEY,), now=NOW, mode=Mode.TEST
        )


def test_an_empty_signing_key_proves_nothing() -> None:
    body = json.dumps(event()).encode()
    headers = {"Webhook-Signature": signature(body, secret="", nonce=NONCE)}
    with pytest.raises(NotificationRejected):
        notifications.verify(headers=headers, body=body, signing_keys=("", " "), now=NOW, mode=Mode.TEST)


@pytest.mark.django_db
def test_a_nonce_over_other_bytes_is_refused_and_over_the_same_is_known() -> None:
    cache.clear()
    seen: dict[str, Any] = {"seen_over_other_bytes": lambda nonce, body: nonces.is_of_other_bytes("nmi", nonce, body)}
    assert verify(event(), **seen) == verify(event(), **seen)
    with pytest.raises(NotificationRejected, match="nonce"):
        verify(event(order_id="pa_other"), **seen)
    verify(event(order_id="pa_other"), nonce="another", **seen)


@pytest.mark.django_db
def test_a_forged_signature_uses_up_no_nonce() -> None:
    cache.clear()
    told: list[str] = []

    def seen(nonce: str, _: bytes) -> bool:
        told.append(nonce)
        return False

    with pytest.raises(NotificationRejected):
        notifications.verify(
            headers={"Webhook-Signature": f"t={NONCE},s={'0' * 64}"}, body=b"{}", signing_keys=(KEY,), now=NOW,
            mode=Mode.TEST, seen_over_other_bytes=seen,
        )  # fmt: skip
    assert told == []


def test_a_cache_that_is_away_stops_no_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> bool:
        raise ConnectionError("away")

    monkeypatch.setattr(cache, "add", away)
    assert nonces.is_of_other_bytes("nmi", "n", b"x") is False


@pytest.fixture
def offered(settings: Any) -> None:
    """NMI as configured for the tests, behind our real door."""
    settings.PAYMENTS_PROVIDERS = ("nmi",)
    settings.NMI_SECURITY_KEY, settings.NMI_TOKENIZATION_KEY = SECURITY_KEY, TOKENIZATION_KEY
    settings.NMI_WEBHOOK_SIGNING_KEYS, settings.NMI_MERCHANT_ID = (KEY,), MERCHANT
    settings.NMI_API_BASE = "http://127.0.0.1:9"
    cache.clear()


@pytest.mark.django_db(transaction=True)
def test_through_the_door_it_is_answered_200_exactly_and_stored_once(client: Client, offered: None) -> None:
    body = json.dumps(event(features={"is_test_mode": True})).encode()

    def send(nonce: str, content: bytes = body) -> int:
        header = signature(content, secret=KEY, nonce=nonce)
        return client.post(
            "/webhooks/nmi/", content, content_type="application/json", headers={"Webhook-Signature": header}
        ).status_code

    assert [send("n1"), send("n1"), send("n2")] == [200, 200, 200]
    assert ProviderEvent.objects.count() == 1
    other = json.dumps(event(order_id="pa_other", features={"is_test_mode": True})).encode()
    assert send("n1", other) == 400
    assert ProviderEvent.objects.count() == 1


def test_doctors_event_passes_as_it_is_and_changes_nothing() -> None:
    """`doctor` looks for the very id it made (D042)."""
    headers, body = loopback.signed_event(
        secret=KEY, event_id="evt_doctor_0123456789abcdef", mode=Mode.TEST, now=NOW, merchant_id=MERCHANT
    )
    note = notifications.verify(headers=headers, body=body, signing_keys=(KEY,), now=NOW, mode=Mode.TEST)
    assert (note.event_id, note.relevant, note.account) == ("evt_doctor_0123456789abcdef", False, MERCHANT)
