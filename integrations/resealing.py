"""Sealing every sealed value anew with the first key of ENCRYPTION_KEYS, in small transactions, beside the service.

Sealed columns are found, not listed: every BinaryField named `…_sealed`, on whatever model, whose row has a `uid`. A
value is replaced only while it is still the one that was read, so neither a second run nor the service's own writes can
be undone by it; whoever kills it loses one batch at most, which the next run does again.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import connection, models, transaction
from django.db.models import F, Func, Max, Value

from integrations import encryption
from integrations.encryption import KEY_ID_MAX_LENGTH, Place
from integrations.failpoints import failpoint

PAGE_ROWS = 2000
"""How many rows are looked through at a time: of each, the key id only."""
BATCH_VALUES = 200
"""How many values are sealed anew in one transaction."""
MOST_NAMED = 20
"""How many unreadable values a report names."""

Progress = Callable[["SealedColumn", int, int], None]
"""Told after each page: the column, the last key looked at and the highest there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedColumn:
    """A column of sealed values, each bound to its table, its column and its row's `uid`."""

    model: type[models.Model]
    column: str

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    def place(self, row: uuid.UUID) -> Place:
        return Place(table=self.table, column=self.column, row=row)

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


@dataclass(slots=True, kw_only=True)
class ColumnReport:
    """What became of one column. `by_key`: how many values stood under each key id when it was looked through."""

    column: SealedColumn
    by_key: Counter[str] = field(default_factory=Counter)
    resealed: int = 0
    changed_meanwhile: int = 0
    unreadable: int = 0
    named: list[str] = field(default_factory=list)


def sealed_columns() -> tuple[SealedColumn, ...]:
    """Return every sealed column of every installed model, by name. Raises ImproperlyConfigured on one without `uid`:
    nothing could open its values."""
    found = [
        SealedColumn(model=model, column=column.name)
        for model in apps.get_models(include_auto_created=True)
        for column in model._meta.concrete_fields
        if isinstance(column, models.BinaryField) and column.name.endswith("_sealed")
    ]
    for each in found:
        try:
            fits = isinstance(each.model._meta.get_field("uid"), models.UUIDField)
        except FieldDoesNotExist:
            fits = False
        if not fits:
            raise ImproperlyConfigured(f"{each} is sealed, but its row has no `uid` to be bound to.")
    return tuple(sorted(found, key=str))


def count_by_key(column: SealedColumn, *, told: Progress) -> ColumnReport:
    """Count the column's values by key id; changes nothing and opens nothing."""
    report = ColumnReport(column=column)
    for page in _pages(column, told):
        report.by_key.update(key_id for _, _, key_id in page)
    return report


def reseal_column(column: SealedColumn, *, actor: str, told: Progress) -> ColumnReport:
    """Seal anew whatever does not stand under the first key of ENCRYPTION_KEYS; each opening is recorded.

    A value that no key opens stays as it is and is named in the report.
    """
    report, writing = ColumnReport(column=column), encryption.ring_ids()[0]
    for page in _pages(column, told):
        report.by_key.update(key_id for _, _, key_id in page)
        stale = [pk for pk, _, key_id in page if key_id != writing]
        for start in range(0, len(stale), BATCH_VALUES):
            _reseal(column, stale[start : start + BATCH_VALUES], report, actor=actor)
            failpoint("reseal.after_batch")
    return report


def _pages(column: SealedColumn, told: Progress) -> Iterator[list[tuple[int, uuid.UUID, str]]]:
    """Go through the column by key, a page at a time, reading of each value its key id only. Empty values count not."""
    length = Value(KEY_ID_MAX_LENGTH + 1)
    beginning = Func(F(column.column), Value(1), length, function="substr", output_field=models.BinaryField())
    filled: Any = column.model._base_manager.filter(**{f"{column.column}__isnull": False})
    rows = filled.order_by("pk").annotate(beginning=beginning).values_list("pk", "uid", "beginning")
    highest = column.model._base_manager.aggregate(highest=Max("pk"))["highest"] or 0
    last = 0
    while page := list(rows.filter(pk__gt=last)[:PAGE_ROWS]):
        last = page[-1][0]
        yield [(pk, uid, encryption.key_id_of(bytes(begin))) for pk, uid, begin in page if begin]
        told(column, last, max(highest, last))


def _reseal(column: SealedColumn, keys: list[int], report: ColumnReport, *, actor: str) -> None:
    """Replace the values of these rows, and write down that they were opened, in one transaction."""
    with transaction.atomic(durable=True):
        values = column.model._base_manager.filter(pk__in=keys).order_by("pk").values_list("pk", "uid", column.column)
        rows = [(pk, uid, bytes(old)) for pk, uid, old in values if old]
        fresh = encryption.reseal([(old, column.place(uid)) for _, uid, old in rows], actor=actor)
        opened = [(pk, old, new) for (pk, _, old), new in zip(rows, fresh, strict=True) if new is not None]
        closed = [(uid, old) for (_, uid, old), new in zip(rows, fresh, strict=True) if new is None]
        replaced = _replace(column, opened)
        failpoint("reseal.before_commit")
    report.resealed += replaced
    report.changed_meanwhile += len(opened) - replaced
    report.unreadable += len(closed)
    for uid, old in closed[: MOST_NAMED - len(report.named)]:
        report.named.append(f"{column} of row {uid}, sealed with {encryption.key_id_of(old) or 'no key id'}")


def _replace(column: SealedColumn, values: list[tuple[int, bytes, bytes]]) -> int:
    """Write the new values of (key, old, new), each only while the old one stands there; return how many."""
    quote = connection.ops.quote_name
    about: Any = column.model._meta
    names = {
        "table": quote(column.table),
        "column": quote(about.get_field(column.column).column),
        "key": quote(about.pk.column),
    }
    statement = (
        "UPDATE {table} AS present SET {column} = fresh.value "  # nosec B608: the names are our own models'
        "FROM unnest(%s::bigint[], %s::bytea[], %s::bytea[]) AS fresh (key, old_digest, value) "
        "WHERE present.{key} = fresh.key AND sha256(present.{column}) = fresh.old_digest"
    ).format(**names)
    keys, old, new = (list(each) for each in zip(*values, strict=True)) if values else ([], [], [])
    with connection.cursor() as cursor:
        cursor.execute(statement, [keys, [hashlib.sha256(each).digest() for each in old], new])
        return int(cursor.rowcount)
