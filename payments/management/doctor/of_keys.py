"""D030–D039: integration keys and encryption keys: their age, their end, and whether they open what they sealed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from integrations import credentials, encryption, encryption_keys, resealing
from integrations.encryption import CannotDecrypt, Purpose
from integrations.models import Credential
from payments.management.doctor.examination import Place, examination


@examination(
    "D030",
    holds="no integration key in use has expired or does so within 30 days",
    remedy="Make a new one at the provider and rotate it with overlap (docs/runbooks/key-expiry.md).",
)
def keys_last(place: Place) -> list[str]:
    soon = place.at + timedelta(days=max(credentials.EXPIRY_WARNING_DAYS))
    rows = Credential.objects.filter(
        expires_at__lte=soon, revoked_at__isnull=True, overlap_until__isnull=True, active_from__isnull=False
    ).order_by("expires_at")
    return [f"{row}, owner {row.owner}, ends at {row.expires_at:%Y-%m-%d %H:%M} UTC." for row in rows]


@examination(
    "D031",
    holds="the encryption key that writes is younger than ENCRYPTION_KEY_MAX_AGE_DAYS",
    remedy="Put a new key first and run `manage.py rotate_keys` (docs/keys.md).",
)
def encryption_key_age(place: Place) -> list[str]:
    states = encryption_keys.states(at=place.at)
    return [f"{state.key_id} has been in use for {state.age_days} days." for state in states if state.too_old]


@examination(
    "D032",
    holds="no encryption key was changed under its id",
    remedy="Put the former key back under its id and the new one under another (docs/runbooks/encryption-key.md).",
)
def encryption_keys_unchanged(place: Place) -> list[str]:
    states = encryption_keys.states(at=place.at)
    return [f"Another key stands under the id {state.key_id} than at first." for state in states if state.changed]


@examination(
    "D033",
    holds="the newest value of every sealed column opens with ENCRYPTION_KEYS (each opening is recorded)",
    remedy="Put the key that is named back behind the first one; `manage.py rotate_keys --dry-run` counts by key id.",
)
def values_open(place: Place) -> list[str]:
    found = []
    for column in resealing.sealed_columns():
        filled: Any = column.model._base_manager.filter(**{f"{column.column}__isnull": False})
        newest = filled.order_by("-pk").values_list("uid", column.column).first()
        if newest is None or not newest[1]:
            continue
        try:
            encryption.unseal(
                bytes(newest[1]),
                table=column.table,
                column=column.column,
                row=newest[0],
                purpose=Purpose.CHECK,
                actor=place.actor,
            )
        except CannotDecrypt as error:
            found.append(str(error))
    return found
