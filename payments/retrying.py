"""Making a transaction again that PostgreSQL broke off: a deadlock or a serialization failure undid all of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import structlog
from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected, SerializationFailure

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

TRIES = 4

log = structlog.get_logger(__name__)


def made_again(act: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Let `act` be tried up to 4 times where the database breaks it off (40P01, 40001).

    For functions that are one durable transaction and do nothing else. The last error is raised.
    """

    @wraps(act)
    def acting(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        for _ in range(TRIES - 1):
            try:
                return act(*args, **kwargs)
            except OperationalError as error:
                if connection.in_atomic_block or not _was_broken_off(error):
                    raise
                log.warning("transaction_made_again", what=act.__qualname__, why=type(error.__cause__).__name__)
        return act(*args, **kwargs)

    return acting


def _was_broken_off(error: OperationalError) -> bool:
    return isinstance(error.__cause__, DeadlockDetected | SerializationFailure)
