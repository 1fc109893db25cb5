"""What the demo receiver remembers, in SQLite, so that it survives a SIGKILL. No Django."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    webhook_id TEXT PRIMARY KEY, type TEXT NOT NULL, body TEXT NOT NULL, first_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS receipt (
    id INTEGER PRIMARY KEY, webhook_id TEXT NOT NULL, at TEXT NOT NULL, kept INTEGER NOT NULL, answer TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refused (id INTEGER PRIMARY KEY, at TEXT NOT NULL, why TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS fault (id INTEGER PRIMARY KEY CHECK (id = 1), body TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How to fail. `times`: for so many messages, None for all. `keep`: take the message before failing.

    `seconds`: of a hang; `retry_after`: what a 429 or 503 asks for, in seconds.
    """

    mode: str
    times: int | None = None
    keep: bool = False
    retry_after: str = ""
    seconds: float = 60.0


class ReceiverStore:
    """All of it under one lock: a demo receiver is not asked to be fast, but to be right."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def keep(self, *, webhook_id: str, fact: str, body: str) -> None:
        """Remember a message; a second one of the same id is the same message."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO message VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", (webhook_id, fact, body, _now())
            )

    def receipt(self, *, webhook_id: str, kept: bool, answer: str) -> None:
        """Remember that a message arrived, `kept` or not, and what was answered."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO receipt (webhook_id, at, kept, answer) VALUES (?, ?, ?, ?)",
                (webhook_id, _now(), kept, answer),
            )

    def refuse(self, why: str) -> None:
        """Remember a message whose signature did not hold."""
        with self._transaction() as connection:
            connection.execute("INSERT INTO refused (at, why) VALUES (?, ?)", (_now(), why))

    def has(self, webhook_id: str) -> bool:
        """Say whether the message was kept."""
        with self._lock:
            row = self._connection.execute("SELECT 1 FROM message WHERE webhook_id = ?", (webhook_id,)).fetchone()
        return row is not None

    def set_fault(self, fault: Fault | None) -> None:
        """Fail like this from now on, or no more."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM fault")
            if fault is not None:
                body = {name: getattr(fault, name) for name in Fault.__slots__}
                connection.execute("INSERT INTO fault VALUES (1, ?)", (json.dumps(body),))

    def take_fault(self) -> Fault | None:
        """Return how to fail this message, counting it."""
        with self._transaction() as connection:
            row = connection.execute("SELECT body FROM fault").fetchone()
            if row is None:
                return None
            fault = Fault(**json.loads(row[0]))
            if fault.times is not None:
                left = json.dumps({**json.loads(row[0]), "times": fault.times - 1})
                connection.execute("UPDATE fault SET body = ?", (left,))
                connection.execute("DELETE FROM fault WHERE ? <= 1", (fault.times,))
            return fault

    def report(self) -> dict[str, Any]:
        """Return all messages with the number of their receipts, oldest first, and what was refused."""
        with self._lock:
            messages = self._connection.execute(
                "SELECT m.webhook_id, m.type, m.body, m.first_at,"
                " (SELECT COUNT(*) FROM receipt r WHERE r.webhook_id = m.webhook_id AND r.kept)"
                " FROM message m ORDER BY m.rowid"
            ).fetchall()
            receipts = self._connection.execute(
                "SELECT webhook_id, at, kept, answer FROM receipt ORDER BY id"
            ).fetchall()
            refused = self._connection.execute("SELECT at, why FROM refused ORDER BY id").fetchall()
        return {
            "messages": [
                {"id": key, "type": kind, "body": json.loads(body), "first_at": at, "receipts": count}
                for key, kind, body, at, count in messages
            ],
            "receipts": [
                {"id": key, "at": at, "kept": bool(kept), "answer": answer} for key, at, kept, answer in receipts
            ],
            "refused": [{"at": at, "why": why} for at, why in refused],
        }

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


def _now() -> str:
    return datetime.now(tz=UTC).isoformat()
