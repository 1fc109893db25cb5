"""One correlation id from request to delivery: carried in the context, stored on the rows that outlive it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("correlation_id", default="")


def current() -> str:
    """Return the id of what is going on now; empty outside any request or task."""
    return _current.get()


def new() -> str:
    """Return a fresh id: 128 random bits in hex."""
    return secrets.token_hex(16)


@contextmanager
def bind(value: str) -> Iterator[str]:
    """Carry `value` (or a fresh id, if empty) while the block runs."""
    value = value or new()
    token = _current.set(value)
    try:
        yield value
    finally:
        _current.reset(token)
