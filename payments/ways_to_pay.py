"""Where an order may be paid at this moment, and how: by what is switched on, its currency, and who is away.

Reads settings, capabilities and breakers; asks no provider.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from integrations import breaker, providers
from integrations.contract import Capabilities, Presentation, ProviderError


@dataclass(frozen=True, slots=True)
class Way:
    """A provider that takes the order's currency. `available`: a payment may begin there now (nobody paused it, and it
    is not left alone for being away)."""

    provider: str
    available: bool


def ways_to_pay(currency: str, *, at: datetime) -> tuple[Way, ...]:
    """Return the providers for this currency, in the order of PAYMENTS_PROVIDERS, those away among them."""
    ways = []
    for name in providers.enabled():
        capabilities = _capabilities(name)
        if capabilities is None:
            ways.append(Way(name, available=False))
        elif currency in capabilities.currencies:
            ways.append(Way(name, available=breaker.wait_seconds(name, begins=True, now=at) is None))
    return tuple(ways)


def available(currency: str, *, at: datetime) -> tuple[str, ...]:
    """Return the names of those at which a payment may begin now."""
    return tuple(way.provider for way in ways_to_pay(currency, at=at) if way.available)


def presentation_for(provider: str) -> Presentation:
    """Return how a payment there is shown: as PAYMENTS_PRESENTATION says, where the provider offers that, else as is
    usual for it. Raises ProviderMisconfigured."""
    offered = providers.get(provider).capabilities.presentations
    wanted = settings.PAYMENTS_PRESENTATION
    chosen = wanted.get(provider) or wanted.get("")
    return next((each for each in offered if each == chosen), offered[0])


def _capabilities(provider: str) -> Capabilities | None:
    """Return what it offers; None where its settings forbid its use."""
    try:
        return providers.get(provider).capabilities
    except ProviderError:
        return None
