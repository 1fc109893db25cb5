"""NMI's wiring: from settings and integration keys to the adapter, and what forbids them."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings

from integrations.contract import Mode, Provider, SettingProblem
from integrations.decryptions import Purpose
from integrations.providers.nmi import credentials
from integrations.providers.nmi import loopback as nmi_loopback
from integrations.providers.wiring import Kind, Wiring

NAME = "nmi"


_set: Any = settings
"""The same, for names that config/env.py reads from its table and the type checker does not know."""


def _make() -> Provider:
    from integrations import credentials_in_use, nonces  # noqa: PLC0415 - models: this package is imported before them
    from integrations.providers.nmi.adapter import NmiProvider  # noqa: PLC0415

    in_use = credentials_in_use.current()
    return NmiProvider(
        environment=settings.ENVIRONMENT,
        security_key=next((value.clear for value in in_use.of(NAME, "security_key")), ""),
        tokenization_key=_set.NMI_TOKENIZATION_KEY,
        signing_keys=[value.clear for value in in_use.of(NAME, "signing_key")],
        merchant_id=_set.NMI_MERCHANT_ID,
        api_base=(_set.NMI_API_BASE or credentials.LIVE_API_BASE),
        seen_over_other_bytes=partial(nonces.is_of_other_bytes, NAME),
        on_use=credentials_in_use.noting(NAME),
    )


def _problems() -> list[SettingProblem]:
    return credentials.check_credentials(
        environment=settings.ENVIRONMENT,
        security_key=_set.NMI_SECURITY_KEY,
        tokenization_key=_set.NMI_TOKENIZATION_KEY,
        signing_keys=_set.NMI_WEBHOOK_SIGNING_KEYS,
        merchant_id=_set.NMI_MERCHANT_ID,
        api_base=(_set.NMI_API_BASE or credentials.LIVE_API_BASE),
    )


def _check_key(value: str) -> list[SettingProblem]:
    return credentials.check_security_key(value, called="This")


def _check_signing_key(value: str) -> list[SettingProblem]:
    return credentials.check_signing_keys(settings.ENVIRONMENT, [value], called="these")


def _signed_event(*, secret: str, event_id: str, mode: Mode, now: datetime) -> tuple[dict[str, str], bytes]:
    return nmi_loopback.signed_event(
        secret=secret, event_id=event_id, mode=mode, now=now, merchant_id=_set.NMI_MERCHANT_ID
    )


WIRING = Wiring(
    name=NAME,
    label="NMI",
    settings=(
        "NMI_SECURITY_KEY",
        "NMI_TOKENIZATION_KEY",
        "NMI_WEBHOOK_SIGNING_KEYS",
        "NMI_MERCHANT_ID",
        "NMI_API_BASE",
    ),
    keys={
        "security_key": Kind(setting="NMI_SECURITY_KEY", several=False, purpose=Purpose.CALL, check=_check_key),
        "signing_key": Kind(
            setting="NMI_WEBHOOK_SIGNING_KEYS", several=True, purpose=Purpose.VERIFY, check=_check_signing_key
        ),
    },
    make=_make,
    problems=_problems,
    is_official=lambda: credentials.is_official(_set.NMI_API_BASE or credentials.LIVE_API_BASE),
    mixed_modes=frozenset({"nmi.live_host_outside_production", "nmi.unofficial_host_in_production"}),
    missing=frozenset({"nmi.key_missing", "nmi.signing_key_missing"}),
    numbers={
        "nmi.key_shape": "E001",
        "nmi.key_public": "E001",
        "nmi.tokenization_key_shape": "E001",
        "nmi.unofficial_host_in_production": "E002",
        "nmi.live_host_outside_production": "E002",
        "nmi.host_shape": "E002",
        "nmi.signing_key_weak": "E003",
        "nmi.merchant_id": "E004",
    },
    signing_key="signing_key",
    signed_event=_signed_event,
)
