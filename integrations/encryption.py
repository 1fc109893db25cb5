"""Encryption at rest: AES-256-GCM under a key ring, each value bound to its table, column and row.

A sealed value is `key id, ":", 12-byte nonce, ciphertext with tag`. The associated data is `table.column:row uuid`,
so that a
value copied to another row or column does not open (DESIGN.md, Encryption).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

_NONCE_BYTES = 12


class CannotDecrypt(Exception):
    """The key is missing from ENCRYPTION_KEYS, or the value was changed or moved. Put the key back, then try again."""


def seal(value: bytes, *, table: str, column: str, row: uuid.UUID) -> bytes:
    """Return `value` encrypted with the first key of ENCRYPTION_KEYS for this one place."""
    key_id, key = next(iter(_ring().items()))
    nonce = os.urandom(_NONCE_BYTES)
    return key_id.encode() + b":" + nonce + AESGCM(key).encrypt(nonce, value, _place(table, column, row))


def unseal(sealed: bytes, *, table: str, column: str, row: uuid.UUID) -> bytes:
    """Return the clear value. Raises CannotDecrypt when no key of the ring opens it at this place."""
    key_id, found, rest = bytes(sealed).partition(b":")
    key = _ring().get(key_id.decode("ascii", "replace")) if found else None
    if key is None:
        raise CannotDecrypt(f"No key {key_id[:16]!r} in ENCRYPTION_KEYS; add it behind the first one.")
    try:
        return AESGCM(key).decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], _place(table, column, row))
    except InvalidTag as error:
        raise CannotDecrypt(f"{table}.{column} of row {row} does not open with key {key_id.decode()}.") from error


def _ring() -> Mapping[str, bytes]:
    """Key id → 32 bytes, the writing key first; read and checked by config/env.py."""
    ring: Mapping[str, bytes] = settings.ENCRYPTION_KEYS
    return ring


def _place(table: str, column: str, row: uuid.UUID) -> bytes:
    return f"{table}.{column}:{row}".encode()
