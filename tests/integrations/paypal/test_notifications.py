"""PayPal's webhooks: proved over their exact bytes by a kept certificate, or by a worker that fetches it."""

from __future__ import annotations

import base64
import json
import random
import zlib
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.cache import cache

from integrations.contract import (
    Mode,
    Notification,
    NotificationRejected,
    NotificationUnverified,
    Unavailable,
)
from integrations.providers.paypal import certificates, notifications
from integrations.providers.paypal.adapter import PayPalProvider
from integrations.providers.paypal.certificates import NotProved, Rule, rule_for
from integrations.providers.paypal.credentials import LIVE_API_BASE, TEST_API_BASE
from integrations.providers.paypal.notifications import Door
from integrations.sandbox.paypal.certificates import Signer, make
from integrations.sandbox.paypal.control import PayPalControl
from tests.integrations.paypal.conftest import WEBHOOK_ID, capture_request, new_key, start_request
from tests.sandbox.process import Receiver

NOW = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC)
URL = "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594"
BODY = json.dumps(
    {
        "id": "WH-1AB23456CD789012E-3FG45678HI901234J",
        "create_time": "2026-11-26T11:59:58Z",
        "resource_type": "capture",
        "resource_version": "2.0",
        "event_type": "PAYMENT.CAPTURE.COMPLETED",
        "resource": {
            "id": "42311647XV020574X",
            "custom_id": "pa_1",
            "amount": {"currency_code": "EUR", "value": "49.90"},
            "supplementary_data": {"related_ids": {"order_id": "5O190127TN364715T"}},
        },
        "links": [{"href": "https://api.sandbox.paypal.com/v1/notifications/webhooks-events/WH-1", "rel": "self"}],
    }
).encode()


@pytest.fixture(scope="module")
def signer() -> Signer:
    return make(now=NOW - timedelta(days=1))


@pytest.fixture(scope="module")
def stranger() -> Signer:
    return make(now=NOW - timedelta(days=1))


@pytest.fixture
def door(signer: Signer, tmp_path: Path, settings: LazySettings) -> Iterator[Door]:
    """Our door at PayPal's own sandbox, with a root of ours in place of the public ones, and an empty cache."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": str(tmp_path)}
    }
    roots = tmp_path / "roots.pem"
    roots.write_text(signer.root_pem)
    yield Door(
        rule=Rule(origin="https://api.sandbox.paypal.com", roots=str(roots)), webhook_id=WEBHOOK_ID, mode=Mode.TEST
    )


def signed(
    signer: Signer,
    body: bytes = BODY,
    *,
    at: datetime = NOW,
    webhook_id: str = WEBHOOK_ID,
    changes: Mapping[str, str] = {},
) -> dict[str, str]:
    time = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    text = f"69cd13f0-d67a-11e5-baa3-778b53f4ae55|{time}|{webhook_id}|{zlib.crc32(body)}"
    headers = {
        "Paypal-Transmission-Id": "69cd13f0-d67a-11e5-baa3-778b53f4ae55",
        "Paypal-Transmission-Time": time,
        "Paypal-Transmission-Sig": base64.b64encode(signer.sign(text.encode())).decode(),
        "Paypal-Cert-Url": URL,
        "Paypal-Auth-Algo": "SHA256withRSA",
    }
    return {**headers, **{f"Paypal-{name.replace('_', '-').title()}": value for name, value in changes.items()}}


def verified(door: Door, headers: Mapping[str, str], body: bytes = BODY, *, now: datetime = NOW) -> Notification:
    return notifications.verify(headers=headers, body=body, now=now, door=door)


@pytest.fixture
def kept(door: Door, signer: Signer) -> Door:
    """The same door, with PayPal's certificate known."""
    certificates.keep(URL, signer.chain_pem.encode())
    return door


def test_a_webhook_is_proved_and_reduced_to_a_hint(kept: Door, signer: Signer) -> None:
    told = verified(kept, signed(signer))
    assert (told.event_id, told.type, told.mode) == (
        "WH-1AB23456CD789012E-3FG45678HI901234J", "PAYMENT.CAPTURE.COMPLETED", Mode.TEST,
    )  # fmt: skip
    assert told.object_ids == ("42311647XV020574X", "5O190127TN364715T")
    assert (told.ids.page_id, told.reference, told.relevant) == ("5O190127TN364715T", "pa_1", True)


