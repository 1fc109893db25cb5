"""Where a contract test runs: the sandbox in its own process, or the provider's own test mode where a key is set."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe

from integrations.contract import PageLine, StartRequest
from integrations.guard import GuardedProvider
from integrations.providers.stripe.adapter import StripeProvider
from integrations.providers.stripe.credentials import OFFICIAL_API_BASE
from tests.sandbox.process import API_KEY, WEBHOOK_SECRET, SandboxProcess

TEST_KEY = os.environ.get("STRIPE_TEST_API_KEY", "")


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A running Stripe sandbox that delivers no webhooks."""
    process = SandboxProcess(state_dir=tmp_path_factory.mktemp("stripe-sandbox")).start()
    yield process
    process.stop()


@pytest.fixture(autouse=True)
def clean_faults(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave no fault switch on for the next test."""
    yield
    if "sandbox" in request.fixturenames:
        request.getfixturevalue("sandbox").control.clear_faults()


def adapter(*, base: str, **options: Any) -> StripeProvider:
    wanted = {"environment": "test", "api_key": API_KEY, "webhook_secrets": (WEBHOOK_SECRET,), "api_base": base}
    return StripeProvider(**(wanted | options))


@pytest.fixture
def provider(sandbox: SandboxProcess) -> GuardedProvider:
    """The adapter behind its guard, aimed at the sandbox."""
    return GuardedProvider(adapter(base=sandbox.url))


@dataclass
class Target:
    """A Stripe to hold the adapter against: the adapter, and the plain SDK for what a shopper or staff would do."""

    provider: GuardedProvider
    client: stripe.StripeClient


@pytest.fixture(
    params=[
        "sandbox",
        pytest.param(
            "stripe test mode",
            marks=[
                pytest.mark.skipif(not TEST_KEY, reason="STRIPE_TEST_API_KEY is not set: not held against Stripe"),
                pytest.mark.enable_socket,
            ],
        ),
    ]
)
def target(request: pytest.FixtureRequest) -> Target:
    if request.param == "sandbox":
        process: SandboxProcess = request.getfixturevalue("sandbox")
        return Target(GuardedProvider(adapter(base=process.url)), process.client())
    client = stripe.StripeClient(TEST_KEY, http_client=stripe.RequestsClient(timeout=20), max_network_retries=2)
    return Target(GuardedProvider(adapter(api_key=TEST_KEY, base=OFFICIAL_API_BASE)), client)


def start_request(**changes: Any) -> StartRequest:
    """A request for 49.90 EUR in two lines, on a page that lives for an hour."""
    wanted: dict[str, Any] = {
        "reference": "pa_" + os.urandom(20).hex(),
        "amount_minor": 4990,
        "currency": "EUR",
        "order_number": "S-1001",
        "lines": (
            PageLine(name="Teapot", quantity=1, unit_amount_minor=3990),
            PageLine(name="Cup", quantity=2, unit_amount_minor=500),
        ),
        "email": "shopper@example.org",
        "return_url": "https://shop.example/pay/t/return/",
        "cancel_url": "https://shop.example/pay/t/",
        "expires_at": datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1),
    }
    return StartRequest(**(wanted | changes))


def new_key() -> str:
    return os.urandom(16).hex()
