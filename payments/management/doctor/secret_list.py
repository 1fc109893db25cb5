"""Where each secret comes from: the environment's by variable, integration keys by row. Fingerprints, never values."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError

from integrations import credentials, credentials_in_use, encryption
from integrations.credentials import KINDS
from integrations.models import Credential


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One secret. `counts` is no where an integration key stands in its place, or it was revoked."""

    name: str
    where: str
    counts: bool = True
    shown: str = ""


def secrets_in_use() -> list[Secret]:
    """Return every secret this process would use, and those that something else has overruled."""
    return [*_of_environment(), *_of_rows()]


def _of_environment() -> list[Secret]:
    kept = {kind.setting: (provider, name) for (provider, name), kind in KINDS.items()}
    found = []
    for variable, source in settings.SECRET_SOURCES.items():
        if variable in kept:
            found += _of_provider(variable, source.where, *kept[variable])
        elif variable == "ENCRYPTION_KEYS":
            found.append(Secret(name=variable, where=source.where, shown=f"ids {', '.join(encryption.ring_ids())}"))
        else:
            found.append(Secret(name=variable, where=source.where))
    return found


def _of_provider(variable: str, where: str, provider: str, name: str) -> list[Secret]:
    """A provider's own: by fingerprint, so that each can be revoked, and whether it counts."""
    every = credentials.environment_values(provider, name)
    try:
        counting = {value.clear for value in credentials_in_use.current().of(provider, name) if value.uid is None}
    except DatabaseError:  # D010 or D011 says so
        counting = set(every)
    return [
        Secret(name=variable, where=where, counts=value in counting, shown=credentials.fingerprint(value))
        for value in every
    ]


def _of_rows() -> list[Secret]:
    try:
        rows = list(Credential.objects.filter(value_sealed__isnull=False, active_from__isnull=False).order_by("pk"))
        counting = {value.uid for values in credentials_in_use.current().values.values() for value in values}
    except DatabaseError:
        return []
    return [
        Secret(
            name=f"{row.provider} {row.name}",
            where=f"integration key {row.uid}",
            counts=row.uid in counting,
            shown=f"{row.fingerprint} {row.hint}".strip(),
        )
        for row in rows
    ]
