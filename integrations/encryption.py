"""Encryption at rest: AES-256-GCM under a key ring, each value bound to its place, each opening of it recorded.

A sealed value is `key id, ":", 12-byte nonce, ciphertext with tag`. The associated data is `table.column:row uuid`, so
that a value copied to another row or column does not open (DESIGN.md, Encryption). Nothing opens a value but unseal()
and reseal(), and both write down who opened it and why (integrations/decryptions.py). Never the value.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from integrations import decryptions
from integrations.decryptions import Opening, Purpose

__all__ = [
    "CannotDecrypt", "Place", "Purpose", "check_value", "derived_key", "key_id_of", "reseal", "ring_ids", "seal",
    "unseal",
]  # fmt: skip

KEY_ID_MAX_LENGTH = 16
_NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """The key is missing from ENCRYPTION_KEYS, or the value was changed or moved. Put the key back, then try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a sealed value stands: it opens there only. `row` is the row's `uid`."""

    table: str
    column: str
    row: uuid.UUID

    def __str__(self) -> str:
        return f"{self.table}.{self.column}:{self.row}"


def seal(value: bytes, *, table: str, column: str, row: uuid.UUID) -> bytes:
    """Return `value` encrypted with the first key of ENCRYPTION_KEYS for this one place."""
    key_id, key = next(iter(_ring().items()))
    nonce = os.urandom(_NONCE_BYTES)
    place = Place(table=table, column=column, row=row)
    return key_id.encode() + b":" + nonce + AESGCM(key).encrypt(nonce, value, str(place).encode())


def unseal(
    sealed: bytes, *, table: str, column: str, row: uuid.UUID, purpose: Purpose, actor: str, reason: str = ""
) -> bytes:
    """Return the clear value, after the record of its opening is written; a failed opening is recorded too.

    `actor`: `user:7`, `command:<who>` or `process` (this one, told by host and id). `reason`: a person's, for REVEAL.
    Raises CannotDecrypt when no key of the ring opens it at this place, and TransactionOpen for REVEAL inside a
    transaction, whose rollback would take the record away and leave the reader with the value.
    """
    place = Place(table=table, column=column, row=row)
    clear = _open(bytes(sealed), place)
    opening = Opening(key_id=key_id_of(sealed), place=place, opened=clear is not None)
    decryptions.record(opening, purpose=purpose, actor=actor, reason=reason)
    if clear is None:
        raise CannotDecrypt(_why(sealed, place))
    return clear


def reseal(values: Sequence[tuple[bytes, Place]], *, actor: str) -> list[bytes | None]:
    """Return each value sealed anew with the first key, None where it does not open; all openings are recorded."""
    opened = [(_open(bytes(sealed), place), key_id_of(sealed), place) for sealed, place in values]
    decryptions.record_all(
        [Opening(key_id=key_id, place=place, opened=clear is not None) for clear, key_id, place in opened],
        purpose=Purpose.ROTATE,
        actor=actor,
    )
    return [
        None if clear is None else seal(clear, table=place.table, column=place.column, row=place.row)
        for clear, _, place in opened
    ]


def key_id_of(sealed: bytes) -> str:
    """Return the id of the key a value says it was sealed with; empty where it says none."""
    key_id, found, _ = bytes(sealed[: KEY_ID_MAX_LENGTH + 1]).partition(b":")
    return key_id.decode("ascii", "replace") if found else ""


def ring_ids() -> tuple[str, ...]:
    """Return the ids of ENCRYPTION_KEYS, the writing key's first."""
    return tuple(_ring())


def check_value(key_id: str) -> str:
    """Return 64 bits that tell whether the key under this id is still the same. They say nothing else of it."""
    return hmac.new(_ring()[key_id], b"shop: check value of an encryption key", hashlib.sha256).hexdigest()[:16]


def derived_key(purpose: str, *, key_id: str = "") -> tuple[str, bytes]:
    """Return a key for another purpose, made from the first of ENCRYPTION_KEYS or the one named, and that one's id.

    Raises CannotDecrypt when the key named is not there.
    """
    ring = _ring()
    named = key_id or next(iter(ring))
    if named not in ring:
        raise CannotDecrypt(f"No key {named!r} in ENCRYPTION_KEYS; add it behind the first one.")
    return named, hmac.new(ring[named], f"shop: {purpose}".encode(), hashlib.sha256).digest()


def _open(sealed: bytes, place: Place) -> bytes | None:
    """Try the key the value names, then the others: one put in under an old id has sealed some values under it."""
    named, ring = key_id_of(sealed), _ring()
    if not named:
        return None
    rest = sealed[len(named) + 1 :]
    for key in [ring[key_id] for key_id in sorted(ring, key=lambda key_id: key_id != named)]:
        try:
            return AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], str(place).encode())
        except (InvalidTag, ValueError):
            continue
    return None


def _why(sealed: bytes, place: Place) -> str:
    named = key_id_of(sealed)
    if named not in _ring():
        return f"No key {named!r} in ENCRYPTION_KEYS; add it behind the first one."
    return f"{place.table}.{place.column} of row {place.row} does not open with key {named}."


def _ring() -> Mapping[str, bytes]:
    """Key id → 32 bytes, the writing key first; read and checked by config/env.py."""
    ring: Mapping[str, bytes] = settings.ENCRYPTION_KEYS
    return ring
