"""The record of every request that reached the sandbox: the oracle for 'how often did we really call the provider?'."""

from __future__ import annotations

import json
import time

from integrations.sandbox.store import Transaction
from integrations.sandbox.wire import Json, mask_card_numbers

KEPT_REQUESTS = 200_000
_PRUNE_EVERY = 1_000


def record(
    tx: Transaction,
    *,
    method: str,
    path: str,
    params: Json,
    status: int,
    idempotency_key: str | None = None,
    api_version: str | None = None,
    request_id: str | None = None,
    replayed: bool = False,
    fault: str | None = None,
) -> None:
    """Writes one request; anything like a card number is masked. Status 0 means that no answer was sent."""
    cursor = tx.run(
        "INSERT INTO requests (at, method, path, params, idempotency_key, api_version, request_id, status,"
        " replayed, fault)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        time.time(), method, mask_card_numbers(path), mask_card_numbers(json.dumps(params)),
        idempotency_key, api_version,
        request_id, status, int(replayed), fault,
    )  # fmt: skip
    row_id = int(cursor.lastrowid or 0)
    if row_id % _PRUNE_EVERY == 0:
        tx.run("DELETE FROM requests WHERE id <= ?", row_id - KEPT_REQUESTS)


def listing(tx: Transaction, *, method: str | None, path_prefix: str, after_id: int, limit: int) -> list[Json]:
    """Recorded requests, oldest first, with id > `after_id`."""
    rows = tx.all(
        "SELECT * FROM requests WHERE id > ? AND (? IS NULL OR method = ?) AND substr(path, 1, length(?)) = ?"
        " ORDER BY id LIMIT ?",
        after_id, method, method, path_prefix, path_prefix, limit,
    )  # fmt: skip
    return [{**dict(row), "params": json.loads(row["params"]), "replayed": bool(row["replayed"])} for row in rows]
