"""For tests of the audit log: its tables taken away, and rows of it rewritten by whoever owns the database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connections


@contextmanager
def audit_away() -> Iterator[None]:
    """Take from the application's role the right to write the audit log, while the block runs."""
    role, tables = settings.DATABASES["default"]["USER"], "auditlog_logentry, payments_auditrecord"
    with connections["owner"].cursor() as cursor:
        cursor.execute(f'REVOKE INSERT ON {tables} FROM "{role}"')
    try:
        yield
    finally:
        with connections["owner"].cursor() as cursor:
            cursor.execute(f'GRANT INSERT ON {tables} TO "{role}"')


def tamper(table: str, statement: str, *values: Any) -> None:
    """Do what only whoever owns the database can: switch the table's triggers off and rewrite it."""
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        try:
            cursor.execute(statement, values)
            assert cursor.rowcount > 0
        finally:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
