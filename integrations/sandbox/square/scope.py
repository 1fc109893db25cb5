"""What one step of the Square stand-in works in: a transaction, the clock's reading, and who asked."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from integrations.sandbox import objects
from integrations.sandbox.objects import Stored, Window
from integrations.sandbox.square import errors
from integrations.sandbox.store import Transaction
from integrations.sandbox.wire import Json

_ALPHABET = string.ascii_letters + string.digits
_CAPITALS = string.ascii_uppercase + string.digits
EVERY = 1_000_000

#: What Square calls each kind in its sentences.
NAMES = {"payment": "payment", "order": "order", "payment_link": "payment link", "refund": "refund",
         "dispute": "dispute", "payout": "payout", "evidence": "evidence", "token": "card nonce"}  # fmt: skip


def new_id(length: int = 29) -> str:
    """A random id like Square's."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def capital_id(length: int) -> str:
    """A random id of capitals and digits, as links, locations and merchants have."""
    return "".join(secrets.choice(_CAPITALS) for _ in range(length))


def written(seconds: int) -> str:
    """A time as Square writes it (RFC 3339, milliseconds, UTC)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


@dataclass(frozen=True)
class Account:
    """The seller that this sandbox plays: one merchant with one location, and the developer's application."""

    merchant_id: str
    location_id: str
    currency: str
    application_id: str


@dataclass
class Scope:
    """One request, page click, timer or control call. `now` is in seconds by the sandbox's clock."""

    tx: Transaction
    now: int
    base_url: str
    account: Account
    nudge: Callable[[], None]
    deferred: list[Callable[[], None]] = field(default_factory=list)

    @property
    def stamp(self) -> str:
        """The present moment as Square writes it."""
        return written(self.now)

    def wake_sender_after_commit(self) -> None:
        """Asks for one nudge of the webhook sender once this step is durable."""
        if self.nudge not in self.tx.after_commit:
            self.tx.after_commit.append(self.nudge)

    def insert(self, kind: str, data: Json, *, private: Json | None = None, **links: object) -> Stored:
        """Stores a new object; `links` are what it is found by."""
        kept = {"links": links, "kind": kind, "created": self.now, **(private or {})}
        return objects.insert(self.tx, kind=kind, data=data, private=kept, links=links, created=self.now)

    def save(self, stored: Stored) -> None:
        """Writes an object back."""
        if "updated_at" in stored.data:
            stored.data["updated_at"] = self.stamp
        objects.save(self.tx, stored, links=stored.private["links"])

    def find(self, object_id: str | None) -> Stored | None:
        """The object with this id, if there is one."""
        return objects.get(self.tx, object_id) if object_id else None

    def get(self, kind: str, object_id: str) -> Stored:
        """The object with this id. Raises ApiError NOT_FOUND when there is none of that kind."""
        stored = objects.get(self.tx, object_id)
        if stored is None or stored.private["kind"] != kind:
            raise errors.not_found(NAMES[kind], object_id)
        return stored

    def linked(self, kind: str, name: str, value: str) -> list[Stored]:
        """All objects of a kind with this link, oldest first."""
        return objects.linked(self.tx, kind=kind, name=name, value=value)

    def every(self, kind: str) -> list[Stored]:
        """All objects of a kind, newest first."""
        return objects.page(self.tx, kind=kind, window=Window(limit=EVERY))[0]

    def finish(self) -> None:
        """Runs what was put off to the end of the step (the fee and its `payment.updated`)."""
        while self.deferred:
            self.deferred.pop(0)()
