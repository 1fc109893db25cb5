"""Does this thread hold a database transaction? For what must not happen inside one (DESIGN.md, invariant 6)."""

from __future__ import annotations

from django.db import connections


class TransactionOpen(RuntimeError):
    """A defect of the caller: this must not happen while a transaction is open. Commit it first."""


def refuse_open_transaction(what: str = "a network call") -> None:
    """Raise TransactionOpen if this thread holds a database transaction."""
    if alias := in_own_transaction():
        raise TransactionOpen(f"{what} inside a transaction on database {alias!r}; commit it before")


def in_own_transaction() -> str:
    """Return the alias of a database on which this thread holds a transaction; empty where it holds none.

    The transaction that Django's TestCase wraps around a test does not count, as for `atomic(durable=True)`.
    """
    for connection in connections.all(initialized_only=True):
        own = [block for block in connection.atomic_blocks if not getattr(block, "_from_testcase", False)]
        by_hand = connection.connection is not None and not connection.autocommit and not connection.in_atomic_block
        if own or by_hand:
            return connection.alias
    return ""
