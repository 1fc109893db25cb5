"""How audit rows become digests: pure functions over plain values. docs/audit.md tells the same to whoever checks
elsewhere; a test holds known vectors, so that a change here cannot pass unseen.

A row is a JSON object of its columns as PostgreSQL prints them, as strings or null, under TimeZone UTC and DateStyle
ISO. Canonical JSON: keys sorted, no blanks, everything beyond ASCII escaped.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

DIGEST_BYTES = 32
KEY_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What a seal says of one table (the fields of SealedRows)."""

    table: str
    columns: tuple[str, ...]
    from_key: int
    to_key: int
    keys: tuple[int, ...]
    digests: bytes
    open_keys: tuple[int, ...]

    @property
    def digest(self) -> str:
        """SHA-256 over each key (8 bytes, big endian) and its row's digest (32 bytes), in the order of the keys."""
        running = hashlib.sha256()
        for place, key in enumerate(self.keys):
            running.update(key.to_bytes(KEY_BYTES, "big", signed=True))
            running.update(self.digest_at(place))
        return running.hexdigest()

    def digest_at(self, place: int) -> bytes:
        """Return the digest of the row whose key stands at this place."""
        return self.digests[place * DIGEST_BYTES : (place + 1) * DIGEST_BYTES]


def row_digest(columns: Sequence[str], values: Iterable[str | None]) -> bytes:
    """Return the SHA-256 of one row's canonical JSON."""
    return hashlib.sha256(canonical(dict(zip(columns, values, strict=True)))).digest()


def seal_digest(
    *, number: int, day: date, closes_day: bool, sealed_at: datetime, previous_digest: str, parts: Iterable[Part]
) -> str:
    """Return the SHA-256 of a seal's canonical JSON; each table enters by its own digest."""
    told = {
        "number": number,
        "day": day.isoformat(),
        "closes_day": closes_day,
        "sealed_at": sealed_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "previous_digest": previous_digest,
        "tables": [
            {
                "table": part.table,
                "columns": list(part.columns),
                "from_key": part.from_key,
                "to_key": part.to_key,
                "rows": len(part.keys),
                "open_keys": list(part.open_keys),
                "digest": part.digest,
            }
            for part in sorted(parts, key=lambda part: part.table)
        ],
    }
    return hashlib.sha256(canonical(told)).hexdigest()


def seal_mac(key: bytes, digest: str) -> str:
    """Return the HMAC-SHA256 of a seal's digest (its 64 hexadecimal characters)."""
    return hmac.new(key, digest.encode(), hashlib.sha256).hexdigest()


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return canonical JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
