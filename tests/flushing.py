"""Empties the tables after a test that committed: only those that have rows, and never what `migrate` made.

Django's own flush truncates every table and then sends post_migrate, which makes content types, permissions and groups
again: about a second each time, of which nearly all is spent on tables that were empty. On the embedded server the
superuser deletes the rows, past the triggers that guard append-only tables: to truncate a dozen tables takes forty
milliseconds, to delete their few rows one. On another server their owner truncates those.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.conf import settings
from django.db import connections
from django.test import TransactionTestCase

from config.postgres_place import SUPERUSER, passwords_of, place_of

MADE_BY_MIGRATE = ("django_content_type", "auth_permission", "auth_group", "auth_group_permissions")
NEVER = (*MADE_BY_MIGRATE, "django_migrations")
OWNER = "owner"

_flush_everything = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
_DIGESTS = " UNION ALL ".join(
    f'SELECT count(*), coalesce(sum(hashtextextended(made::text, 0)), 0) FROM "{name}" AS made'
    for name in MADE_BY_MIGRATE
)


class Flusher:
    """Knows which tables there are, and what `migrate` made; make one when that is done."""

    def __init__(self) -> None:
        tables = [name for name in connections[OWNER].introspection.table_names() if name not in NEVER]
        self._filled = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in tables)
        self._connection: psycopg.Connection[Any] | None = None
        self._made = self._rows(_DIGESTS)
        self._append_only = frozenset() if settings.EMBEDDED_DATABASE else self._refusing_deletes()

    @contextmanager
    def in_place_of_djangos(self) -> Iterator[None]:
        """Empty the tables after each test meanwhile."""

        def tear_down(case: TransactionTestCase) -> None:
            self.tear_down(case)

        TransactionTestCase._fixture_teardown = tear_down  # type: ignore[attr-defined]
        try:
            yield
        finally:
            TransactionTestCase._fixture_teardown = _flush_everything  # type: ignore[attr-defined]
            if self._connection is not None:
                self._connection.close()

    def tear_down(self, case: TransactionTestCase) -> None:
        """Empty what has rows; where a test changed what `migrate` made, do all that Django would."""
        try:
            made = self._rows(_DIGESTS)
        except (psycopg.OperationalError, psycopg.InterfaceError):  # the test ended all connections, or the server
            self._connection = None
            made = self._rows(_DIGESTS)
        if made != self._made:
            _flush_everything(case)
            self._made = self._rows(_DIGESTS)
            return
        names = [name for (name,) in self._rows(self._filled)]
        with self._opened().transaction():
            if kept := [f'"{name}"' for name in names if name in self._append_only]:
                self._execute(f"TRUNCATE {', '.join(kept)} CASCADE")
            for name in names:
                if name not in self._append_only:
                    self._execute(f'DELETE FROM "{name}"')

    def _rows(self, query: str) -> list[Any]:
        return self._execute(query).fetchall()

    def _execute(self, statement: str) -> psycopg.Cursor[Any]:
        return self._opened().execute(statement.encode(), prepare=True)

    def _opened(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            self._connection = _connect()
        return self._connection

    def _refusing_deletes(self) -> frozenset[str]:
        """Return the tables with a guard (orders/migrations/0002_guards.py)."""
        guarded = (
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger"
            " WHERE NOT tgisinternal AND tgtype::int & 8 = 8"  # fires on DELETE
        )
        return frozenset(name.strip('"') for (name,) in self._rows(guarded))


def _connect() -> psycopg.Connection[Any]:
    """Return a connection for which no trigger fires, foreign keys' among them; the owner's on a server not ours."""
    keys = connections[OWNER].settings_dict
    user, password, options = keys["USER"], keys["PASSWORD"], "-c shop.allow_truncate=on"
    if settings.EMBEDDED_DATABASE:
        user, password = SUPERUSER, passwords_of(place_of(settings.BASE_DIR))[SUPERUSER]
        options = "-c session_replication_role=replica -c synchronous_commit=off"
    return psycopg.connect(
        host=keys["HOST"],
        port=keys["PORT"],
        dbname=keys["NAME"],
        user=user,
        password=password,
        options=options,
        autocommit=True,
    )
