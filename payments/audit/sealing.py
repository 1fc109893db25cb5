"""Sealing the audit log: once a day is over, a digest of every audit row since the last seal, chained to that seal.

A seal covers keys, not hours: every row up to a mark below which no row can appear any more
(payments/audit/sealed_tables.py). So no row falls between two seals, however late its transaction commits, and a seal
never has to be corrected. Rows that may still change (a requested StaffAction) are named in the seal and sealed by the
first one after they are final.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import structlog
from django.apps import apps
from django.db import IntegrityError, transaction

from integrations import encryption
from payments.audit.digests import Part, row_digest, seal_digest, seal_mac
from payments.audit.sealed_tables import SEALED, NotSettled, SealedTable, rows_between, settled_marks
from payments.models.audit import AuditSeal, SealedRows

log = structlog.get_logger(__name__)

MOST_ROWS_A_TABLE = 10_000
"""Of one table in one seal: a longer day has several, so that none takes long or much memory."""
MAC_PURPOSE = "seal of the audit log"
_TIMES = {"auditlog.LogEntry": "timestamp", "payments.AuditRecord": "at", "orders.Transition": "at"}
"""Where the first rows of a new shop are looked for, and when they say they were written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """Where the seal before ended, by table."""

    seal: AuditSeal | None
    to_keys: dict[str, int]
    open_keys: dict[str, list[int]]


def is_due(now: datetime) -> bool:
    """Say whether yesterday is not sealed yet. Before the first seal: whether there is anything of before today."""
    closing = AuditSeal.objects.filter(closes_day=True).order_by("-number").values_list("day", flat=True).first()
    if closing is not None:
        return closing < _yesterday(now)
    midnight = datetime.combine(_today(now), time(), tzinfo=UTC)
    firsts = (
        apps.get_model(label)._default_manager.order_by("pk").values_list(field, flat=True).first()
        for label, field in _TIMES.items()
    )
    return any(first is not None and first < midnight for first in firsts)


def seal_day(*, now: datetime) -> AuditSeal | None:
    """Seal what stands there, for the day before `now`; None if that has to wait a little.

    A long day takes several calls: is_due() says whether another is needed. Raises DatabaseError.
    """
    return _seal(day=_yesterday(now), closes_day=True, at=now)


def seal_now(*, now: datetime) -> AuditSeal | None:
    """Seal what stands there without waiting for the end of the day: before an export, in an incident."""
    return _seal(day=_today(now), closes_day=False, at=now)


def _seal(*, day: date, closes_day: bool, at: datetime) -> AuditSeal | None:
    try:
        marks = settled_marks()
        with transaction.atomic():
            return _write(marks, day=day, closes_day=closes_day, at=at)
    except NotSettled as error:
        log.info("audit_not_sealed_yet", why=str(error))
    except IntegrityError:  # another keeper made this seal a moment ago
        log.info("audit_sealed_by_another")
    return None


def _write(marks: dict[str, int], *, day: date, closes_day: bool, at: datetime) -> AuditSeal:
    before = _before()
    parts = [_part(table, marks[table.name], before) for table in SEALED]
    complete = all(part.to_key >= marks[part.table] for part in parts)
    told: dict[str, Any] = {
        "number": before.seal.number + 1 if before.seal else 1,
        "day": day,
        "closes_day": closes_day and complete,
        "sealed_at": at,
        "previous_digest": before.seal.digest if before.seal else "",
    }
    digest = seal_digest(**told, parts=parts)
    key_id, key = encryption.derived_key(MAC_PURPOSE)
    rows = sum(len(part.keys) for part in parts)
    seal = AuditSeal.objects.create(**told, row_count=rows, digest=digest, key_id=key_id, mac=seal_mac(key, digest))
    SealedRows.objects.bulk_create(_sealed_rows(seal, part) for part in parts)
    # Whoever keeps the logs elsewhere holds an anchor that the database's owner cannot rewrite.
    log.info("audit_sealed", number=seal.number, day=str(day), rows=rows, seal_digest=digest)
    return seal


def _before() -> _Before:
    seal = AuditSeal.objects.order_by("-number").first()
    parts = list(SealedRows.objects.filter(seal=seal).only("table_name", "to_key", "open_keys")) if seal else []
    return _Before(
        seal=seal,
        to_keys={part.table_name: part.to_key for part in parts},
        open_keys={part.table_name: part.open_keys for part in parts},
    )


def _part(table: SealedTable, mark: int, before: _Before) -> Part:
    columns, from_key = table.columns, before.to_keys.get(table.name, 0)
    still_open = before.open_keys.get(table.name, [])
    rows = rows_between(
        table, columns, above=from_key, up_to=max(mark, from_key), also=still_open, most=MOST_ROWS_A_TABLE
    )
    cut = len(rows) == MOST_ROWS_A_TABLE
    to_key = max(rows[-1].key, from_key) if cut else max(mark, from_key)
    sealed = [row for row in rows if row.final]
    # What was open and did not come into a cut seal stays open.
    read = {row.key for row in rows}
    waiting = [row.key for row in rows if not row.final] + (
        [key for key in still_open if key not in read] if cut else []
    )
    return Part(
        table=table.name,
        columns=columns,
        from_key=from_key,
        to_key=to_key,
        keys=tuple(row.key for row in sealed),
        digests=b"".join(row_digest(columns, row.values) for row in sealed),
        open_keys=tuple(sorted(waiting)),
    )


def _sealed_rows(seal: AuditSeal, part: Part) -> SealedRows:
    return SealedRows(
        seal=seal,
        table_name=part.table,
        columns=list(part.columns),
        from_key=part.from_key,
        to_key=part.to_key,
        keys=list(part.keys),
        digests=part.digests,
        open_keys=list(part.open_keys),
        digest=part.digest,
    )


def _today(now: datetime) -> date:
    return now.astimezone(UTC).date()


def _yesterday(now: datetime) -> date:
    return _today(now) - timedelta(days=1)