def test_without_the_certificate_it_is_unverified_and_says_what_it_speaks_of(door: Door, signer: Signer) -> None:
    with pytest.raises(NotificationUnverified) as unverified:
        verified(door, signed(signer))
    assert unverified.value.notification.reference == "pa_1"


@pytest.mark.slow
def test_no_change_of_one_bit_has_an_effect(kept: Door, signer: Signer) -> None:
    """Whatever is mutated – signed bytes, signature, signed headers – is refused, or stays unverified."""
    dice, headers = random.Random(6), signed(signer)
    accepted = 0
    for _ in range(10_000):
        body, changed = bytearray(BODY), dict(headers)
        if dice.random() < 0.5:
            body[dice.randrange(len(body))] ^= 1 << dice.randrange(8)
        else:
            name = dice.choice(list(changed))
            text = bytearray(changed[name].encode())
            text[dice.randrange(len(text))] ^= 1 << dice.randrange(7)
            changed[name] = text.decode("latin-1")
        try:
            verified(kept, changed, bytes(body))
        except (NotificationRejected, NotificationUnverified):
            continue
        accepted += 1
    assert accepted == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"auth_algo": "SHA1withRSA"},
        {"auth_algo": "none"},
        {"cert_url": "https://api.sandbox.paypal.com.evil.example/v1/notifications/certs/CERT-1"},
        {"cert_url": "https://evil.example/v1/notifications/certs/CERT-1"},
        {"cert_url": "http://api.sandbox.paypal.com/v1/notifications/certs/CERT-1"},
        {"cert_url": "https://api.sandbox.paypal.com@evil.example/v1/notifications/certs/CERT-1"},
        {"cert_url": "https://api.sandbox.paypal.com:444/v1/notifications/certs/CERT-1"},
        {"cert_url": "https://api.sandbox.paypal.com/v1/notifications/certs/../../x"},
        {"cert_url": "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1?x=1"},
        {"cert_url": "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1#x"},
        {"cert_url": "https://API.sandbox.paypal.com/v1/notifications/certs/CERT-1"},
        {"cert_url": "https://api.paypal.com/v1/notifications/certs/CERT-1"},  # the other environment's
        {"transmission_sig": ""},
        {"transmission_sig": "ü" * 200},
        {"transmission_id": "a|b|c|d|e|f|g"},
        {"transmission_time": "2026-11-26T12:00:00+00:00"},
        {"transmission_time": "2026-99-26T12:00:00Z"},
    ],
)
def test_refusals(kept: Door, signer: Signer, changes: dict[str, str]) -> None:
    with pytest.raises(NotificationRejected):
        verified(kept, signed(signer, changes=changes))


@pytest.mark.parametrize("missing", list(notifications.HEADERS))
def test_each_header_is_needed_once(kept: Door, signer: Signer, missing: str) -> None:
    headers = {name.lower(): value for name, value in signed(signer).items()}
    with pytest.raises(NotificationRejected):
        verified(kept, {name: value for name, value in headers.items() if name != missing})
    with pytest.raises(NotificationRejected):
        verified(kept, {**headers, missing.title(): headers[missing]})


def test_an_event_for_another_webhook_of_paypals_is_refused(kept: Door, signer: Signer) -> None:
    for other in ("9XX12345678901234", "WEBHOOK_ID"):  # another shop's; the portal's simulator's
        with pytest.raises(NotificationRejected):
            verified(kept, signed(signer, webhook_id=other))


def test_the_window(kept: Door, signer: Signer) -> None:
    verified(kept, signed(signer, at=NOW - timedelta(days=3)))  # PayPal repeats for three days
    for at in (NOW - timedelta(days=5), NOW + timedelta(seconds=301)):
        with pytest.raises(NotificationRejected):
            verified(kept, signed(signer, at=at))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"id":1,"id":2}',
        b'{"a":NaN}',
        b"1" * (1024 * 1024 + 1),
        BODY.replace(b"id", b"ix"),
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(kept: Door, signer: Signer, body: bytes) -> None:
    with pytest.raises(NotificationRejected):
        verified(kept, signed(signer, body), body)


