"""What forbids a process to start, of integration keys: a row of the other mode, or no key at all for a provider.

A copy of production's database elsewhere is the case it is for. The adapter's constructor asks again on each use.
"""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from django.conf import settings
from django.db import DatabaseError

from integrations.contract import Mode
from integrations.credentials import KINDS, environment_values, environments_mode
from integrations.models.keys import Credential
from integrations.providers.wirings import WIRINGS

log = structlog.get_logger(__name__)


def forbids_start(providers: Iterable[str]) -> list[str]:
    """Return a sentence with the remedy for each thing that forbids it, for the providers offered here.

    A database that is away or not migrated yet forbids nothing: what uses a key asks again.
    """
    try:
        rows = list(Credential.objects.filter(value_sealed__isnull=False, active_from__isnull=False).order_by("pk"))
    except DatabaseError:
        log.warning("integration_keys_not_checked", exc_info=True)
        return []
    return [*_of_other_mode(rows), *_missing(rows, providers)]


def _of_other_mode(rows: list[Credential]) -> list[str]:
    here = environments_mode()
    wrong = [row for row in rows if row.mode != here]
    if here is Mode.LIVE:
        unofficial = {name for name, wiring in WIRINGS.items() if not wiring.is_official()}
        wrong += [row for row in rows if row.provider in unofficial and row.mode == Mode.LIVE]
    return [
        f"Integration key {row} is a {row.mode} key, and ENVIRONMENT is {settings.ENVIRONMENT} with"
        f" {_address(row.provider)}: `manage.py keys revoke {row.uid}` here, where it does not belong."
        for row in wrong
    ]


def _address(provider: str) -> str:
    return getattr(settings, f"{provider.upper()}_API_BASE", "") or "the provider's own address"


def _missing(rows: list[Credential], providers: Iterable[str]) -> list[str]:
    there = {(row.provider, row.name) for row in rows}
    return [
        f"{provider} is offered without its {name}: set {kind.setting}, or `manage.py keys add {provider} {name}`."
        for (provider, name), kind in KINDS.items()
        if provider in set(providers) and (provider, name) not in there and not environment_values(provider, name)
    ]
