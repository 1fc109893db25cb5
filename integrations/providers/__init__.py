"""The providers by name: ours as a dict, other people's through the entry point group `shop_payments.providers`.

An entry point is named as its provider and loads a callable without arguments that returns a
`integrations.contract.Provider`. Settings named `<NAME>_…` are its own: when one of them changes, it is made anew. So
is one of ours when its integration keys change (integrations/credentials_in_use.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points

from django.conf import settings
from django.utils import timezone

from integrations.contract import Provider
from integrations.guard import GuardedProvider
from integrations.providers.wirings import WIRINGS

ENTRY_POINT_GROUP = "shop_payments.providers"

Factory = Callable[[], Provider]


class UnknownProvider(KeyError):
    """No adapter has this name. A webhook for it is answered 404."""


FACTORIES: dict[str, Factory] = {name: wiring.make for name, wiring in WIRINGS.items()}

_made: dict[str, tuple[object, GuardedProvider]] = {}


def enabled() -> tuple[str, ...]:
    """Return the providers this shop works with, in the order of PAYMENTS_PROVIDERS: paused ones too."""
    return tuple(settings.PAYMENTS_PROVIDERS)


def known() -> tuple[str, ...]:
    """Return the providers whose rows there may be: those offered, and those we have an adapter for."""
    return tuple(sorted({*enabled(), *FACTORIES}))


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
    names: Iterable[str]
    if name in WIRINGS:  # looking through all settings would cost each webhook something
        names = WIRINGS[name].settings
    else:
        prefix = f"{name.upper()}_"
        names = [key for key in dir(settings) if key.startswith(prefix) and key.isupper()]
    from integrations import credentials_in_use  # noqa: PLC0415 - models: this package is imported before them

    keys = credentials_in_use.current() if name in FACTORIES else None
    return os.getpid(), keys, settings.ENVIRONMENT, [getattr(settings, key) for key in names]
