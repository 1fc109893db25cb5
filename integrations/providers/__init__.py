"""The providers by name: ours as a dict, other people's through the entry point group `shop_payments.providers`.

An entry point is named as its provider and loads a callable without arguments that returns a
`integrations.contract.Provider`. Settings named `<NAME>_…` are its own: when one of them changes, it is made anew. So
is one of ours when its integration keys change (integrations/credentials_in_use.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points

from django.conf import settings
from django.utils import timezone

from integrations.contract import Provider, ProviderMisconfigured
from integrations.guard import GuardedProvider

ENTRY_POINT_GROUP = "shop_payments.providers"

Factory = Callable[[], Provider]


class UnknownProvider(KeyError):
    """No adapter has this name. A webhook for it is answered 404."""


def _stripe() -> Provider:
    from integrations import credentials_in_use  # noqa: PLC0415 - models: this package is imported before them
    from integrations.providers.stripe import StripeProvider  # noqa: PLC0415 - an SDK is loaded when it is used

    in_use = credentials_in_use.current()
    if problems := in_use.problems("stripe"):
        raise ProviderMisconfigured("stripe", tuple(problems))
    return StripeProvider(
        environment=settings.ENVIRONMENT,
        api_key=next((value.clear for value in in_use.of("stripe", "api_key")), ""),
        webhook_secrets=[value.clear for value in in_use.of("stripe", "webhook_secret")],
        on_use=credentials_in_use.noting("stripe"),
        api_base=settings.STRIPE_API_BASE,
        three_d_secure=settings.STRIPE_THREE_D_SECURE,
        connect_timeout_seconds=settings.STRIPE_CONNECT_TIMEOUT_SECONDS,
        read_timeout_seconds=settings.STRIPE_READ_TIMEOUT_SECONDS,
    )


def _nmi() -> Provider:
    from integrations import nonces  # noqa: PLC0415 - as above
    from integrations.providers.nmi import NmiProvider  # noqa: PLC0415

    return NmiProvider(
        environment=settings.ENVIRONMENT,
        security_key=settings.NMI_SECURITY_KEY,
        tokenization_key=settings.NMI_TOKENIZATION_KEY,
        signing_keys=settings.NMI_WEBHOOK_SIGNING_KEYS,
        merchant_id=settings.NMI_MERCHANT_ID,
        api_base=settings.NMI_API_BASE,
        seen_over_other_bytes=partial(nonces.is_of_other_bytes, "nmi"),
    )


FACTORIES: dict[str, Factory] = {"nmi": _nmi, "stripe": _stripe}

# Of ours, the names stand here, since looking through all settings would cost each webhook something.
OWN_SETTINGS = {
    "nmi": (
        "NMI_SECURITY_KEY",
        "NMI_TOKENIZATION_KEY",
        "NMI_WEBHOOK_SIGNING_KEYS",
        "NMI_MERCHANT_ID",
        "NMI_API_BASE",
    ),
    "stripe": (
        "STRIPE_API_KEY",
        "STRIPE_WEBHOOK_SECRETS",
        "STRIPE_API_BASE",
        "STRIPE_THREE_D_SECURE",
        "STRIPE_CONNECT_TIMEOUT_SECONDS",
        "STRIPE_READ_TIMEOUT_SECONDS",
    ),
}

_made: dict[str, tuple[object, GuardedProvider]] = {}


def enabled() -> tuple[str, ...]:
    """Return the providers this shop works with, in the order of PAYMENTS_PROVIDERS: paused ones too."""
    return tuple(settings.PAYMENTS_PROVIDERS)


def known() -> tuple[str, ...]:
    """Return the providers whose rows there may be: those offered, and those we have an adapter for."""
    return tuple(sorted({*enabled(), *FACTORIES}))


def offered() -> tuple[str, ...]:
    """Return those of the enabled providers at which a new payment may begin: without what a person has paused."""
    from integrations import breaker  # noqa: PLC0415 - as in get()

    return tuple(name for name in enabled() if not breaker.is_paused(name))


def get(name: str) -> Provider:
    """Return the adapter of this name, behind the guard. One that is no longer offered still answers for old payments.

    Raises UnknownProvider, ProviderMisconfigured (its settings forbid its use; that is a ConfigurationError).
    """
    # Needs Django's models; the boot guard reads this package before there are any.
    from integrations import breaker  # noqa: PLC0415

    made_for = _fingerprint(name)
    known = _made.get(name)
    if known is not None and known[0] == made_for:
        return known[1]
    gate = breaker.ProviderGate(name, clock=timezone.now)
    provider = GuardedProvider(_factory(name)(), deadline_seconds=settings.LOOK_SECONDS, gate=gate)
    _made[name] = (made_for, provider)
    return provider


def _factory(name: str) -> Factory:
    if name in FACTORIES:
        return FACTORIES[name]
    for entry_point in entry_points(group=ENTRY_POINT_GROUP, name=name):
        factory: Factory = entry_point.load()
        return factory
    raise UnknownProvider(name)


def _fingerprint(name: str) -> object:
    """Return what an adapter is made from: its settings, and the process (kept connections do not survive a fork)."""
    prefix = f"{name.upper()}_"
    names = OWN_SETTINGS.get(name) or [key for key in dir(settings) if key.startswith(prefix) and key.isupper()]
    from integrations import credentials_in_use  # noqa: PLC0415 - models: this package is imported before them

    keys = credentials_in_use.current() if name in FACTORIES else None
    return os.getpid(), keys, settings.ENVIRONMENT, [getattr(settings, key) for key in names]
