"""Computes the audit log's seals again and names where the chain breaks: rows changed, gone or put in, seals rewritten.

Reads only. What it cannot see: rows that nobody sealed yet, and the newest seals cut off together with their rows. An
anchor (a seal's number and digest, kept elsewhere) shows the latter, and so does the time: a seal is overdue then.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection
from psycopg import sql

from integrations import encryption
from integrations.encryption import CannotDecrypt
from payments.audit import sealing
from payments.audit.digests import Part, row_digest, seal_digest, seal_mac
from payments.audit.sealed_tables import SEALED, Row, rows_between, table_named
from payments.audit.sealing import MAC_PURPOSE
from payments.models.audit import AuditSeal, SealedRows

GRACE = timedelta(hours=2)
"""So long after midnight the day before may be unsealed."""
MOST_BREAKS = 1_000
"""Looking stops after so many: one is enough to know, this many to see how far it reaches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """One broken link. `key` 0: it is about the seal or the table, not one row."""

    seal: int
    day: date | None
    table: str = ""
    key: int = 0
    what: str

    def __str__(self) -> str:
        row = f"{self.table} {self.key}" if self.key else self.table
        return f"seal {self.seal}{f' ({self.day})' if self.day else ''}{f', {row}' if row else ''}: {self.what}"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "day": self.day.isoformat() if self.day else None}


@dataclass(slots=True)
class Verified:
    """What came of it: how much was looked at, the breaks in the order of the chain, and what is not sealed yet."""

    seals: int = 0
    rows: int = 0
    breaks: list[Break] = field(default_factory=list)
    last: AuditSeal | None = None
    until: datetime | None = None
    """When the last seal before the first break was made: up to there the log is as it was written."""
    unsealed: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Chain:
    """What the seals so far say, table by table."""

    before: AuditSeal | None
    to_keys: dict[str, int]
    open_keys: dict[str, set[int]]


def verify(
    *,
    now: datetime,
    from_day: date | None = None,
    anchors: Mapping[int, str] | None = None,
    told: Callable[[int], None] = lambda rows: None,
) -> Verified:
    """Check every seal from the first one of `from_day` on (None: all) against the rows and the seal before it.

    `anchors`: digests of seals, by number, that were kept elsewhere. `told` is called with the rows looked at so far.
    A seal that is missing at the end is noticed once it is overdue at `now`.
    """
    result = Verified()
    seals, chain = _from(from_day)
    missing = dict(anchors or {})
    for seal in seals.iterator(chunk_size=50):
        parts = list(SealedRows.objects.filter(seal=seal))
        found = _check(seal, parts, chain, missing.pop(seal.number, ""))
        result.breaks += islice(found, MOST_BREAKS - len(result.breaks))
        result.seals, result.rows, result.last = result.seals + 1, result.rows + seal.row_count, seal
        if not result.breaks:
            result.until = seal.sealed_at
        told(result.rows)
        if len(result.breaks) >= MOST_BREAKS:
            return result
    result.breaks += _wrong_at_the_end(AuditSeal.objects.order_by("-number").first(), missing, now=now)
    result.unsealed = unsealed()
    return result


def unsealed() -> dict[str, int]:
    """Return how many rows of each table came after the newest seal."""
    newest = AuditSeal.objects.order_by("-number").first()
    ends = dict(SealedRows.objects.filter(seal=newest).values_list("table_name", "to_key")) if newest else {}
    counts = {table.name: _count_above(table.name, ends.get(table.name, 0)) for table in SEALED}
    return {name: count for name, count in counts.items() if count}


def _from(day: date | None) -> tuple[Any, _Chain]:
    seals = AuditSeal.objects.order_by("number")
    chain = _Chain(None, {}, {})
    if day is None:
        return seals, chain
    first = seals.filter(day__gte=day).first()
    if first is None:
        return seals.none(), chain
    chain.before = AuditSeal.objects.filter(number__lt=first.number).order_by("-number").first()
    if chain.before is not None:
        for part in SealedRows.objects.filter(seal=chain.before):
            chain.to_keys[part.table_name], chain.open_keys[part.table_name] = part.to_key, set(part.open_keys)
    return seals.filter(number__gte=first.number), chain


def _check(seal: AuditSeal, kept: list[SealedRows], chain: _Chain, anchor: str) -> Iterator[Break]:
    """Yield what is wrong with one seal and its rows; then let the chain go on from it."""
    parts = [_part_of(row) for row in kept]
    for what in _wrong_with_seal(seal, parts, chain.before, anchor):
        yield Break(seal=seal.number, day=seal.day, what=what)
    for row, part in zip(kept, parts, strict=True):
        where: dict[str, Any] = {"seal": seal.number, "day": seal.day, "table": part.table}
        if row.digest != part.digest or len(part.digests) != 32 * len(part.keys):
            yield Break(**where, what="its digests were changed: they do not make the table's digest.")
        yield from (Break(**where, key=key, what=what) for key, what in _wrong_with_rows(part, chain))
        chain.to_keys[part.table], chain.open_keys[part.table] = part.to_key, set(part.open_keys)
    for gone in sorted(set(chain.to_keys) - {part.table for part in parts}):
        del chain.to_keys[gone]
        yield Break(seal=seal.number, day=seal.day, table=gone, what="is not in this seal, but was in the one before.")
    chain.before = seal


