"""Square's wiring: from settings and integration keys to the adapter, and what forbids them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings

from integrations.contract import Mode, Provider, ProviderMisconfigured, SettingProblem
from integrations.decryptions import Purpose
from integrations.providers.square import credentials, loopback
from integrations.providers.wiring import Kind, Wiring

NAME = "square"

_set: Any = settings
"""The same, for names that config/env.py reads from its table and the type checker does not know."""


def _make() -> Provider:
    from integrations import credentials_in_use  # noqa: PLC0415 - models: this package is imported before them
    from integrations.providers.square.adapter import SquareProvider  # noqa: PLC0415 - loads the SDK

    in_use = credentials_in_use.current()
    if problems := in_use.problems(NAME):
        raise ProviderMisconfigured(NAME, tuple(problems))
    return SquareProvider(
        environment=settings.ENVIRONMENT,
        access_token=next((value.clear for value in in_use.of(NAME, "access_token")), ""),
        location_id=_set.SQUARE_LOCATION_ID,
        application_id=_set.SQUARE_APPLICATION_ID,
        webhook_signature_keys=[value.clear for value in in_use.of(NAME, "webhook_signature_key")],
        webhook_url=_set.SQUARE_WEBHOOK_URL,
        currency=_set.SQUARE_CURRENCY,
        api_base=_set.SQUARE_API_BASE,
        on_use=credentials_in_use.noting(NAME),
        connect_timeout_seconds=_set.SQUARE_CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds=_set.SQUARE_READ_TIMEOUT_SECONDS,
    )


def _problems() -> list[SettingProblem]:
    return credentials.check_credentials(
        environment=settings.ENVIRONMENT,
        access_token=_set.SQUARE_ACCESS_TOKEN,
        location_id=_set.SQUARE_LOCATION_ID,
        application_id=_set.SQUARE_APPLICATION_ID,
        webhook_signature_keys=_set.SQUARE_WEBHOOK_SIGNATURE_KEYS,
        webhook_url=_set.SQUARE_WEBHOOK_URL,
        currency=_set.SQUARE_CURRENCY,
        api_base=_set.SQUARE_API_BASE,
    )


def _signed_event(*, secret: str, event_id: str, mode: Mode, now: datetime) -> tuple[dict[str, str], bytes]:
    return loopback.signed_event(secret=secret, url=_set.SQUARE_WEBHOOK_URL, event_id=event_id, mode=mode, now=now)


WIRING = Wiring(
    name=NAME,
    label="Square",
    settings=(
        "SQUARE_ACCESS_TOKEN",
        "SQUARE_LOCATION_ID",
        "SQUARE_APPLICATION_ID",
        "SQUARE_WEBHOOK_SIGNATURE_KEYS",
        "SQUARE_WEBHOOK_URL",
        "SQUARE_CURRENCY",
        "SQUARE_API_BASE",
        "SQUARE_CONNECT_TIMEOUT_SECONDS",
        "SQUARE_READ_TIMEOUT_SECONDS",
    ),
    keys={
        "access_token": Kind(
            setting="SQUARE_ACCESS_TOKEN", several=False, purpose=Purpose.CALL, check=credentials.check_token
        ),
        "webhook_signature_key": Kind(
            setting="SQUARE_WEBHOOK_SIGNATURE_KEYS",
            several=True,
            purpose=Purpose.VERIFY,
            check=lambda value: credentials.check_keys([value]),
        ),
    },
    make=_make,
    problems=_problems,
    is_official=lambda: credentials.mode_of(_set.SQUARE_API_BASE) is Mode.LIVE,
    mixed_modes=frozenset(
        {
            "square.test_host_in_production",
            "square.unofficial_host_in_production",
            "square.live_host_outside_production",
            "square.test_application_in_production",
            "square.live_application_outside_production",
            "square.live_application_unofficial_host",
        }
    ),
    missing=frozenset({"square.token_missing", "square.signature_key_missing"}),
    numbers={
        "square.token_shape": "E001",
        "square.application_shape": "E001",
        "square.test_application_in_production": "E001",
        "square.live_application_outside_production": "E001",
        "square.live_application_unofficial_host": "E002",
        "square.test_host_in_production": "E002",
        "square.unofficial_host_in_production": "E002",
        "square.live_host_outside_production": "E002",
        "square.host_shape": "E002",
        "square.signature_key_shape": "E003",
        "square.webhook_url": "E003",
        "square.location": "E004",
        "square.currency": "E004",
    },
    signing_key="webhook_signature_key",
    signed_event=_signed_event,
)
