"""Members of a JSON body: each kind reads one node and refuses what PayPal refuses, in PayPal's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from integrations.sandbox.paypal import errors
from integrations.sandbox.wire import Json


class Member(Protocol):
    """Reads one node. `field` is its JSON pointer, for messages."""

    @property
    def required(self) -> bool: ...

    def read(self, node: Any, field: str) -> Any: ...


@dataclass(frozen=True)
class Text:
    """A string of `low` to `high` characters, of `choices` where given, of one shape where given."""

    required: bool = False
    low: int = 1
    high: int = 127
    choices: tuple[str, ...] = ()
    shape: str = ""

    def read(self, node: Any, field: str) -> str:
        if not isinstance(node, str):
            raise errors.invalid("INVALID_PARAMETER_SYNTAX", field, "The value of a field is not a string.")
        if not self.low <= len(node) <= self.high:
            description = f"The value of a field is either too short or too long ({self.low} to {self.high})."
            raise errors.invalid("INVALID_STRING_LENGTH", field, description)
        if self.choices and node not in self.choices:
            raise errors.invalid("INVALID_PARAMETER_VALUE", field, "The value of a field is invalid.")
        if self.shape and not re.fullmatch(self.shape, node):
            description = "The value of a field does not conform to the expected format."
            raise errors.invalid("INVALID_PARAMETER_SYNTAX", field, description)
        return node


@dataclass(frozen=True)
class Url:
    """An absolute http(s) URL."""

    required: bool = False

    def read(self, node: Any, field: str) -> str:
        text = Text(high=4000).read(node, field)
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.netloc or re.search(r"[\x00-\x20\x7f]", text):
            raise errors.invalid("INVALID_PARAMETER_SYNTAX", field, "The value of a field is not a valid URL.")
        return text


@dataclass(frozen=True)
class Whole:
    """An integer between `low` and `high`."""

    required: bool = False
    low: int = 0
    high: int = 2**31

    def read(self, node: Any, field: str) -> int:
        if type(node) is not int or not self.low <= node <= self.high:
            raise errors.invalid("INVALID_PARAMETER_VALUE", field, "The value of a field is invalid.")
        return node


@dataclass(frozen=True)
class Anything:
    """A node that is taken as it is."""

    required: bool = False

    def read(self, node: Any, field: str) -> Any:
        return node


@dataclass(frozen=True)
class Group:
    """An object with its own members; an unknown one is refused, so that a misspelt name shows."""

    members: Mapping[str, Member]
    required: bool = False

    def read(self, node: Any, field: str) -> Json:
        if not isinstance(node, dict):
            raise errors.invalid("INVALID_PARAMETER_SYNTAX", field, "The value of a field is not an object.")
        return read(self.members, node, field=field)


@dataclass(frozen=True)
class Items:
    """A list of `low` to `high` nodes of one kind."""

    item: Member
    required: bool = False
    low: int = 1
    high: int = 100

    def read(self, node: Any, field: str) -> list[Any]:
        if not isinstance(node, list):
            raise errors.invalid("INVALID_PARAMETER_SYNTAX", field, "The value of a field is not an array.")
        if len(node) < self.low:
            raise errors.invalid("INVALID_ARRAY_MIN_ITEMS", field, "The number of items in an array is too small.")
        if len(node) > self.high:
            raise errors.invalid("INVALID_ARRAY_MAX_ITEMS", field, "The number of items in an array is too large.")
        return [self.item.read(each, f"{field}/{position}") for position, each in enumerate(node)]


def read(members: Mapping[str, Member], node: Json, *, field: str = "") -> Json:
    """All members of an object. Raises ApiError for the first that is unknown, missing or wrong."""
    for name in node:
        if name not in members:
            raise errors.invalid("NOT_SUPPORTED", f"{field}/{name}", "This field is not known, or not supported.")
    for name, member in members.items():
        if member.required and name not in node:
            raise errors.invalid("MISSING_REQUIRED_PARAMETER", f"{field}/{name}", "A required field is missing.")
    return {name: members[name].read(value, f"{field}/{name}") for name, value in node.items()}


MONEY = {"currency_code": Text(required=True, low=3, high=3), "value": Text(required=True, high=32)}


def money(*, required: bool = False) -> Group:
    """A money object."""
    return Group(MONEY, required=required)
