"""A Square sandbox in its own process, and the adapter in front of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from integrations.contract import StartRequest
from integrations.providers.square.adapter import SquareProvider
from tests.conformance.conftest import new_key as new_key
from tests.conformance.conftest import start_request as any_start_request
from tests.sandbox.process import SandboxProcess

TOKEN = "EAAAsandbox-token-of-nobody"
LOCATION = "LSANDBOX00001"
APPLICATION = "sandbox-sq0idb-sandbox"
SIGNATURE_KEY = "square-signature-key-of-tests"
WEBHOOK_URL = "http://127.0.0.1:9/webhooks/square/"


def running(state_dir: Path, *, currency: str = "EUR", webhook_url: str = "") -> Iterator[SandboxProcess]:
    """Yields a running sandbox of one location."""
    process = SandboxProcess(
        state_dir,
        provider="square",
        webhook_url=webhook_url or None,
        webhook_secret=SIGNATURE_KEY,
        arguments=("--account", f"{LOCATION}:{currency}"),
    ).start()
    yield process
    process.stop()


def settings(base: str, **changes: Any) -> dict[str, Any]:
    """What the adapter is made from, aimed at `base`."""
    wanted: dict[str, Any] = {
        "environment": "test",
        "access_token": TOKEN,
        "location_id": LOCATION,
        "application_id": APPLICATION,
        "webhook_signature_keys": (SIGNATURE_KEY,),
        "webhook_url": WEBHOOK_URL,
        "currency": "EUR",
        "api_base": base,
    }
    return wanted | changes


def adapter(base: str, **changes: Any) -> SquareProvider:
    """The adapter without its guard."""
    return SquareProvider(**settings(base, **changes))


def start_request(**changes: Any) -> StartRequest:
    """As for every provider, under a reference that Square's 40 characters hold."""
    return any_start_request(**({"reference": "pa_" + os.urandom(18).hex()} | changes))
