"""The audit log with its seals, to be kept and checked elsewhere (docs/audit.md): every row as it entered its digest.

Rows come seal by seal, each seal behind its rows; behind the last one the rows that are not sealed yet.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

from payments.audit.sealed_tables import SEALED, SealedTable, rows_between, table_named
from payments.models.audit import AuditSeal, SealedRows

CSV_HEADER = ("seal", "table", "key", "time", "who", "row")
_AT_ONCE = 5_000
_HIGHEST_KEY = 2**63 - 1
_TIMES = ("at", "timestamp", "requested_at", "decided_at")
_WHO = (("actor", ""), ("author_id", "user:"), ("actor_id", "user:"), ("requested_by_id", "user:"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A row of one table: its columns as text. `seal` is None where it is not sealed yet."""

    seal: int | None
    table: str
    key: int
    row: dict[str, str | None]


def export(*, since: date | None, until: date | None) -> Iterator[Exported | AuditSeal]:
    """Yield the rows that the seals of these days hold, each seal behind its rows.

    Without `until` the rows that no seal holds yet follow. Days are those of the seals, UTC.
    """
    seals = AuditSeal.objects.order_by("number")
    if since is not None:
        seals = seals.filter(day__gte=since)
    if until is not None:
        seals = seals.filter(day__lte=until)
    for seal in seals.iterator(chunk_size=20):
        for part in SealedRows.objects.filter(seal=seal):
            yield from _rows_of(seal, part)
        yield seal
    if until is None:
        yield from _unsealed()


def as_json_line(each: Exported | AuditSeal) -> str:
    """Return one line of JSON without its end: what docs/audit.md computes digests from."""
    told = _seal_as_json(each) if isinstance(each, AuditSeal) else _row_as_json(each)
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def as_csv_row(each: Exported | AuditSeal) -> tuple[Any, ...]:
    """Return the cells under CSV_HEADER."""
    if isinstance(each, AuditSeal):
        told = f"digest {each.digest} after {each.previous_digest or 'none'}"
        return (each.number, "seal", each.number, each.sealed_at, "", told)
    time = next((each.row[name] for name in _TIMES if each.row.get(name)), "")
    who = next((f"{kind}{each.row[name]}" for name, kind in _WHO if each.row.get(name)), "")
    return (each.seal, each.table, each.key, time, who, each.row)


def _rows_of(seal: AuditSeal, part: SealedRows) -> Iterator[Exported]:
    table = table_named(part.table_name)
    if table is None or not part.keys:
        return
    for row in rows_between(table, part.columns, above=part.from_key, up_to=part.from_key, also=part.keys):
        yield Exported(
            seal=seal.number,
            table=table.name,
            key=row.key,
            row=dict(zip(part.columns, row.values, strict=True)),
        )


def _unsealed() -> Iterator[Exported]:
    newest = AuditSeal.objects.order_by("-number").first()
    parts = {part.table_name: part for part in SealedRows.objects.filter(seal=newest)} if newest else {}
    for table in SEALED:
        part = parts.get(table.name)
        yield from _above(table, part.to_key if part else 0, part.open_keys if part else [])


def _above(table: SealedTable, key: int, open_keys: list[int]) -> Iterator[Exported]:
    columns = table.columns
    while rows := rows_between(table, columns, above=key, up_to=_HIGHEST_KEY, also=open_keys, most=_AT_ONCE):
        for row in rows:
            told = dict(zip(columns, row.values, strict=True))
            yield Exported(seal=None, table=table.name, key=row.key, row=told)
        key, open_keys = max(key, rows[-1].key), [each for each in open_keys if each > rows[-1].key]


def _row_as_json(each: Exported) -> dict[str, Any]:
    return {"kind": "row", "seal": each.seal, "table": each.table, "key": each.key, "row": each.row}


def _seal_as_json(seal: AuditSeal) -> dict[str, Any]:
    return {
        "kind": "seal",
        "number": seal.number,
        "day": seal.day.isoformat(),
        "closes_day": seal.closes_day,
        "sealed_at": seal.sealed_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "previous_digest": seal.previous_digest,
        "digest": seal.digest,
        "key_id": seal.key_id,
        "mac": seal.mac,
        "tables": [
            {
                "table": part.table_name,
                "columns": part.columns,
                "from_key": part.from_key,
                "to_key": part.to_key,
                "keys": part.keys,
                "open_keys": part.open_keys,
                "digest": part.digest,
            }
            for part in SealedRows.objects.filter(seal=seal)
        ],
    }
