"""D040–D049: the providers: our key works, their clock is ours, and what they send comes through our door."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings

from integrations import credentials, credentials_in_use, probes, providers
from integrations.contract import ConfigurationError, ProviderError, ProviderMisconfigured
from integrations.providers.wiring import SignsEvent, Wiring
from integrations.providers.wirings import WIRINGS
from payments.management.doctor.examination import Place, Skipped, Unchecked, examination
from payments.models import ProviderEvent
from payments.states import EventState

SKEW_SECONDS = 30
"""A provider refuses, and we refuse, a signature that is 300 s off; its Date header is exact to the second."""


@examination(
    "D040",
    holds="each provider answers to our key",
    remedy="Compare the key with the provider's page (`manage.py keys list`), its rights (docs/stripe.md, "
    "docs/paypal.md, docs/square.md, docs/nmi.md), and whether this host may connect there.",
)
def keys_work(_: Place) -> list[str]:
    found, away = [], []
    for name in _offered():
        try:
            providers.get(name).account()
        except ConfigurationError as error:
            found.append(f"{name}: {error.message}")
        except ProviderError as error:
            away.append(f"{name}: {error.category}, {error.message}")
    if away and not found:
        raise Unchecked(" ".join(away))
    return [*found, *away]


@examination(
    "D041",
    holds="this machine's clock and each provider's agree to 30 s",
    remedy="Let this machine keep time: a signature that is 300 s off is refused.",
)
def provider_clocks(place: Place) -> list[str]:
    found = []
    for name in _offered():
        base = getattr(settings, f"{name.upper()}_API_BASE", "")
        if not base:
            continue
        theirs = probes.clock_of(base)
        skew = abs(place.clock() - theirs)
        if skew > timedelta(seconds=SKEW_SECONDS):
            found.append(f"{name}: they differ by {int(skew.total_seconds())} s.")
    return found


@examination(
    "D042",
    holds="an event signed with each signing secret passes our public door, is verified and stored (it is harmless)",
    remedy="See that PUBLIC_BASE_URL leads to this service and database, that the proxy passes /webhooks/ unchanged, "
    "and that every process was restarted since the environment changed.",
)
def loopback(place: Place) -> list[str]:
    found: list[str] = []
    proved = False
    for name in _offered():
        wiring = WIRINGS.get(name)
        if wiring is None or wiring.signed_event is None:
            continue  # nobody but the provider signs its webhooks
        if settings.WEBHOOK_IP_ALLOWLISTS.get(name):
            raise Skipped("WEBHOOK_IP_ALLOWLISTS lets the provider's addresses in only, so this host cannot prove it.")
        found += _prove(wiring, wiring.signed_event, place)
        proved = True
    if not proved:
        raise Skipped("Nobody but the providers offered here can sign what they send.")
    return found


@examination(
    "D044",
    holds="PAYMENTS_PRESENTATION asks of no provider what it does not offer",
    remedy="Take the provider out of PAYMENTS_PRESENTATION, or name what it offers; until then it is shown as is usual "
    "for it.",
)
def presentations(_: Place) -> list[str]:
    found = []
    for name, wanted in settings.PAYMENTS_PRESENTATION.items():
        if name and name not in providers.enabled():
            found.append(f"{name} is not among PAYMENTS_PROVIDERS.")
        elif name and wanted not in (offered := providers.get(name).capabilities.presentations):
            found.append(f"{name} offers {' and '.join(offered)}, not {wanted}.")
    return found


def _offered() -> tuple[str, ...]:
    offered = providers.enabled()
    if not offered:
        raise Skipped("No provider is offered (PAYMENTS_PROVIDERS).")
    return offered


def _prove(wiring: Wiring, sign: SignsEvent, place: Place) -> list[str]:
    """Send one event for each secret in use, and see it in the inbox."""
    name = wiring.name
    try:
        mode = providers.get(name).mode
    except ProviderMisconfigured as error:
        return [error.message]
    found = []
    for value in credentials_in_use.current().of(name, wiring.signing_key):
        event_id = f"doctor{uuid.uuid4().hex}"  # letters and digits: an id at every provider
        headers, body = sign(secret=value.clear, event_id=event_id, mode=mode, now=place.clock())
        answer = probes.ask("POST", f"{place.url}/webhooks/{name}/", headers=headers, body=body)
        secret = f"{name}, secret {credentials.fingerprint(value.clear)}"
        if answer.status != 200:
            found.append(f"{secret}: the door answers {answer.status}, not 200.")
        elif not ProviderEvent.objects.filter(provider=name, event_id=event_id, state=EventState.IGNORED).exists():
            found.append(f"{secret}: answered 200, but the event is not in this database's inbox.")
    return found
