"""Fault switches: what the next N matching requests shall suffer. They are rows, so they survive a kill as well."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from integrations.sandbox.store import Transaction
from integrations.sandbox.wire import Json

KINDS = {
    "delay": "wait `seconds`: before handling, or with `after` between commit and answer",
    "drop": "close the connection: before handling, or with `after` once the effect is committed",
    "rate_limit": "answer 429 without handling",
    "server_error": "answer 500: without handling, or with `after` handled and stored under the key",
    "stored_error": "answer 500 without handling, and store it under the key, as if the effect had been lost",
    "html_502": "answer an HTML 502: without handling, or with `after` once the effect is committed",
    "half_body": "handle, then cut the connection in the middle of the body",
    "truncated_json": "handle, then send a complete HTTP answer whose JSON ends in the middle",
}


class UnknownFault(ValueError):
    """The named kind of fault does not exist: use one of KINDS."""


@dataclass(frozen=True)
class Fault:
    """One switch. `method` None matches all; `times` is how many requests it still hits; `seconds` is for delays."""

    kind: str
    method: str | None = None
    path_prefix: str = "/"
    times: int = 1
    seconds: float = 0.0
    after: bool = False

    @property
    def label(self) -> str:
        """The name under which the journal shows it."""
        return f"{self.kind}_after" if self.after else self.kind


def add(tx: Transaction, fault: Fault) -> int:
    """Switches a fault on and returns its number. Raises UnknownFault for a kind that is not listed."""
    if fault.kind not in KINDS:
        raise UnknownFault(f"unknown fault kind {fault.kind!r}; known: {', '.join(KINDS)}")
    cursor = tx.run(
        "INSERT INTO faults (kind, method, path_prefix, times_left, seconds, after) VALUES (?, ?, ?, ?, ?,"
        " ?)",
        fault.kind, fault.method and fault.method.upper(), fault.path_prefix, fault.times, fault.seconds,
        int(fault.after),
    )  # fmt: skip
    return int(cursor.lastrowid or 0)


def take(tx: Transaction, *, method: str, path: str) -> Fault | None:
    """The oldest switch that matches this request; one of its hits is used up."""
    row = tx.one(
        "SELECT * FROM faults WHERE times_left > 0 AND (method IS NULL OR method = ?)"
        " AND substr(?, 1, length(path_prefix)) = path_prefix ORDER BY id LIMIT 1",
        method, path,
    )  # fmt: skip
    if row is None:
        return None
    tx.run("UPDATE faults SET times_left = times_left - 1 WHERE id = ?", row["id"])
    return Fault(
        row["kind"],
        row["method"],
        row["path_prefix"],
        row["times_left"] - 1,
        row["seconds"],
        bool(row["after"]),
    )


def listing(tx: Transaction) -> list[Json]:
    """All switches that still have hits left."""
    rows = tx.all("SELECT * FROM faults WHERE times_left > 0 ORDER BY id")
    return [
        asdict(Fault(r["kind"], r["method"], r["path_prefix"], r["times_left"], r["seconds"], bool(r["after"])))
        for r in rows
    ]


def clear(tx: Transaction) -> None:
    """Switches all faults off."""
    tx.run("DELETE FROM faults")
