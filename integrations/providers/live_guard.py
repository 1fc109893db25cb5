"""Which providers' settings would mix test and live (DESIGN.md, invariant 10), asked of Django's settings.

The process refuses to start (config/boot.py); the adapter's constructor refuses again. It needs no models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.conf import settings

from integrations.contract import SettingProblem
from integrations.providers.nmi import credentials as nmi
from integrations.providers.stripe import credentials as stripe


def _stripe() -> list[SettingProblem]:
    return stripe.check_credentials(
        environment=settings.ENVIRONMENT,
        api_key=settings.STRIPE_API_KEY,
        webhook_secrets=settings.STRIPE_WEBHOOK_SECRETS,
        api_base=settings.STRIPE_API_BASE,
    )


def _nmi() -> list[SettingProblem]:
    return nmi.check_credentials(
        environment=settings.ENVIRONMENT,
        security_key=settings.NMI_SECURITY_KEY,
        tokenization_key=settings.NMI_TOKENIZATION_KEY,
        signing_keys=settings.NMI_WEBHOOK_SIGNING_KEYS,
        merchant_id=settings.NMI_MERCHANT_ID,
        api_base=settings.NMI_API_BASE,
    )


CHECKS: dict[str, Callable[[], list[SettingProblem]]] = {"nmi": _nmi, "stripe": _stripe}

MIXED_MODES = frozenset(
    {
        "nmi.live_host_outside_production",
        "nmi.unofficial_host_in_production",
        "stripe.test_key_in_production",
        "stripe.live_key_outside_production",
        "stripe.live_key_unofficial_host",
        "stripe.unofficial_host_in_production",
    }
)


def mixed_modes(providers: Iterable[str]) -> list[str]:
    """Return a remedy for each setting of these providers that would mix test and live."""
    found = [problem for name in providers if name in CHECKS for problem in CHECKS[name]()]
    return [problem.remedy for problem in found if problem.code in MIXED_MODES]