def test_an_unknown_type_is_proved_and_irrelevant(kept: Door, signer: Signer) -> None:
    body = BODY.replace(b"PAYMENT.CAPTURE.COMPLETED", b"VAULT.PAYMENT-TOKEN.CREATED")
    assert not verified(kept, signed(signer, body), body).relevant


def test_the_links_tell_the_other_mode(kept: Door, signer: Signer) -> None:
    body = BODY.replace(b"api.sandbox.paypal.com", b"api.paypal.com")
    assert verified(kept, signed(signer, body), body).mode is Mode.LIVE


# --- the certificate ------------------------------------------------------------------------------------------


def test_a_chain_of_strangers_is_not_proved(door: Door, stranger: Signer) -> None:
    with pytest.raises(NotProved):
        certificates.public_key(stranger.chain_pem.encode(), rule=door.rule, at=NOW)


def test_the_chain_holds_in_its_time_only(door: Door, signer: Signer) -> None:
    chain = signer.chain_pem.encode()
    certificates.public_key(chain, rule=door.rule, at=NOW)
    for at in (NOW - timedelta(days=2), NOW + timedelta(days=900)):
        with pytest.raises(NotProved):
            certificates.public_key(chain, rule=door.rule, at=at)


def test_the_subject_must_be_paypals(tmp_path: Path) -> None:
    other = make(now=NOW - timedelta(days=1), subject="paypal.com.evil.example")
    (tmp_path / "roots.pem").write_text(other.root_pem)
    rule = Rule(origin="https://api.sandbox.paypal.com", roots=str(tmp_path / "roots.pem"))
    with pytest.raises(NotProved):
        certificates.public_key(other.chain_pem.encode(), rule=rule, at=NOW)


def test_the_leaf_alone_or_no_certificate_at_all_is_not_proved(door: Door, signer: Signer) -> None:
    end = b"-----END CERTIFICATE-----\n"
    leaf = signer.chain_pem.encode().partition(end)[0] + end
    for chain in (leaf, b"", b"<html>sorry</html>", signer.root_pem.encode() * 7):
        with pytest.raises(NotProved):
            certificates.public_key(chain, rule=door.rule, at=NOW)


def test_a_poisoned_cache_proves_nothing(door: Door, signer: Signer, stranger: Signer) -> None:
    certificates.keep(URL, stranger.chain_pem.encode())
    with pytest.raises(NotificationUnverified):
        verified(door, signed(stranger))


def test_the_rules_of_paypals_two_hosts() -> None:
    assert rule_for(LIVE_API_BASE).origin == "https://api.paypal.com"
    assert rule_for(TEST_API_BASE + "/").origin == "https://api.sandbox.paypal.com"
    assert rule_for("http://127.0.0.1:4011").origin == "http://127.0.0.1:4011"


# --- through the sandbox: what it signs is what we accept -----------------------------------------------------


@pytest.fixture
def delivered(
    adapter: PayPalProvider, control: PayPalControl, receiver: Receiver
) -> list[tuple[dict[str, str], bytes]]:
    """The webhooks of one paid order, as they arrived."""
    control.set_webhook(url=receiver.url, secrets=[WEBHOOK_ID], retry_seconds=[])
    asked = start_request(reference="pa_ü"[:3] + "1")
    ids = adapter.start(asked, idempotency_key=new_key()).ids
    control.approve(ids.page_id)
    adapter.capture(capture_request(ids, asked), idempotency_key=new_key())
    receiver.wait_for(lambda: len(receiver.received) >= 2)
    return [(one.headers, one.body) for one in receiver.received]


def test_a_worker_proves_what_the_door_could_not(
    adapter: PayPalProvider, control: PayPalControl, delivered: list[tuple[dict[str, str], bytes]]
) -> None:
    now = datetime.now(UTC)
    headers, body = delivered[0]
    with pytest.raises(NotificationUnverified):
        adapter.verify(headers=headers, body=body, now=now)
    lower = {name.lower(): value for name, value in headers.items() if name.lower() in notifications.HEADERS}
    proved = adapter.prove(headers=lower, body=body, now=now)
    assert proved.relevant and proved.reference == "pa_1"
    for each, bytes_ in delivered:  # from now on the door proves for itself
        adapter.verify(headers=each, body=bytes_, now=now)
    assert len(control.requests(path_prefix="/v1/notifications/certs/")) == 1


