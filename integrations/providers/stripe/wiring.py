"""Stripe's wiring: from settings and integration keys to its adapter, and what forbids them."""

from __future__ import annotations

from django.conf import settings

from integrations.contract import Provider, ProviderMisconfigured, SettingProblem
from integrations.decryptions import Purpose
from integrations.providers.stripe import credentials
from integrations.providers.stripe.loopback import signed_event
from integrations.providers.wiring import Kind, Wiring

NAME = "stripe"


def _make() -> Provider:
    from integrations import credentials_in_use  # noqa: PLC0415 - models: this package is imported before them
    from integrations.providers.stripe.adapter import StripeProvider  # noqa: PLC0415 - loads the SDK

    in_use = credentials_in_use.current()
    if problems := in_use.problems(NAME):
        raise ProviderMisconfigured(NAME, tuple(problems))
    return StripeProvider(
        environment=settings.ENVIRONMENT,
        api_key=next((value.clear for value in in_use.of(NAME, "api_key")), ""),
        webhook_secrets=[value.clear for value in in_use.of(NAME, "webhook_secret")],
        on_use=credentials_in_use.noting(NAME),
        publishable_key=settings.STRIPE_PUBLISHABLE_KEY,
        api_base=settings.STRIPE_API_BASE,
        three_d_secure=settings.STRIPE_THREE_D_SECURE,
        connect_timeout_seconds=settings.STRIPE_CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds=settings.STRIPE_READ_TIMEOUT_SECONDS,
    )


def _problems() -> list[SettingProblem]:
    return credentials.check_credentials(
        environment=settings.ENVIRONMENT,
        api_key=settings.STRIPE_API_KEY,
        webhook_secrets=settings.STRIPE_WEBHOOK_SECRETS,
        publishable_key=settings.STRIPE_PUBLISHABLE_KEY,
        api_base=settings.STRIPE_API_BASE,
        three_d_secure=settings.STRIPE_THREE_D_SECURE,
    )


def _check_key(value: str) -> list[SettingProblem]:
    return credentials.check_key(
        environment=settings.ENVIRONMENT, api_key=value, api_base=settings.STRIPE_API_BASE, called="This"
    )


def _check_secret(value: str) -> list[SettingProblem]:
    return credentials.check_secrets(environment=settings.ENVIRONMENT, webhook_secrets=[value], called="these")


WIRING = Wiring(
    name=NAME,
    label="Stripe",
    settings=(
        "STRIPE_API_KEY",
        "STRIPE_WEBHOOK_SECRETS",
        "STRIPE_PUBLISHABLE_KEY",
        "STRIPE_API_BASE",
        "STRIPE_THREE_D_SECURE",
        "STRIPE_CONNECT_TIMEOUT_SECONDS",
        "STRIPE_READ_TIMEOUT_SECONDS",
    ),
    keys={
        "api_key": Kind(
            setting="STRIPE_API_KEY",
            several=False,
            purpose=Purpose.CALL,
            check=_check_key,
            mode_of=credentials.mode_of,
        ),
        "webhook_secret": Kind(
            setting="STRIPE_WEBHOOK_SECRETS", several=True, purpose=Purpose.VERIFY, check=_check_secret
        ),
    },
    make=_make,
    problems=_problems,
    is_official=lambda: credentials.is_official(settings.STRIPE_API_BASE),
    mixed_modes=frozenset(
        {
            "stripe.test_key_in_production",
            "stripe.live_key_outside_production",
            "stripe.live_key_unofficial_host",
            "stripe.unofficial_host_in_production",
            "stripe.publishable_key_mode",
        }
    ),
    missing=frozenset({"stripe.key_missing", "stripe.webhook_secret_missing"}),
    numbers={
        "stripe.key_shape": "E001",
        "stripe.publishable_key_shape": "E001",
        "stripe.publishable_key_mode": "E001",
        "stripe.test_key_in_production": "E001",
        "stripe.live_key_outside_production": "E001",
        "stripe.live_key_unofficial_host": "E002",
        "stripe.unofficial_host_in_production": "E002",
        "stripe.host_shape": "E002",
        "stripe.webhook_secret_shape": "E003",
        "stripe.webhook_secret_weak": "E003",
        "stripe.three_d_secure": "E004",
    },
    signed_event=signed_event,
    restrict_key="restrict the live key to them in Stripe's Dashboard: Developers, API keys, Manage IP restrictions.",
)
