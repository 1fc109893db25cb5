"""What one step of the Stripe stand-in works in: a transaction, the clock's reading, and who asked."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass, field

from integrations.sandbox import objects
from integrations.sandbox.objects import Stored
from integrations.sandbox.store import Transaction
from integrations.sandbox.stripe import errors
from integrations.sandbox.wire import Json

_ALPHABET = string.ascii_letters + string.digits

#: By which fields each kind is listed.
LINKS: dict[str, tuple[str, ...]] = {
    "checkout.session": ("payment_intent", "status"),
    "payment_intent": ("customer",),
    "charge": ("payment_intent",),
    "refund": ("charge", "payment_intent"),
    "dispute": ("charge", "payment_intent"),
    "balance_transaction": ("source", "type", "currency"),
    "payout": ("status", "destination"),
    "event": ("type",),
    "payment_method": (),
}
#: The same, by what the provider alone knows.
PRIVATE_LINKS: dict[str, tuple[str, ...]] = {"balance_transaction": ("payout", "taken_by")}


def new_id(prefix: str, length: int = 24) -> str:
    """A random id like Stripe's, e.g. `pi_` and 24 letters or digits."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(length))


@dataclass
class Scope:
    """One request, page click, timer or control call. `now` is in seconds by the sandbox's clock."""

    tx: Transaction
    now: int
    base_url: str
    account: str
    nudge: Callable[[], None]
    request_id: str | None = None
    idempotency_key: str | None = None
    deferred: list[Callable[[], None]] = field(default_factory=list)

    def wake_sender_after_commit(self) -> None:
        """Asks for one nudge of the webhook sender once this step is durable."""
        if self.nudge not in self.tx.after_commit:
            self.tx.after_commit.append(self.nudge)

    def insert(self, data: Json, *, private: Json | None = None) -> Stored:
        """Stores a new object under the kind it names itself."""
        return objects.insert(self.tx, kind=data["object"], data=data, private=private, links=_links(data, private))

    def save(self, stored: Stored) -> None:
        """Writes an object back."""
        objects.save(self.tx, stored, links=_links(stored.data, stored.private))

    def find(self, object_id: str | None) -> Stored | None:
        """The object with this id, if there is one."""
        return objects.get(self.tx, object_id) if object_id else None

    def get(self, kind: str, object_id: str, *, param: str = "id") -> Stored:
        """The object with this id. Raises ApiError resource_missing when there is none of that kind."""
        stored = objects.get(self.tx, object_id)
        if stored is None or stored.data["object"] != kind:
            raise errors.no_such(kind, object_id, param=param)
        return stored

    def finish(self) -> None:
        """Runs what was put off to the end of the step (the balance entry and its `charge.updated`)."""
        while self.deferred:
            self.deferred.pop(0)()


def _links(data: Json, private: Json | None) -> dict[str, object]:
    kind = data["object"]
    shown = {name: data.get(name) for name in LINKS.get(kind, ())}
    return shown | {name: (private or {}).get(name) for name in PRIVATE_LINKS.get(kind, ())}
