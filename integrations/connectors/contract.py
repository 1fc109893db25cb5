"""What a connector takes, answers and offers. A connector speaks to one kind of receiver and touches no row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from integrations.models import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One fact for one receiver. `key` is the same at every try; `payload` is the outbox row's."""

    key: str
    fact: str
    event_id: str
    occurred_at: datetime
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Where to send. `secrets` sign, newest first; `lookup_address` tells what has arrived, where the receiver can."""

    address: str
    lookup_address: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    allow_loopback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one try means.

    `outcome_unknown`: the receiver may have taken the message though it did not confirm it. `hopeless`: no other try
    can succeed. `gone`: the receiver wants nothing any more, and is disabled. `retry_after_seconds`: what the receiver
    asked for. `detail`: short, for staff, without personal data.
    """

    delivered: bool = False
    found: bool = False
    failure: Failure | None = None
    http_status: int | None = None
    detail: str = ""
    outcome_unknown: bool = False
    hopeless: bool = False
    gone: bool = False
    retry_after_seconds: int | None = None


class Misconfigured(Exception):
    """Address, secret or access is not as it must be, seen before anything was sent. Mend the destination."""


class CannotLookUp(Exception):
    """The receiver's look-up did not answer yes or no. Ask again before sending."""


class Connector(Protocol):
    """One kind of receiver. `build` makes the request, `send` sends it, `classify` reads what `send` gave or raised."""

    kind: str

    def build(self, message: Message, receiver: Receiver, *, now: datetime) -> Any:
        """Return what `send` sends. Raises Misconfigured."""
        ...

    def find(self, message: Message, receiver: Receiver, *, now: datetime, deadline_seconds: float) -> bool | None:
        """Return whether the receiver has the message already; None where it cannot be asked. Raises CannotLookUp."""
        ...

    def send(self, request: Any, *, deadline_seconds: float) -> Any:
        """Send once, and return the answer for `classify`; what it raises goes there too."""
        ...

    def classify(self, answer: Any, *, now: datetime) -> Verdict:
        """Say what the answer, or the exception in its place, means."""
        ...
