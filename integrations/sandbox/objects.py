"""A provider's objects as JSON documents, newest last, with the few fields that lists filter by.

`data` is what the provider shows, `private` what it alone knows (the chosen test behaviour, a session's line items).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from integrations.sandbox.store import Transaction
from integrations.sandbox.wire import Json

_PRIMARY_PAGE = """
SELECT o.id, o.data, o.private FROM objects o
WHERE o.kind = :kind AND o.seq > :after AND o.seq < :before AND o.created >= :since AND o.created <= :until
  AND o.seq IN (SELECT l.seq FROM links l WHERE l.name = :name
    AND l.value IN (SELECT value FROM json_each(:values)))
  AND NOT EXISTS (SELECT 1 FROM json_each(:filters) f WHERE NOT EXISTS (
        SELECT 1 FROM links l WHERE l.seq = o.seq AND l.name = f.key
          AND l.value IN (SELECT value FROM json_each(f.value))))
"""
_PLAIN_PAGE = """
SELECT o.id, o.data, o.private FROM objects o
WHERE o.kind = :kind AND o.seq > :after AND o.seq < :before AND o.created >= :since AND o.created <= :until
"""
_QUERIES = {
    (filtered, newest_first): page + (" ORDER BY o.seq DESC" if newest_first else " ORDER BY o.seq ASC")
    for filtered, page in ((True, _PRIMARY_PAGE), (False, _PLAIN_PAGE))
    for newest_first in (True, False)
}
_LAST_SEQ = 2**62


@dataclass
class Stored:
    """One object: what is shown, and what only the provider knows."""

    data: Json
    private: Json

    @property
    def id(self) -> str:
        return str(self.data["id"])


@dataclass(frozen=True)
class Window:
    """Which part of a kind to read: object ids as exclusive cursors, creation times in seconds, both ends included."""

    limit: int
    after_id: str | None = None
    before_id: str | None = None
    since: int = 0
    until: int = _LAST_SEQ


def insert(
    tx: Transaction,
    *,
    kind: str,
    data: Json,
    private: Json | None = None,
    links: Mapping[str, object] | None = None,
    created: int | None = None,
) -> Stored:
    """Stores a new object; `data` must hold `id`, and `created` (seconds) where it is not given."""
    cursor = tx.run(
        "INSERT INTO objects (id, kind, created, data, private) VALUES (?, ?, ?, ?, ?)",
        data["id"], kind, data["created"] if created is None else created, json.dumps(data), json.dumps(private or {}),
    )  # fmt: skip
    _write_links(tx, int(cursor.lastrowid or 0), links or {})
    return Stored(data, private or {})


def save(tx: Transaction, stored: Stored, *, links: Mapping[str, object]) -> None:
    """Overwrites an object and what it is listed by."""
    tx.run(
        "UPDATE objects SET data = ?, private = ? WHERE id = ?",
        json.dumps(stored.data), json.dumps(stored.private), stored.id,
    )  # fmt: skip
    row = tx.one("SELECT seq FROM objects WHERE id = ?", stored.id)
    if row is not None:
        tx.run("DELETE FROM links WHERE seq = ?", row["seq"])
        _write_links(tx, row["seq"], links)


def _write_links(tx: Transaction, seq: int, links: Mapping[str, object]) -> None:
    for name, value in links.items():
        if value is not None:
            tx.run("INSERT INTO links (name, value, seq) VALUES (?, ?, ?)", name, str(value), seq)


def get(tx: Transaction, object_id: str) -> Stored | None:
    """The object with this id, of whatever kind."""
    row = tx.one("SELECT data, private FROM objects WHERE id = ?", object_id)
    return None if row is None else Stored(json.loads(row["data"]), json.loads(row["private"]))


def kind_of(tx: Transaction, object_id: str) -> str | None:
    """The kind an id belongs to."""
    row = tx.one("SELECT kind FROM objects WHERE id = ?", object_id)
    return None if row is None else str(row["kind"])


def delete(tx: Transaction, object_id: str) -> bool:
    """Forgets an object; False when there was none."""
    row = tx.one("SELECT seq FROM objects WHERE id = ?", object_id)
    if row is None:
        return False
    tx.run("DELETE FROM links WHERE seq = ?", row["seq"])
    tx.run("DELETE FROM objects WHERE seq = ?", row["seq"])
    return True


def _seq(tx: Transaction, object_id: str | None, default: int) -> int:
    if object_id is None:
        return default
    row = tx.one("SELECT seq FROM objects WHERE id = ?", object_id)
    return default if row is None else int(row["seq"])


def page(
    tx: Transaction,
    *,
    kind: str,
    window: Window,
    filters: Mapping[str, Sequence[str]] | None = None,
    accept: Callable[[Stored], bool] | None = None,
) -> tuple[list[Stored], bool]:
    """One page of a kind, newest first, and whether more follow in the direction asked for.

    `after_id` reads on towards older objects, `before_id` back towards newer ones (then the page is the one next to the
    cursor). Each filter names a link and the values it may have; put the most selective filter first. `accept` decides
    about each object in Python, for what no link says.
    """
    backwards = window.before_id is not None
    names = list(filters or {})
    values = {
        "kind": kind,
        "since": window.since,
        "until": window.until,
        "after": _seq(tx, window.before_id, -1),
        "before": _seq(tx, window.after_id, _LAST_SEQ),
        "name": names[0] if names else "",
        "values": json.dumps(list((filters or {})[names[0]]) if names else []),
        "filters": json.dumps({name: list((filters or {})[name]) for name in names[1:]}),
    }
    found: list[Stored] = []
    for row in tx.named(_QUERIES[bool(names), not backwards], values):
        stored = Stored(json.loads(row["data"]), json.loads(row["private"]))
        if accept is None or accept(stored):
            found.append(stored)
        if len(found) > window.limit:
            break
    shown = found[: window.limit]
    return (shown[::-1] if backwards else shown), len(found) > window.limit


def linked(tx: Transaction, *, kind: str, name: str, value: str) -> list[Stored]:
    """All objects of a kind with this link, oldest first."""
    rows = tx.all(
        "SELECT o.data, o.private FROM links l JOIN objects o ON o.seq = l.seq"
        " WHERE l.name = ? AND l.value = ? AND o.kind = ? ORDER BY o.seq",
        name, value, kind,
    )  # fmt: skip
    return [Stored(json.loads(row["data"]), json.loads(row["private"])) for row in rows]
