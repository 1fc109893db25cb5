"""Member types of Square's JSON: each reads one node and refuses what Square refuses, in Square's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from integrations.sandbox.square import errors
from integrations.sandbox.wire import Json

CURRENCIES = frozenset({"AUD", "CAD", "EUR", "GBP", "JPY", "USD"})
MAX_AMOUNT = 2**53
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class Field(Protocol):
    """Reads one node. `name` is the dotted name, for messages."""

    @property
    def required(self) -> bool: ...

    def read(self, node: Any, name: str) -> Any: ...


@dataclass(frozen=True)
class Text:
    """A string of at most `limit` characters, of `choices` where given."""

    required: bool = False
    limit: int = 4096
    choices: tuple[str, ...] = ()

    def read(self, node: Any, name: str) -> str:
        if not isinstance(node, str):
            raise errors.expected("string", name)
        if not node:
            raise errors.empty(name)
        if len(node) > self.limit:
            raise errors.too_long(self.limit, name)
        if self.choices and node not in self.choices:
            raise errors.invalid(name, f"`{node[:40]}` is not a valid enum value.", code="INVALID_ENUM_VALUE")
        return node


@dataclass(frozen=True)
class Integer:
    """A whole number between `low` and `high`, both allowed. In a query it arrives as text."""

    required: bool = False
    low: int | None = None
    high: int | None = None

    def read(self, node: Any, name: str) -> int:
        if isinstance(node, bool) or not isinstance(node, int):
            raise errors.expected("integer", name)
        if self.low is not None and node < self.low:
            raise errors.invalid(name, f"Must be at least {self.low}.", code="VALUE_TOO_LOW")
        if self.high is not None and node > self.high:
            raise errors.invalid(name, f"Must be at most {self.high}.", code="VALUE_TOO_HIGH")
        return node


@dataclass(frozen=True)
class Flag:
    """`true` or `false`."""

    required: bool = False

    def read(self, node: Any, name: str) -> bool:
        if not isinstance(node, bool):
            raise errors.expected("boolean", name)
        return node


@dataclass(frozen=True)
class Moment:
    """A time as RFC 3339. Read as whole seconds since the epoch."""

    required: bool = False

    def read(self, node: Any, name: str) -> int:
        text = Text(limit=40).read(node, name)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise errors.invalid(name, f"`{text[:40]}` is not a valid RFC 3339 timestamp.", code="INVALID_TIME")
        return int(moment.astimezone(UTC).timestamp())


@dataclass(frozen=True)
class Url:
    """An absolute http(s) URL."""

    required: bool = False
    limit: int = 2048

    def read(self, node: Any, name: str) -> str:
        text = Text(limit=self.limit).read(node, name)
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise errors.invalid(name, "Not a valid URL.")
        return text


@dataclass(frozen=True)
class Email:
    """Something with the shape of an e-mail address."""

    required: bool = False
    limit: int = 256

    def read(self, node: Any, name: str) -> str:
        text = Text(limit=self.limit).read(node, name)
        if not _EMAIL.fullmatch(text):
            raise errors.invalid(name, "Not a valid email address.", code="INVALID_EMAIL_ADDRESS")
        return text


@dataclass(frozen=True)
class Object:
    """An object with its own members."""

    fields: Mapping[str, Field]
    required: bool = False

    def read(self, node: Any, name: str) -> Json:
        if not isinstance(node, dict):
            raise errors.expected("object", name)
        return read(self.fields, node, prefix=name)


@dataclass(frozen=True)
class Items:
    """A list."""

    item: Field
    required: bool = False
    most: int = 500

    def read(self, node: Any, name: str) -> list[Any]:
        if not isinstance(node, list):
            raise errors.expected("array", name)
        if len(node) > self.most:
            raise errors.invalid(name, f"Array must have at most {self.most} elements.", code="ARRAY_LENGTH_TOO_LONG")
        return [self.item.read(each, f"{name}[{position}]") for position, each in enumerate(node)]


@dataclass(frozen=True)
class Metadata:
    """Up to 10 texts by name: names of at most 60 characters, values of at most 255."""

    required: bool = False

    def read(self, node: Any, name: str) -> dict[str, str]:
        if not isinstance(node, dict):
            raise errors.expected("object", name)
        if len(node) > 10:
            raise errors.invalid(name, "At most 10 entries are allowed.", code="MAP_KEY_LENGTH_TOO_LONG")
        for key, value in node.items():
            if len(key) > 60:
                raise errors.too_long(60, f"{name}.{key[:60]}")
            Text(limit=255).read(value, f"{name}.{key}")
        return dict(node)


@dataclass(frozen=True)
class Money:
    """An amount in the currency's smallest unit. `low`: the least amount."""

    required: bool = False
    low: int = 0

    def read(self, node: Any, name: str) -> Json:
        money = Object(
            {"amount": Integer(required=True, high=MAX_AMOUNT), "currency": Text(required=True, limit=3)}
        ).read(node, name)
        if money["amount"] < self.low:
            raise errors.invalid(f"{name}.amount", f"Must be at least {self.low}.", code="VALUE_TOO_LOW")
        if money["currency"] not in CURRENCIES:
            raise errors.invalid(
                f"{name}.currency", f"`{money['currency']}` is not a valid enum value.", code="INVALID_ENUM_VALUE"
            )
        return money


def read(fields: Mapping[str, Field], tree: Json, *, prefix: str = "") -> Json:
    """All members of a body, typed. Raises ApiError for the first that is unknown, missing or wrong."""
    for name in tree:
        if name not in fields:
            raise errors.unknown(f"{prefix}.{name}" if prefix else name)
    values: Json = {}
    for name, field in fields.items():
        full = f"{prefix}.{name}" if prefix else name
        if tree.get(name) is not None:
            values[name] = field.read(tree[name], full)
        elif field.required:
            raise errors.missing(full)
    return values


def from_query(fields: Mapping[str, Field], pairs: list[tuple[str, str]]) -> Json:
    """A query as the tree that `read` takes: numbers and flags by their field. Raises ApiError for a doubled one."""
    tree: Json = {}
    for name, text in pairs:
        if name in tree:
            raise errors.invalid(name, "The parameter stands twice.")
        tree[name] = _typed(fields.get(name), text, name)
    return tree


def _typed(field: Field | None, text: str, name: str) -> Any:
    if isinstance(field, Integer):
        if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 18:
            raise errors.expected("integer", name)
        return int(text)
    return {"true": True, "false": False}.get(text, text) if isinstance(field, Flag) else text