def test_a_forged_body_is_rejected_by_the_worker(
    adapter: PayPalProvider, delivered: list[tuple[dict[str, str], bytes]]
) -> None:
    headers, body = delivered[0]
    with pytest.raises(NotificationRejected):
        adapter.prove(headers=headers, body=body.replace(b"pa_1", b"pa_2"), now=datetime.now(UTC))


def test_a_certificate_that_does_not_exist_is_nobodys(
    adapter: PayPalProvider, delivered: list[tuple[dict[str, str], bytes]]
) -> None:
    headers, body = delivered[0]
    name = next(each for each in headers if each.lower() == "paypal-cert-url")
    headers = {**headers, name: headers[name][:-3] + "000"}
    with pytest.raises((NotificationRejected, Unavailable)):
        adapter.prove(headers=headers, body=body, now=datetime.now(UTC))


@pytest.mark.parametrize("kind", ["drop", "server_error", "html_502"])
def test_a_certificate_that_cannot_be_had_is_asked_for_again(
    adapter: PayPalProvider, control: PayPalControl, delivered: list[tuple[dict[str, str], bytes]], kind: str
) -> None:
    headers, body = delivered[0]
    control.fault(kind, path_prefix="/v1/notifications/certs/")
    with pytest.raises(Unavailable):
        adapter.prove(headers=headers, body=body, now=datetime.now(UTC))
    adapter.prove(headers=headers, body=body, now=datetime.now(UTC))


def test_where_no_root_of_ours_vouches_paypal_itself_is_asked_over_the_exact_bytes(
    adapter: PayPalProvider,
    control: PayPalControl,
    delivered: list[tuple[dict[str, str], bytes]],
    roots: Path,
    stranger: Signer,
) -> None:
    good = roots.read_bytes()
    roots.write_text(stranger.root_pem)
    try:
        headers, body = delivered[0]
        assert adapter.prove(headers=headers, body=body, now=datetime.now(UTC)).reference == "pa_1"
        with pytest.raises(NotificationRejected):
            adapter.prove(headers=headers, body=body.replace(b"pa_1", b"pa_2"), now=datetime.now(UTC))
        assert len(control.requests(path_prefix="/v1/notifications/verify-webhook-signature")) == 2
        assert not any(cache.get(name) for name in (certificates._name(value) for value in headers.values()))
    finally:
        roots.write_bytes(good)


def test_a_refund_event_names_its_capture_and_no_reference(
    adapter: PayPalProvider, control: PayPalControl, receiver: Receiver
) -> None:
    asked = start_request()
    ids = adapter.start(asked, idempotency_key=new_key()).ids
    control.approve(ids.page_id)
    adapter.capture(capture_request(ids, asked), idempotency_key=new_key())
    capture = adapter.fetch(ids).captures[0].capture_id
    control.set_webhook(url=receiver.url, secrets=[WEBHOOK_ID])
    refund = control.refund_capture(capture, amount=100)
    receiver.wait_for(lambda: len(receiver.received) >= 1)
    event: dict[str, Any] = json.loads(receiver.received[0].body)
    told = notifications.read(event, ours=Mode.TEST)
    assert (told.type, told.object_ids, told.reference) == (
        "PAYMENT.CAPTURE.REFUNDED", (refund["id"], capture), "",
    )  # fmt: skip


def test_a_dispute_event_names_payment_and_capture(
    adapter: PayPalProvider, control: PayPalControl, receiver: Receiver
) -> None:
    asked = start_request()
    ids = adapter.start(asked, idempotency_key=new_key()).ids
    control.approve(ids.page_id)
    adapter.capture(capture_request(ids, asked), idempotency_key=new_key())
    capture = adapter.fetch(ids).captures[0].capture_id
    control.set_webhook(url=receiver.url, secrets=[WEBHOOK_ID])
    dispute = control.dispute_capture(capture)
    receiver.wait_for(lambda: len(receiver.received) >= 1)
    told = notifications.read(json.loads(receiver.received[0].body), ours=Mode.TEST)
    assert told.object_ids == (dispute["dispute_id"], capture)
    assert (told.reference, told.relevant) == (asked.reference, True)
