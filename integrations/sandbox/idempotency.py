"""Idempotency keys as rows, and the keys that are being worked on right now.

A key's answer commits together with the effect it describes. In-flight marks live in memory only: a killed process
leaves neither effect nor mark.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from integrations.sandbox.store import Transaction
from integrations.sandbox.wire import Json


class KeyInUse(Exception):
    """Another request with this key has not been answered yet: the caller should wait and repeat it."""


@dataclass(frozen=True)
class KeyRecord:
    """The answer that was given under a key."""

    endpoint: str
    fingerprint: str
    status: int
    body: bytes
    request_id: str


class InFlight:
    """The keys now being executed in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[tuple[str, str]] = set()

    @contextmanager
    def claim(self, *, scope: str, key: str | None) -> Iterator[None]:
        """Holds the key for the block. Raises KeyInUse when somebody else holds it; no key, no claim."""
        if key is None:
            yield
            return
        with self._lock:
            if (scope, key) in self._keys:
                raise KeyInUse(key)
            self._keys.add((scope, key))
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard((scope, key))


def fingerprint(*, method: str, path: str, params: Json) -> str:
    """What must be equal for two requests to count as the same: method, path and decoded parameters."""
    return hashlib.sha256(json.dumps([method, path, params], sort_keys=True).encode()).hexdigest()


def find(tx: Transaction, *, scope: str, key: str, lifetime_seconds: int) -> KeyRecord | None:
    """The key's stored answer, unless it is older than its lifetime by the sandbox's clock."""
    row = tx.one("SELECT * FROM idempotency WHERE scope = ? AND key = ?", scope, key)
    if row is None or row["created"] + lifetime_seconds <= tx.now():
        return None
    return KeyRecord(row["endpoint"], row["fingerprint"], row["status"], bytes(row["body"]), row["request_id"])


def keep(tx: Transaction, *, scope: str, key: str, record: KeyRecord) -> None:
    """Stores a key's answer, replacing one that has expired."""
    tx.run(
        "INSERT OR REPLACE INTO idempotency (scope, key, endpoint, fingerprint, status, body, request_id,"
        " created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        scope, key, record.endpoint, record.fingerprint, record.status, record.body, record.request_id,
        tx.now(),
    )  # fmt: skip
