"""What a receiver gets and what its answers mean, against the demo receiver, which checks the signature itself."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from integrations import delivery
from integrations.connectors.contract import Message, Misconfigured, Receiver, Verdict
from integrations.connectors.webhook import WebhookConnector
from integrations.http import HttpAnswer, OutboundFailed, OutboundRefused, OutboundTimeout
from integrations.models import Delivery, DeliveryState, Failure
from integrations.sandbox.receiver import Receiver as DemoReceiver
from tests.integrations.deliveries import OLD_SECRET, ORDER, SECRET, make_destination, tell

pytestmark = pytest.mark.django_db

CONNECTOR = WebhookConnector()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[DemoReceiver]:
    with DemoReceiver(port=0, state_dir=tmp_path, secrets=[SECRET]) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.store.close()


def control(receiver: DemoReceiver, **fault: Any) -> None:
    body = json.dumps(fault).encode()
    request = urllib.request.Request(f"{receiver.url}/control", data=body, method="POST")
    assert urllib.request.urlopen(request).status == 204


def message(**fields: Any) -> Message:
    defaults: dict[str, Any] = {
        "key": "msg_1",
        "fact": "order.paid",
        "event_id": "3e2cbbbd-0000-4000-8000-000000000000",
        "occurred_at": datetime(2026, 11, 21, 12, 0, tzinfo=UTC),
        "payload": ORDER,
    }
    return Message(**(defaults | fields))


def to(**fields: Any) -> Receiver:
    return Receiver(**({"address": "https://crm.example/in", "secrets": (SECRET,)} | fields))


# --- what is sent --------------------------------------------------------------------------------------------


def test_the_body_says_what_became_true_when_and_of_what(now: datetime) -> None:
    request = CONNECTOR.build(message(), to(), now=now)
    assert json.loads(request.body) == {
        "type": "order.paid",
        "id": "3e2cbbbd-0000-4000-8000-000000000000",
        "timestamp": "2026-11-21T12:00:00+00:00",
        "data": ORDER,
    }
    assert request.headers["webhook-id"] == "msg_1"
    assert request.headers["content-type"] == "application/json"


@pytest.mark.parametrize("hours", [0, 5, -9])
def test_the_library_verifies_what_we_sign_whatever_the_zone_of_our_clock(hours: int) -> None:
    clock = datetime.now(tz=UTC).astimezone(timezone(timedelta(hours=hours)))
    request = CONNECTOR.build(message(), to(), now=clock)
    assert Webhook(SECRET).verify(request.body, dict(request.headers))["type"] == "order.paid"


def test_while_secrets_overlap_both_verify() -> None:
    request = CONNECTOR.build(message(), to(secrets=(SECRET, OLD_SECRET)), now=datetime.now(tz=UTC))
    for secret in (SECRET, OLD_SECRET):
        Webhook(secret).verify(request.body, dict(request.headers))


@pytest.mark.parametrize("secrets", [(), ("",), ("whsec_",), ("whsec_=not-base64",), (SECRET, "whsec_")])
def test_without_a_usable_secret_nothing_is_built(now: datetime, secrets: tuple[str, ...]) -> None:
    with pytest.raises(Misconfigured):
        CONNECTOR.build(message(), to(secrets=secrets), now=now)


def test_neither_secrets_nor_payload_stand_in_a_repr(now: datetime) -> None:
    assert "whsec_" not in repr(to())
    assert "shopper@example.com" not in repr(CONNECTOR.build(message(), to(), now=now))


# --- what an answer means ------------------------------------------------------------------------------------


def answered(status: int, now: datetime, **headers: str) -> Verdict:
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    return CONNECTOR.classify(HttpAnswer(status, found, b""), now=now)


@given(status=st.integers(200, 299))
def test_any_2xx_delivers(status: int) -> None:
    assert answered(status, datetime.now(tz=UTC)).delivered


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        (301, Failure.CONFIGURATION),
        (302, Failure.CONFIGURATION),
        (308, Failure.CONFIGURATION),
        (400, Failure.PERMANENT),
        (401, Failure.CONFIGURATION),
        (403, Failure.CONFIGURATION),
        (404, Failure.CONFIGURATION),
        (408, Failure.UNAVAILABLE),
        (409, Failure.UNAVAILABLE),
        (410, Failure.PERMANENT),
        (413, Failure.PERMANENT),
        (422, Failure.PERMANENT),
        (429, Failure.UNAVAILABLE),
        (500, Failure.UNAVAILABLE),
        (502, Failure.UNAVAILABLE),
        (503, Failure.UNAVAILABLE),
    ],
)
def test_what_else_a_status_means(status: int, failure: Failure, now: datetime) -> None:
    verdict = answered(status, now)
    assert not verdict.delivered
    assert verdict.failure == failure
    assert verdict.http_status == status
    assert verdict.hopeless == verdict.gone == (status == 410)
    assert verdict.outcome_unknown == (status >= 500)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 7 ", 7),
        ("Sat, 21 Nov 2026 12:01:00 GMT", 60),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0),
        ("Sat, 21 Nov 2026 12:01:00 -0000", 60),
        ("99999999999999999999", 999999999),
        ("-5", None),
        ("soon", None),
        ("1.5", None),
        ("²", None),
        ("", None),
    ],
)
def test_retry_after_in_either_form(value: str, seconds: int | None, now: datetime) -> None:
    assert answered(429, now, retry_after=value).retry_after_seconds == seconds
    assert answered(503, now, retry_after=value).retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("error", "failure", "unknown"),
    [
        (OutboundTimeout("late"), Failure.TIMEOUT, True),
        (OutboundFailed("reset"), Failure.UNAVAILABLE, True),
        (OutboundRefused("a private address"), Failure.CONFIGURATION, False),
        (Misconfigured("no secret"), Failure.CONFIGURATION, False),
        (KeyError("defect"), Failure.INTERNAL, False),
    ],
)
def test_what_an_exception_means(error: Exception, failure: Failure, unknown: bool, now: datetime) -> None:
    verdict = CONNECTOR.classify(error, now=now)
    assert (verdict.delivered, verdict.failure, verdict.outcome_unknown) == (False, failure, unknown)


# --- all of it, over a socket --------------------------------------------------------------------------------


@pytest.fixture
def row(receiver: DemoReceiver) -> Delivery:
    now = datetime.now(tz=UTC)
    make_destination(now=now, address=receiver.url, lookup_address=f"{receiver.url}/received")
    return tell(now=now)[0]


def drain(*, hours: int = 0) -> delivery.Drained:
    return delivery.drain(clock=lambda: datetime.now(tz=UTC) + timedelta(hours=hours))


def state(row: Delivery) -> tuple[str, str, int | None]:
    row.refresh_from_db()
    return row.state, row.last_failure, row.last_http_status


def test_the_receiver_verifies_and_keeps_it(row: Delivery, receiver: DemoReceiver) -> None:
    assert drain() == delivery.Drained(delivered=1)

    report = receiver.store.report()
    assert [(kept["id"], kept["type"], kept["receipts"]) for kept in report["messages"]] == [(row.key, "order.paid", 1)]
    assert report["messages"][0]["body"]["data"] == ORDER
    assert report["refused"] == []


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"mode": "500"}, ("queued", "unavailable", 500)),
        ({"mode": "400"}, ("queued", "permanent", 400)),
        ({"mode": "410"}, ("dead", "permanent", 410)),
        ({"mode": "redirect"}, ("queued", "configuration", 302)),
        ({"mode": "half"}, ("queued", "unavailable", None)),
        ({"mode": "cut"}, ("queued", "unavailable", None)),
        ({"mode": "hang"}, ("queued", "timeout", None)),
    ],
)
def test_a_receiver_that_fails(
    row: Delivery, receiver: DemoReceiver, fault: dict[str, Any], expected: tuple[str, str, int | None]
) -> None:
    control(receiver, **fault, times=1)
    with override_settings(DELIVERY_SEND_SECONDS=1):
        drain()
    assert state(row) == expected
    assert receiver.store.report()["messages"] == []
    (attempt,) = row.attempts.all()
    assert (attempt.outcome, attempt.http_status, attempt.failure) == ("failed", expected[2], expected[1])


def test_retry_after_is_waited_for(row: Delivery, receiver: DemoReceiver) -> None:
    control(receiver, mode="429", retry_after="3600", times=1)
    before = datetime.now(tz=UTC)
    drain()
    assert state(row) == ("queued", "unavailable", 429)
    assert before + timedelta(seconds=3600) <= row.not_before <= before + timedelta(seconds=3610)


@pytest.mark.parametrize("mode", ["500", "half", "cut"])
def test_a_receiver_that_took_it_and_then_failed_has_it_once(row: Delivery, receiver: DemoReceiver, mode: str) -> None:
    control(receiver, mode=mode, keep=True, times=1)
    drain()
    assert row.attempts.count() == 1

    # Its clock has moved on, and with it the signature's; five minutes is what receivers allow.
    Delivery.objects.update(not_before=datetime.now(tz=UTC))
    assert drain() == delivery.Drained(delivered=1)
    (kept,) = receiver.store.report()["messages"]
    assert (kept["id"], kept["receipts"]) == (row.key, 2)


def test_one_that_can_only_be_asked_is_asked(row: Delivery, receiver: DemoReceiver) -> None:
    row.destination.idempotent = False
    row.destination.save()
    control(receiver, mode="cut", keep=True, times=1)
    drain()
    Delivery.objects.update(not_before=datetime.now(tz=UTC))

    assert drain() == delivery.Drained(delivered=1)

    (kept,) = receiver.store.report()["messages"]
    assert kept["receipts"] == 1
    assert list(row.attempts.order_by("number").values_list("outcome", flat=True)) == ["failed", "found"]


def test_an_unanswered_look_up_sends_nothing(row: Delivery, receiver: DemoReceiver) -> None:
    row.destination.idempotent, row.destination.lookup_address = False, "http://127.0.0.1:9/received"
    row.destination.save()
    Delivery.objects.update(outcome_unknown=True)

    assert drain() == delivery.Drained(failed=1)

    assert receiver.store.report()["receipts"] == []
    row.refresh_from_db()
    assert row.outcome_unknown


def test_with_the_wrong_secret_the_receiver_refuses(row: Delivery, receiver: DemoReceiver) -> None:
    row.destination.set_signing_secrets([OLD_SECRET])
    row.destination.save()
    drain()
    assert state(row) == ("queued", "configuration", 401)
    assert receiver.store.report()["messages"] == []
    assert len(receiver.store.report()["refused"]) == 1


def test_plain_http_and_loopback_are_for_stand_ins(row: Delivery, receiver: DemoReceiver) -> None:
    row.destination.allow_loopback = False
    row.destination.save()
    drain()
    assert state(row) == ("queued", "configuration", None)

    Delivery.objects.update(not_before=datetime.now(tz=UTC))
    row.destination.allow_loopback = True
    row.destination.save()
    with override_settings(ENVIRONMENT="production"):
        drain()
    assert state(row) == ("queued", "configuration", None)
    assert receiver.store.report()["receipts"] == []


def test_secrets_that_cannot_be_read_are_a_configuration_failure(row: Delivery) -> None:
    with override_settings(ENCRYPTION_KEYS={"other": b"k" * 32}):
        drain()
    assert state(row) == (DeliveryState.QUEUED, Failure.CONFIGURATION, None)


@pytest.mark.slow
def test_a_receiver_that_hangs_does_not_hold_up_the_others(receiver: DemoReceiver, tmp_path: Path) -> None:
    now = datetime.now(tz=UTC)
    make_destination(now=now, name="hangs", address=receiver.url)
    with DemoReceiver(port=0, state_dir=tmp_path / "other", secrets=[SECRET]) as quick:
        threading.Thread(target=quick.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        make_destination(now=now, name="quick", address=quick.url)
        control(receiver, mode="hang", seconds=20)
        for _ in range(20):
            tell(now=now)
        with override_settings(DELIVERY_SEND_SECONDS=3, DRAIN_SECONDS=3):
            drain()
        quick.shutdown()
        quick.store.close()
    assert Delivery.objects.filter(destination__name="quick", state="delivered").count() == 20
    assert Delivery.objects.filter(destination__name="hangs", state="delivered").count() == 0
