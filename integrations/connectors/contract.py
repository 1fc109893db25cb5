"""What a connector takes, answers and offers. A connector speaks to one kind of receiver and touches no row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from integrations.facts import Fact
from integrations.failure import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """Another fact of the same object at the same receiver: what a refund's receipt says of the sale's.

    `delivered` and `external_ids` are as our rows had them when the try began; it may have arrived since.
    """

    key: str
    fact: str
    occurred_at: datetime
    payload: Mapping[str, Any] = field(repr=False)
    delivered: bool
    external_ids: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One fact for one receiver. `key` is the same at every try; `payload` is the outbox row's.

    `related`: the object's other facts at this receiver, oldest first, for connectors with `reads_related` only.
    """

    key: str
    fact: str
    event_id: str
    occurred_at: datetime
    payload: Mapping[str, Any] = field(repr=False)
    related: tuple[Related, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """Where to send, and how.

    `lookup_address` tells what has arrived, where the receiver can. `secrets`: newest first; the form of one is its
    kind's. `options`: plain settings of the kind, as `Connector.check` accepts them. `public_key`: the receiver's, as
    a JWK or PEM; what is sent to it is sealed to that key, by the kinds that can.
    """

    address: str
    lookup_address: str = ""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    public_key: str = field(default="", repr=False)
    allow_loopback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The receiver has the message, and calls what it made of it so (as `Verdict.external_ids`)."""

    external_ids: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one try means.

    `outcome_unknown`: the receiver may have taken the message though it did not confirm it. `hopeless`: no other try
    can succeed. `gone`: the receiver wants nothing any more, and is disabled. `retry_after_seconds`: what the receiver
    asked for. `detail`: short, for staff, without personal data.
    `external_ids`: what the receiver calls what it made (`{"invoice": "12"}`); kept with the delivery, shown to staff.
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
    external_ids: Mapping[str, str] = field(default_factory=dict)


class Misconfigured(Exception):
    """Address, secret or access is not as it must be, seen before anything was sent. Mend the destination."""


class CannotTell(Exception):
    """The message lacks what this receiver must be told, or is nothing it can take. No other try can succeed."""


class CannotLookUp(Exception):
    """The receiver's look-up did not answer yes or no. Ask again before sending."""


class Connector(Protocol):
    """One kind of receiver: subclass this. `build` makes the request, `send` sends it, `classify` reads what came.

    `facts`: those it can tell; a destination of its kind subscribes to no other. `reads_related`: whether messages
    are to carry the object's other facts, which costs a query each.
    """

    kind: str
    facts: frozenset[Fact] = frozenset(Fact)
    reads_related: bool = False

    def check(self, receiver: Receiver) -> None:
        """Raise Misconfigured, with a sentence for the form, unless options and public key are usable.

        Secrets too, where there are any: a destination is edited without them.
        """
        return

    def build(self, message: Message, receiver: Receiver, *, now: datetime) -> Any:
        """Return what `send` sends. Raises Misconfigured."""
        ...

    def find(self, message: Message, receiver: Receiver, *, now: datetime, deadline_seconds: float) -> Found | None:
        """Return what the receiver has of this message; None: nothing, or it cannot be asked. Raises CannotLookUp."""
        return None

    def send(self, request: Any, *, deadline_seconds: float) -> Any:
        """Send once, and return the answer for `classify`; what it raises goes there too."""
        ...

    def classify(self, answer: Any, *, now: datetime) -> Verdict:
        """Say what the answer, or the exception in its place, means."""
        ...
