"""D043, and the addresses that doctor lists: where our calls leave from, and from where each provider may send."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from integrations import providers
from integrations.providers.wirings import WIRINGS
from payments.management.doctor.examination import Place, Skipped, examination


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """One provider. `webhooks_from`: empty means from anywhere. `restrict_key`: empty where it offers no such thing."""

    provider: str
    webhooks_from: tuple[str, ...]
    restrict_key: str


@examination(
    "D043",
    holds="the addresses declared in OUTGOING_ADDRESSES are such as a provider can see",
    remedy="Declare what the provider sees: the public address of your NAT or egress proxy, not the one inside your "
    "house.",
)
def outgoing_addresses_are_public(_: Place) -> list[str]:
    if not settings.OUTGOING_ADDRESSES:
        raise Skipped("OUTGOING_ADDRESSES declares none, so no key can be restricted to them.")
    return [
        f"{network} is no public address: a provider never sees it."
        for network in settings.OUTGOING_ADDRESSES
        if not network.is_global
    ]


def outgoing() -> list[str]:
    """Return the addresses our calls are declared to leave from."""
    return [str(network) for network in settings.OUTGOING_ADDRESSES]


def reaches() -> list[Reach]:
    """Return how each provider that is offered is fenced in."""
    return [
        Reach(
            provider=name,
            webhooks_from=tuple(str(network) for network in settings.WEBHOOK_IP_ALLOWLISTS.get(name, ())),
            restrict_key=WIRINGS[name].restrict_key if name in WIRINGS else "",
        )
        for name in providers.enabled()
    ]


def lines() -> list[str]:
    """Return the same as sentences."""
    said = outgoing()
    found = [f"our calls leave from: {', '.join(said) if said else 'not declared (OUTGOING_ADDRESSES)'}"]
    for reach in reaches():
        where = ", ".join(reach.webhooks_from) or "anywhere, signatures are checked in any case"
        found.append(f"{reach.provider}: webhooks from {where}")
        found.append(f"{reach.provider}: {reach.restrict_key or 'offers no restriction of its keys to addresses'}")
    return found
