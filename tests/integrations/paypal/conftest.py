"""PayPal's adapter, aimed at a sandbox of these tests; tokens and certificates in a cache of each test's own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import LazySettings

from integrations.contract import CaptureRequest, PageLine, Presentation, ProviderIds, StartRequest
from integrations.providers.paypal.adapter import PayPalProvider
from integrations.sandbox.paypal.control import PayPalControl
from integrations.sandbox.paypal.provider import ROOT_FILE
from tests.sandbox.process import Receiver, SandboxProcess

CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID = "sandbox-client-id", "sandbox-client-secret", "4WH12345678901234"


@pytest.fixture(scope="session")
def paypal_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """The process these tests share. Its stderr must stay empty."""
    process = SandboxProcess(
        tmp_path_factory.mktemp("paypal"),
        webhook_url="http://127.0.0.1:9/none",
        webhook_secret=WEBHOOK_ID,
        provider="paypal",
    ).start()
    yield process
    assert process.stop() == ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def control(paypal_process: SandboxProcess, settings: LazySettings) -> PayPalControl:
    """The sandbox, empty; it sends nowhere."""
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": uuid.uuid4().hex}
    }
    control = PayPalControl(paypal_process.url)
    control.reset()
    control.set_webhook(url="")  # else what an earlier test queued may be sent to this one's receiver
    control.hold_refunds(pending=False)
    return control


@pytest.fixture
def roots(paypal_process: SandboxProcess) -> Path:
    """The file that vouches for the sandbox's webhooks."""
    return paypal_process.state_dir / ROOT_FILE


@pytest.fixture
def adapter(paypal_process: SandboxProcess, control: PayPalControl, roots: Path) -> PayPalProvider:
    return make_adapter(paypal_process.url, roots)


def make_adapter(api_base: str, roots: Path, *, secret: str = CLIENT_SECRET) -> PayPalProvider:
    return PayPalProvider(
        environment="test",
        client_id=CLIENT_ID,
        client_secret=secret,
        webhook_id=WEBHOOK_ID,
        api_base=api_base,
        webhook_roots=str(roots),
    )


def start_request(
    *, reference: str = "", amount_minor: int = 4990, currency: str = "EUR", presentation: Presentation | None = None
) -> StartRequest:
    return StartRequest(
        reference=reference or f"pa_{uuid.uuid4().hex}",
        amount_minor=amount_minor,
        currency=currency,
        order_number="N-1001",
        lines=(PageLine(name="A lamp", quantity=1, unit_amount_minor=amount_minor),),
        email="shopper@example.com",
        return_url="http://127.0.0.1:8000/pay/tok/return/",
        cancel_url="http://127.0.0.1:8000/pay/tok/",
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        presentation=presentation or Presentation.HOSTED,
    )


def capture_request(ids: ProviderIds, asked: StartRequest) -> CaptureRequest:
    return CaptureRequest(ids=ids, reference=asked.reference, amount_minor=asked.amount_minor, currency=asked.currency)


def new_key() -> str:
    return uuid.uuid4().hex
