"""What one step of the NMI stand-in works in: a transaction, the clock's reading, and whose account it is."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from integrations.sandbox import objects
from integrations.sandbox.objects import Stored
from integrations.sandbox.store import Transaction
from integrations.sandbox.wire import Json

#: By which fields each kind is listed.
LINKS: dict[str, tuple[str, ...]] = {
    "transaction": ("order_id", "original_transaction_id"),
    "token": (),
    "event": ("event_type",),
}


def new_transaction_id() -> str:
    """A number like NMI's transaction ids."""
    return str(10**10 + secrets.randbelow(9 * 10**10))


def new_uuid() -> str:
    """A random id as NMI writes those of tokens and events: groups of hex digits."""
    digits = secrets.token_hex(16)
    return "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])


@dataclass
class Scope:
    """One request, page click or control call. `now` is in seconds by the sandbox's clock."""

    tx: Transaction
    now: int
    base_url: str
    account: str
    nudge: Callable[[], None]

    @property
    def stamp(self) -> str:
        """The clock as the query API writes it: YYYYMMDDhhmmss in UTC."""
        return datetime.fromtimestamp(self.now, UTC).strftime("%Y%m%d%H%M%S")

    def wake_sender_after_commit(self) -> None:
        """Asks for one nudge of the webhook sender once this step is durable."""
        if self.nudge not in self.tx.after_commit:
            self.tx.after_commit.append(self.nudge)

    def insert(self, kind: str, data: Json, *, private: Json | None = None) -> Stored:
        """Stores a new object; `created` is the clock's reading."""
        data = {**data, "object": kind, "created": self.now}
        return objects.insert(self.tx, kind=kind, data=data, private=private, links=_links(data))

    def save(self, stored: Stored) -> None:
        """Writes an object back."""
        objects.save(self.tx, stored, links=_links(stored.data))

    def find(self, kind: str, object_id: str | None) -> Stored | None:
        """The object of this kind with this id, if there is one."""
        stored = objects.get(self.tx, object_id) if object_id else None
        return stored if stored is not None and stored.data["object"] == kind else None

    def of_order(self, order_id: str) -> list[Stored]:
        """The transactions of an order id, oldest first."""
        return objects.linked(self.tx, kind="transaction", name="order_id", value=order_id)

    def refunds_of(self, transaction: Stored) -> list[Stored]:
        """The refunds of a transaction, oldest first."""
        return objects.linked(self.tx, kind="transaction", name="original_transaction_id", value=transaction.id)


def _links(data: Json) -> dict[str, object]:
    return {name: data.get(name) or None for name in LINKS.get(data["object"], ())}
