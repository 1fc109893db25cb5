"""Tryton's JSON-RPC: one session for some minutes, calls in the context of one company, errors as Refused.

Read in trytond 8.2 (protocols/dispatcher.py, jsonrpc.py): an error is answered with 200 and `error`, 401 stands for a
session that has ended.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar

from integrations.connectors.api import Refused, call, name_and_secret
from integrations.connectors.contract import Misconfigured, Receiver
from integrations.connectors.tokens import Token, TokenCache
from integrations.failure import Failure
from integrations.redaction import one_line, scrub_text

SESSION_SECONDS = 300
"""Posting and paying ask for a session used within Tryton's `session.timeout`, 5 minutes unless set otherwise."""
_NOT_NOW = frozenset({"ConcurrencyException", "DatabaseOperationalError", "RateLimitException"})
_sessions = TokenCache()

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tryton:
    """One company in one database, seen by one session."""

    receiver: Receiver
    company: int
    authorization: str = field(repr=False)

    def __call__(self, method: str, *parameters: Any, **context: Any) -> Any:
        """Call `method` with its parameters and the context. Raises Refused, and what api.call raises."""
        sent = [*parameters, {"company": self.company, **context}]
        return _rpc(self.receiver, method, sent, {"authorization": self.authorization})

    def the_only(self, model: str, says: str, *domain: list[Any]) -> int:
        """Return the id of the one record that fits. Raises Misconfigured with `says` where none or several do."""
        found = self(f"model.{model}.search", list(domain), 0, 2, None)
        if len(found) != 1:
            raise Misconfigured(f"Tryton has {'no' if not found else 'more than one'} {says}.")
        return int(found[0])


def signed_in(receiver: Receiver, *, company: int, use: Callable[[Tryton], T]) -> T:
    """Run `use` with a session; once more with a new one if it has ended."""
    return _sessions.authorised(
        receiver,
        lambda: _session(receiver),
        lambda session: use(Tryton(receiver=receiver, company=company, authorization=f"Session {session}")),
    )


def number(value: Decimal) -> dict[str, str]:
    """Return a decimal as Tryton's JSON writes it."""
    return {"__class__": "Decimal", "decimal": str(value)}


def day(value: date) -> dict[str, Any]:
    """Return a date as Tryton's JSON writes it."""
    return {"__class__": "date", "year": value.year, "month": value.month, "day": value.day}


def as_decimal(value: dict[str, str]) -> Decimal:
    """Read a decimal of Tryton's JSON."""
    return Decimal(value["decimal"])


def _session(receiver: Receiver) -> Token:
    user, password = name_and_secret(receiver)
    user_id, key, *_ = _rpc(receiver, "common.db.login", [user, {"password": password}], {})
    session = base64.b64encode(f"{user}:{user_id}:{key}".encode()).decode()
    return Token(value=session, lasts_seconds=SESSION_SECONDS)


def _rpc(receiver: Receiver, method: str, parameters: list[Any], headers: dict[str, str]) -> Any:
    body = {"id": 1, "method": method, "params": parameters}
    answer = call(receiver, "POST", "/rpc/", headers=headers, body=body)
    if "error" in answer:
        raise _refused(method, answer["error"])
    return answer["result"]


def _refused(method: str, error: list[Any]) -> Refused:
    """Return what Tryton's error means. Its sentence may name the shopper, so it is scrubbed."""
    kind, *more = error or ["an error without a name"]
    sentence = more[0][0] if more and isinstance(more[0], list) and more[0] else ""
    failure = Failure.UNAVAILABLE if kind in _NOT_NOW else Failure.PERMANENT
    return Refused(failure, one_line(scrub_text(f"Tryton refuses {method}: {kind}: {sentence}"))[:300])
