"""Access tokens that an API hands out for a time, kept by this process until shortly before they end.

A cache and nothing more: every process has its own, a lost one is fetched again, and the database holds none.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from integrations.connectors.api import Unexpected
from integrations.connectors.contract import Receiver

T = TypeVar("T")

MARGIN_SECONDS = 60
MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """`lasts_seconds`: from when it was handed out."""

    value: str = field(repr=False)
    lasts_seconds: int


class TokenCache:
    """Safe between threads. The network is never waited for under its lock, so two threads may fetch at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[str, float]] = {}

    def authorised(self, receiver: Receiver, fetch: Callable[[], Token], use: Callable[[str], T]) -> T:
        """Run `use` with a token; once more with a new one where the API answers 401 to it."""
        token = self.get(receiver, fetch)
        try:
            return use(token)
        except Unexpected as error:
            if error.answer.status != 401:
                raise
        self.forget(receiver, token)
        return use(self.get(receiver, fetch))

    def get(self, receiver: Receiver, fetch: Callable[[], Token]) -> str:
        """Return the token for this receiver's address and newest secret, fetching one where none is kept."""
        owner = _owner(receiver)
        with self._lock:
            value, ends = self._kept.get(owner, ("", 0))
        if value and time.monotonic() < ends:
            return value
        began = time.monotonic()
        token = fetch()
        with self._lock:
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[owner] = (token.value, began + token.lasts_seconds - MARGIN_SECONDS)
        return token.value

    def forget(self, receiver: Receiver, value: str) -> None:
        """Drop this token, which the API no longer takes, unless another thread has fetched a new one meanwhile."""
        with self._lock:
            if self._kept.get(_owner(receiver), ("", 0))[0] == value:
                del self._kept[_owner(receiver)]


def _owner(receiver: Receiver) -> str:
    """Return what tells receivers apart, without holding their secret."""
    return hashlib.sha256("\n".join((receiver.address, *receiver.secrets[:1])).encode()).hexdigest()
