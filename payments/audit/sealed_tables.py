"""The tables that are sealed, how their rows are read for it, and up to which key no more rows can appear.

Keys are given out before rows commit, so a row can appear below one that is there already. `settled_marks()` therefore
reads the highest key and then waits until every transaction that was writing to the table at that moment has ended: it
holds the table's lock from before it takes a key until it ends, and pg_locks shows it. After that, a key up to the mark
that is not there belongs to no row and never will.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from django.apps import apps
from django.db import connections, transaction
from django.db.models import Model
from psycopg import sql

SETTLE_SECONDS = 2
"""For so long running transactions are waited for; then sealing is tried again later."""
_LOWEST_KEY = -(2**63)


class NotSettled(Exception):
    """A transaction that may still add a row below the mark has not ended. Try again later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedTable:
    """One table. `final`: an SQL condition on the row `t`; empty where rows are final as they are written."""

    label: str
    final: str = ""

    @property
    def model(self) -> type[Model]:
        return apps.get_model(self.label)

    @property
    def name(self) -> str:
        return self.model._meta.db_table

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns now. A seal keeps those it was made of, so that later ones do not break it."""
        return tuple(sorted(str(field.column) for field in self.model._meta.concrete_fields))


_ACTION_FINAL = "t.state <> 'requested'"
_APPROVAL_FINAL = (
    "t.decision <> '' OR (SELECT a.state FROM payments_staffaction a WHERE a.id = t.action_id) <> 'requested'"
)
SEALED = (
    SealedTable(label="auditlog.LogEntry"),
    SealedTable(label="payments.AuditRecord"),
    SealedTable(label="orders.Transition"),
    SealedTable(label="payments.LedgerTransaction"),
    SealedTable(label="payments.LedgerEntry"),
    SealedTable(label="payments.AccountingPeriod"),
    SealedTable(label="payments.AccountBalance"),
    SealedTable(label="payments.Note"),
    SealedTable(label="payments.CaseNote"),
    SealedTable(label="payments.BankMatch"),
    SealedTable(label="payments.BankMatchUndoing"),
    SealedTable(label="payments.StaffAction", final=_ACTION_FINAL),
    SealedTable(label="payments.Approval", final=_APPROVAL_FINAL),
    SealedTable(label="integrations.DeliveryReplay"),
    SealedTable(label="integrations.DeliverySkip"),
    SealedTable(label="integrations.DeliveryRepeat"),
    SealedTable(label="integrations.DecryptionRecord"),
)


NOT_SEALED = {
    "payments_reconciliationfinding": "What a run met; the provider can be asked again, and its case is there.",
    "payments_balanceentry": "What a provider said; the provider can be asked again.",
    "payments_payoutline": "What a provider said; the provider can be asked again.",
    "payments_bankline": "What the bank said; its statement can be read again.",
    "payments_look": "What a provider said; the provider can be asked again.",
    "payments_paymenttry": "What a provider said; the provider can be asked again.",
    "payments_disputemovement": "What a provider said; its postings are sealed with the ledger.",
    "integrations_outboxevent": "What receivers were told; each fact stands beside the Transition that made it true.",
    "integrations_encryptionkey": "No act: which keys this database has met.",
    "payments_auditseal": "The seals themselves.",
    "payments_sealedrows": "The seals themselves.",
}
"""Append-only tables (payments/grants.py) that no seal holds, and why."""


def table_named(name: str) -> SealedTable | None:
    """Return the sealed table of this name, None if none is sealed any more."""
    return next((table for table in SEALED if table.name == name), None)


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it enters a digest: its columns as text, in the order asked for."""

    key: int
    final: bool
    values: tuple[str | None, ...]


def settled_marks(using: str = "default") -> dict[str, int]:
    """Return for each table the key up to which no more rows can appear; 0 for an empty one. Raises NotSettled."""
    names = [table.name for table in SEALED]
    with connections[using].cursor() as cursor:
        marks = {}
        for name in names:
            cursor.execute(sql.SQL("SELECT coalesce(max(id), 0) FROM {}").format(sql.Identifier(name)))
            marks[name] = int(cursor.fetchone()[0])
    _wait_for(_writers(names, using), names, using)
    return marks


def _wait_for(writers: frozenset[str], names: list[str], using: str) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while writers:
        if time.monotonic() > deadline:
            raise NotSettled(f"{len(writers)} transactions still write to the audit log's tables; sealed later.")
        time.sleep(0.05)
        writers &= _writers(names, using)


def _writers(names: list[str], using: str) -> frozenset[str]:
    """Return the transactions of others that hold a lock by which rows may be written to one of the tables."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT virtualtransaction FROM pg_locks"
            " WHERE relation IN (SELECT oid FROM pg_class WHERE relname = ANY(%s) AND relkind = 'r')"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND granted AND mode NOT IN ('AccessShareLock', 'RowShareLock')"
            " AND pid IS DISTINCT FROM pg_backend_pid()",
            [names],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def rows_between(
    table: SealedTable,
    columns: Iterable[str],
    *,
    above: int,
    up_to: int,
    also: Iterable[int] = (),
    most: int | None = None,
    using: str = "default",
) -> list[Row]:
    """Return the rows with `above` < key ≤ `up_to` and those whose keys are in `also`, in the order of their keys.

    Above 0 means from the very first: a key below 1 was put in by hand.
    """
    texts = sql.SQL(", ").join(sql.SQL("t.{}::text").format(sql.Identifier(column)) for column in columns)
    query = sql.SQL(
        "SELECT t.id, {final}, {texts} FROM {table} t"
        " WHERE (t.id > %s AND t.id <= %s) OR t.id = ANY(%s) ORDER BY t.id LIMIT %s"
    ).format(
        final=sql.SQL(table.final or "true"),
        texts=texts,
        table=sql.Identifier(table.name),
    )
    with _plain_output(using), connections[using].cursor() as cursor:
        cursor.execute(query, [above or _LOWEST_KEY, up_to, list(also), most])
        return [Row(key, bool(final), tuple(values)) for key, final, *values in cursor.fetchall()]


@contextmanager
def _plain_output(using: str) -> Iterator[None]:
    """Let PostgreSQL print values in the one way that digests are made of, whatever the role's settings are."""
    wanted: Mapping[str, str] = {
        "TimeZone": "UTC",
        "DateStyle": "ISO, MDY",
        "IntervalStyle": "postgres",
        "bytea_output": "hex",
        "extra_float_digits": "1",
    }
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        for name, value in wanted.items():
            cursor.execute("SELECT set_config(%s, %s, true)", [name, value])
        yield
