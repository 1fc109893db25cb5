"""What a provider's stand-in must be, to be put together as a process. `accepts(status)` is for those that count other
answers of the shop than any 2xx as delivered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from integrations.sandbox.control_api import ControlledProvider
from integrations.sandbox.server import Provider
from integrations.sandbox.store import Store, Transaction


class StandIn(Provider, ControlledProvider, Protocol):
    """One provider's API, pages, webhooks and switches."""

    base_url: str

    def tick(self) -> None:
        """Does what the clock has made due, when no request comes by."""

    def sign(self, tx: Transaction, event_id: str) -> tuple[bytes, dict[str, str]] | None:
        """Body and headers of one delivery attempt; None when the event is no more."""


class MakeStandIn(Protocol):
    """How one is made."""

    def __call__(self, *, store: Store, nudge: Callable[[], None], account: str | None) -> StandIn: ...
