"""Empties the tables after a test that committed: only those that have rows, and never what `migrate` made.

A table that allows it is emptied by DELETE: TRUNCATE makes new files for it and its indexes, which takes longer.

Django's own flush truncates every table and then sends post_migrate, which makes content types, permissions and groups
again: about a second each time, of which nearly all is spent on tables that were empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction
from django.test import TransactionTestCase

MADE_BY_MIGRATE = ("django_content_type", "auth_permission", "auth_group", "auth_group_permissions")
NEVER = (*MADE_BY_MIGRATE, "django_migrations")
OWNER = "owner"

_flush_everything = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]


class Flusher:
    """Knows which tables there are, and what `migrate` made; make one when that is done."""

    def __init__(self) -> None:
        self._tables = [name for name in connections[OWNER].introspection.table_names() if name not in NEVER]
        self._made = _made_by_migrate()
        self._append_only = _append_only()

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

    def tear_down(self, case: TransactionTestCase) -> None:
        """Empty what has rows; where a test changed what `migrate` made, do all that Django would."""
        if _made_by_migrate() != self._made:
            _flush_everything(case)
            self._made = _made_by_migrate()
            return
        filled = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM \"{name}\")" for name in self._tables)
        with connections[OWNER].cursor() as cursor:
            cursor.execute(filled)
            names = [name for (name,) in cursor.fetchall()]
            kept = [f'"{name}"' for name in names if name in self._append_only]
            with transaction.atomic(OWNER):
                if kept:
                    cursor.execute(f"TRUNCATE {', '.join(kept)} CASCADE")
                for name in names:
                    if name not in self._append_only:
                        cursor.execute(f'DELETE FROM "{name}"')


def _append_only() -> frozenset[str]:
    """Return the tables that refuse a DELETE (orders/migrations/0002_guards.py); they are truncated."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger"
            " WHERE NOT tgisinternal AND tgtype::int & 8 = 8"  # fires on DELETE
        )
        return frozenset(name.strip('"') for (name,) in cursor.fetchall())


def _made_by_migrate() -> list[Any]:
    """Return a digest of each of those tables."""
    with connections[OWNER].cursor() as cursor:
        cursor.execute(
            " UNION ALL ".join(
                f'SELECT count(*), coalesce(sum(hashtextextended(made::text, 0)), 0) FROM "{name}" AS made'
                for name in MADE_BY_MIGRATE
            )
        )
        return list(cursor.fetchall())
