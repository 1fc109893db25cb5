"""The sandbox's durable state: one SQLite file, one writer, one transaction a request.

WAL with `synchronous=NORMAL`: a commit is in the operating system's hands before we answer, so it survives SIGKILL of
this process; only a power cut may undo the last commits, which a test double may lose. `locking_mode=EXCLUSIVE` keeps a
second process off the same state.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    created INTEGER NOT NULL, data TEXT NOT NULL, private TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, seq);
CREATE TABLE IF NOT EXISTS links (
    name TEXT NOT NULL, value TEXT NOT NULL, seq INTEGER NOT NULL,
    PRIMARY KEY (name, value, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS links_by_object ON links (seq, name);
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS timers (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, name TEXT NOT NULL, object_id TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS timers_by_time ON timers (at);
CREATE TABLE IF NOT EXISTS idempotency (
    scope TEXT NOT NULL, key TEXT NOT NULL, endpoint TEXT NOT NULL, fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL, body BLOB NOT NULL, request_id TEXT NOT NULL, created INTEGER NOT NULL,
    PRIMARY KEY (scope, key));
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, method TEXT NOT NULL, path TEXT NOT NULL,
    params TEXT NOT NULL, idempotency_key TEXT, api_version TEXT, request_id TEXT, status INTEGER NOT NULL,
    replayed INTEGER NOT NULL, fault TEXT);
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, method TEXT, path_prefix TEXT NOT NULL,
    times_left INTEGER NOT NULL, seconds REAL NOT NULL, after INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS rules (
    id INTEGER PRIMARY KEY AUTOINCREMENT, action TEXT NOT NULL, types TEXT NOT NULL, times_left INTEGER,
    seconds REAL NOT NULL, window INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, type TEXT NOT NULL, state TEXT NOT NULL,
    due REAL NOT NULL, rule_id INTEGER);
CREATE INDEX IF NOT EXISTS deliveries_by_state ON deliveries (state, due);
CREATE INDEX IF NOT EXISTS deliveries_by_event ON deliveries (event_id);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT, delivery_id INTEGER NOT NULL, at REAL NOT NULL,
    seconds REAL NOT NULL, status INTEGER, error TEXT);
CREATE INDEX IF NOT EXISTS attempts_by_delivery ON attempts (delivery_id);
"""
EMPTY_ALL = (
    "DELETE FROM objects", "DELETE FROM links", "DELETE FROM timers", "DELETE FROM idempotency",
    "DELETE FROM requests", "DELETE FROM faults", "DELETE FROM rules", "DELETE FROM deliveries",
    "DELETE FROM attempts",
)  # fmt: skip


class StateInUse(Exception):
    """Another sandbox process holds this state directory: stop it, or choose another `--state-dir`."""


class Transaction:
    """What may be read and written between BEGIN and COMMIT. Everything durable goes through one of these."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.after_commit: list[Callable[[], None]] = []

    def run(self, sql: str, *values: object) -> sqlite3.Cursor:
        """Executes one statement with positional values."""
        return self._connection.execute(sql, values)

    def all(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self._connection.execute(sql, values).fetchall()

    def one(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        row: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
        return row

    def named(self, sql: str, values: Mapping[str, object]) -> Iterator[sqlite3.Row]:
        """Rows of a query with named values, read as they are taken; unused names are allowed."""
        return self._connection.execute(sql, dict(values))

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undoes only what happened inside when the block raises, and lets the exception through."""
        self.run("SAVEPOINT step")
        try:
            yield
        except BaseException:
            self.run("ROLLBACK TO step")
            self.run("RELEASE step")
            raise
        self.run("RELEASE step")

    def setting(self, name: str, default: Any = None) -> Any:
        """A durable setting's value (any JSON), or `default`."""
        row = self.one("SELECT value FROM settings WHERE name = ?", name)
        return default if row is None else json.loads(row["value"])

    def set_setting(self, name: str, value: Any) -> None:
        """Stores a durable setting (any JSON)."""
        self.run("INSERT OR REPLACE INTO settings (name, value) VALUES (?, ?)", name, json.dumps(value))

    def now(self) -> int:
        """The sandbox's clock, in whole seconds since the epoch: real time plus the offset set by the control API."""
        return int(time.time()) + int(self.setting("clock_offset_seconds", 0))

    def add_timer(self, *, at: int, name: str, object_id: str) -> None:
        """Remembers that `name` is due for `object_id` at sandbox time `at` (seconds)."""
        self.run("INSERT INTO timers (at, name, object_id) VALUES (?, ?, ?)", at, name, object_id)

    def take_due_timers(self) -> list[tuple[str, str]]:
        """Removes the timers that are due by our clock and returns them as (name, object id), oldest first."""
        now = self.now()
        rows = self.all("SELECT name, object_id FROM timers WHERE at <= ? ORDER BY at, id", now)
        if rows:
            self.run("DELETE FROM timers WHERE at <= ?", now)
        return [(row["name"], row["object_id"]) for row in rows]


class Store:
    """Owns the SQLite connection and hands out transactions, one at a time."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.directory = path.parent
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
        self._connection.row_factory = sqlite3.Row
        try:
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.executescript(SCHEMA)
        except sqlite3.OperationalError as error:
            self._connection.close()
            raise StateInUse(f"{path}: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Opens the one transaction; commits at the end of the block, rolls back when it raises.

        Callbacks in `after_commit` run once the lock is free again. Transactions do not nest: a second one on the same
        thread would wait for ever, so helpers take a Transaction instead of the Store.
        """
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            transaction = Transaction(self._connection)
            try:
                yield transaction
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        for callback in transaction.after_commit:
            callback()

    def close(self) -> None:
        """Closes the file; a later transaction fails."""
        with self._lock:
            self._connection.close()
