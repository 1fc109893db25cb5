"""A provider that the shop has never heard of: an installed package brings it, and everything else is as it is.

The adapter is the example of docs/adding-a-provider.md, with its stand-in behind real HTTP.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
from django.test import Client

from integrations import providers
from tests.conformance.example.gateway import ACCOUNT, KEY, Gateway
from tests.factories import make_order
from tests.receivers.server import serving
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "acme-signing-secret"  # pragma: allowlist secret


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def world(gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[World]:
    """A shop that sells through Acme Pay, which `pip install acme-pay` brought."""
    info = tmp_path / "acme_pay-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-pay\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[shop_payments.providers]\nacme = tests.conformance.example.adapter:build\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(providers, "_made", {})
    settings.PAYMENTS_PROVIDERS = ("acme",)
    with serving(gateway) as url:
        given = {"ENVIRONMENT": "test", "ACME_KEY": KEY, "ACME_SECRETS": SECRET, "ACME_API_BASE": url}
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        now = datetime.now(UTC)
        yield World(provider=cast("Any", None), order=make_order(now=now), now=now)


def tell(page_id: str, reference: str, *, secret: str = SECRET) -> int:
    """Let Acme Pay's webhook come through our door; return what it was answered."""
    event = {
        "id": f"evt_{page_id}",
        "type": "payment.changed",
        "live": False,
        "account": ACCOUNT,
        "created": datetime.now(UTC).isoformat(),
        "payment": page_id,
        "reference": reference,
    }
    body = json.dumps(event).encode()
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    answer = Client().post(
        "/webhooks/acme/", body, content_type="application/json", headers={"acme-signature": signature}
    )
    return answer.status_code


def test_an_order_is_paid_and_refunded_through_it(world: World, gateway: Gateway) -> None:
    opening = world.press_pay("acme")
    assert opening.redirect_url.startswith("https://pay.acme.example/pay_")
    attempt = world.attempt
    assert (attempt.provider, attempt.account) == ("acme", ACCOUNT)

    gateway.take(gateway.payments[attempt.page_id])
    assert tell(attempt.page_id, attempt.reference) == 200
    world.wait(seconds=10)
    world.work()
    assert (world.order.state, world.attempt.state) == ("paid", "paid")
    assert world.balance() == {"clearing:acme": 2000, "sales": -2000}

    refund = world.refund(500)
    assert refund.state == "succeeded"
    assert world.order.state == "partially_refunded"
    assert gateway.payments[attempt.page_id]["refunds"][0]["reference"] == refund.reference
    assert world.cases() == []


def test_a_forged_webhook_of_it_is_refused(world: World, gateway: Gateway) -> None:
    world.press_pay("acme")
    assert tell(world.attempt.page_id, world.attempt.reference, secret="another") == 400
    assert world.event_states() == []


def test_its_money_after_the_end_is_late_and_not_lost(world: World, gateway: Gateway) -> None:
    world.press_pay("acme")
    page_id, reference = world.attempt.page_id, world.attempt.reference
    world.wait(minutes=90)
    world.work()
    assert world.order.state == "expired"
    assert gateway.payments[page_id]["status"] == "cancelled"

    gateway.take(gateway.payments[page_id])
    assert tell(page_id, reference) == 200
    world.work()
    assert world.order.state == "expired"
    assert world.cases() == ["late_money"]
    assert world.balance() == {"clearing:acme": 2000, "unapplied": -2000}
