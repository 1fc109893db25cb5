"""PayPal's wiring: from settings and integration keys to the adapter, and what forbids them."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from integrations.contract import Mode, Provider, ProviderMisconfigured, SettingProblem
from integrations.decryptions import Purpose
from integrations.providers.paypal import credentials
from integrations.providers.wiring import Kind, Wiring

NAME = "paypal"

_set: Any = settings
"""The same, for names that config/env.py reads from its table and the type checker does not know."""


def _make() -> Provider:
    from integrations import credentials_in_use  # noqa: PLC0415 - models: this package is imported before them
    from integrations.providers.paypal.adapter import PayPalProvider  # noqa: PLC0415 - loads the SDK

    in_use = credentials_in_use.current()
    if problems := in_use.problems(NAME):
        raise ProviderMisconfigured(NAME, tuple(problems))
    return PayPalProvider(
        environment=settings.ENVIRONMENT,
        client_id=_set.PAYPAL_CLIENT_ID,
        client_secret=next((value.clear for value in in_use.of(NAME, "client_secret")), ""),
        webhook_id=_set.PAYPAL_WEBHOOK_ID,
        api_base=_set.PAYPAL_API_BASE or credentials.LIVE_API_BASE,
        webhook_roots=_set.PAYPAL_WEBHOOK_ROOTS,
        on_use=credentials_in_use.noting(NAME),
    )


def _problems() -> list[SettingProblem]:
    return credentials.check_credentials(
        environment=settings.ENVIRONMENT,
        client_id=_set.PAYPAL_CLIENT_ID,
        client_secret=_set.PAYPAL_CLIENT_SECRET,
        webhook_id=_set.PAYPAL_WEBHOOK_ID,
        api_base=_set.PAYPAL_API_BASE or credentials.LIVE_API_BASE,
        webhook_roots=_set.PAYPAL_WEBHOOK_ROOTS,
    )


WIRING = Wiring(
    name=NAME,
    label="PayPal",
    settings=(
        "PAYPAL_CLIENT_ID",
        "PAYPAL_CLIENT_SECRET",
        "PAYPAL_WEBHOOK_ID",
        "PAYPAL_API_BASE",
        "PAYPAL_WEBHOOK_ROOTS",
    ),
    keys={
        "client_secret": Kind(
            setting="PAYPAL_CLIENT_SECRET",
            several=False,
            purpose=Purpose.CALL,
            check=lambda value: credentials.check_secret(value, called="This"),
        )
    },
    make=_make,
    problems=_problems,
    is_official=lambda: credentials.mode_of(_set.PAYPAL_API_BASE or credentials.LIVE_API_BASE) is Mode.LIVE,
    mixed_modes=frozenset(
        {
            "paypal.test_host_in_production",
            "paypal.unofficial_host_in_production",
            "paypal.live_host_outside_production",
            "paypal.foreign_roots",
        }
    ),
    missing=frozenset({"paypal.secret_missing"}),
    numbers={
        "paypal.client_missing": "E001",
        "paypal.client_shape": "E001",
        "paypal.secret_shape": "E001",
        "paypal.test_host_in_production": "E002",
        "paypal.unofficial_host_in_production": "E002",
        "paypal.live_host_outside_production": "E002",
        "paypal.host_shape": "E002",
        "paypal.webhook_id_missing": "E003",
        "paypal.webhook_id_of_simulator": "E003",
        "paypal.webhook_id_shape": "E003",
        "paypal.foreign_roots": "E003",
    },
)
