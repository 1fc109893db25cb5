"""What one step of the PayPal stand-in works in: a transaction, the clock's reading, and the address it answers at."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from integrations.sandbox import objects
from integrations.sandbox.objects import Stored
from integrations.sandbox.paypal import errors
from integrations.sandbox.store import Transaction
from integrations.sandbox.wire import Json

_ALPHABET = string.ascii_uppercase + string.digits
_ACCOUNT_ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # pragma: allowlist secret

#: What only this store needs of an object; PayPal shows neither.
INTERNAL = ("created", "kind", "host")

#: By which fields of what the provider alone knows each kind is found.
LINKS = ("order", "capture", "authorization", "type", "reported")


def new_id(length: int = 17) -> str:
    """A random id like PayPal's: upper-case letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def new_account() -> str:
    """A random account id like PayPal's, whose alphabet has no look-alikes."""
    return "".join(secrets.choice(_ACCOUNT_ALPHABET) for _ in range(13))


def written(seconds: int) -> str:
    """A time as PayPal writes it (RFC 3339, in UTC)."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Scope:
    """One request, page click or control call. `now` is in seconds by the sandbox's clock."""

    tx: Transaction
    now: int
    base_url: str
    account: str
    nudge: Callable[[], None]

    def wake_sender_after_commit(self) -> None:
        """Asks for one nudge of the webhook sender once this step is durable."""
        if self.nudge not in self.tx.after_commit:
            self.tx.after_commit.append(self.nudge)

    def insert(self, kind: str, data: Json, private: Json | None = None) -> Stored:
        """Stores a new object; `data` holds its `id`."""
        data = {**data, "created": self.now, "kind": kind}
        return objects.insert(self.tx, kind=kind, data=data, private=private, links=_links(private))

    def save(self, stored: Stored) -> None:
        """Writes an object back, updated now."""
        if "update_time" in stored.data:
            stored.data["update_time"] = written(self.now)
        objects.save(self.tx, stored, links=_links(stored.private))

    def find(self, kind: str, object_id: str) -> Stored | None:
        """The object of this kind with this id, if there is one."""
        stored = objects.get(self.tx, object_id)
        return stored if stored is not None and stored.data["kind"] == kind else None

    def get(self, kind: str, object_id: str) -> Stored:
        """The same. Raises ApiError RESOURCE_NOT_FOUND."""
        stored = self.find(kind, object_id)
        if stored is None:
            raise errors.not_found()
        return stored

    def of(self, kind: str, name: str, value: str) -> list[Stored]:
        """All objects of a kind that belong to another one, oldest first."""
        return objects.linked(self.tx, kind=kind, name=name, value=value)


def shown(stored: Stored) -> Json:
    """The object as PayPal shows it."""
    return {name: value for name, value in stored.data.items() if name not in INTERNAL}


def _links(private: Json | None) -> dict[str, object]:
    return {name: (private or {}).get(name) for name in LINKS}