def _wrong_with_seal(seal: AuditSeal, parts: list[Part], before: AuditSeal | None, anchor: str) -> Iterator[str]:
    number = before.number + 1 if before else 1
    if seal.number != number:
        yield f"seal {number} is missing."
    elif seal.previous_digest != (before.digest if before else ""):
        yield "it was not made after the seal before it: that one's digest differs."
    computed = seal_digest(
        number=seal.number,
        day=seal.day,
        closes_day=seal.closes_day,
        sealed_at=seal.sealed_at,
        previous_digest=seal.previous_digest,
        parts=parts,
    )
    if computed != seal.digest:
        yield "its own content was changed: it does not make its digest."
    if _is_proved(seal) is False:
        yield f"its HMAC under key {seal.key_id} is wrong: it was not made by the service."
    if anchor and not hmac.compare_digest(anchor, seal.digest):
        yield "its digest is not the one that was kept elsewhere: the chain was written anew."
    if seal.row_count != sum(len(part.keys) for part in parts):
        yield "it tells another number of rows than it holds."


def _is_proved(seal: AuditSeal) -> bool | None:
    """Say whether the seal's HMAC is right; None where its key is not in ENCRYPTION_KEYS any more."""
    try:
        _, key = encryption.derived_key(MAC_PURPOSE, key_id=seal.key_id)
    except CannotDecrypt:
        return None
    return hmac.compare_digest(seal_mac(key, seal.digest), seal.mac)


def _wrong_with_rows(part: Part, chain: _Chain) -> Iterator[tuple[int, str]]:
    table = table_named(part.table)
    if table is None:
        yield 0, "this release does not know the table: check it with the release that sealed it."
        return
    expected_from = chain.to_keys.get(part.table, 0)
    if part.from_key != expected_from:
        yield 0, f"it begins after key {part.from_key}, but the seal before ends at {expected_from}."
    if unknown := sorted(set(part.columns) - set(table.columns)):
        yield 0, f"its columns {', '.join(unknown)} are gone: check it with the release that sealed it."
        return
    was_open = chain.open_keys.get(part.table, set())
    rows = rows_between(table, part.columns, above=part.from_key, up_to=part.to_key, also={*was_open, *part.keys})
    yield from _compare(part, {row.key: row for row in rows}, was_open)


def _compare(part: Part, rows: dict[int, Row], was_open: set[int]) -> Iterator[tuple[int, str]]:
    places = {key: place for place, key in enumerate(part.keys)}
    still_open = set(part.open_keys)
    for key in sorted(places.keys() | still_open | rows.keys() | was_open):
        row = rows.get(key)
        if row is None:
            yield key, "the row is gone; it was there when it was sealed."
        elif key in places:
            if row_digest(part.columns, row.values) != part.digest_at(places[key]):
                yield key, "the row was changed after it was sealed."
        elif key not in still_open:
            yield key, "the row was put in after its time was sealed."


def _wrong_at_the_end(last: AuditSeal | None, missing: Mapping[int, str], *, now: datetime) -> Iterator[Break]:
    """Yield what only the end of the chain tells: it proves all of it, and seals may be cut off."""
    if last is not None and _is_proved(last) is None:
        what = (
            f"the last seal cannot be proved: key {last.key_id} is not in ENCRYPTION_KEYS. Put it back behind the "
            "first one; a seal made under a present key proves those before it."
        )
        yield Break(seal=last.number, day=last.day, what=what)
    for number in sorted(missing):
        if last is None or number > last.number:
            yield Break(seal=number, day=None, what="is not there, though its digest was kept: seals were cut off.")
    if sealing.is_due(now - GRACE):
        what = "is overdue: the cluster `keep` does not seal, or seals were cut off."
        yield Break(seal=last.number + 1 if last else 1, day=None, what=what)


def _part_of(row: SealedRows) -> Part:
    return Part(
        table=row.table_name,
        columns=tuple(row.columns),
        from_key=row.from_key,
        to_key=row.to_key,
        keys=tuple(row.keys),
        digests=bytes(row.digests),
        open_keys=tuple(row.open_keys),
    )


def _count_above(name: str, key: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT count(*) FROM {} WHERE id > %s").format(sql.Identifier(name)), [key])
        return int(cursor.fetchone()[0])
