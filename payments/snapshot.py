"""Reading everything as it stood at one moment, however long that takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction


@contextmanager
def one_snapshot() -> Iterator[None]:
    """Let every query inside see the same moment, and none write. Inside a transaction, that one's rules stay.

    Nothing waits for it and it waits for nothing; PostgreSQL keeps old row versions until it ends.
    """
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield
