"""Parameter types: each reads one node of a decoded form and refuses what Stripe refuses, in Stripe's words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from integrations.sandbox.stripe import currencies, errors
from integrations.sandbox.wire import Json

_INTEGER = re.compile(r"-?[0-9]{1,18}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


class Field(Protocol):
    """Reads one node. `param` is the full bracketed name, for messages."""

    @property
    def required(self) -> bool: ...

    def read(self, node: Any, param: str) -> Any: ...


def _text(node: Any, param: str) -> str:
    if not isinstance(node, str):
        raise errors.invalid(param, f"Invalid string: {param} must be a string, not a hash or list.")
    return node


@dataclass(frozen=True)
class Text:
    """A non-empty string of at most `limit` characters, of `choices` where given."""

    required: bool = False
    limit: int = 5000
    choices: tuple[str, ...] = ()

    def read(self, node: Any, param: str) -> str:
        text = _text(node, param)
        if not text:
            raise errors.empty(param)
        if len(text) > self.limit:
            message = f"Invalid string: {text[:20]}...; must be at most {self.limit} characters"
            raise errors.invalid(param, message, code="parameter_invalid_string")
        if self.choices and text not in self.choices:
            listed = ", ".join(self.choices[:-1]) + (" or " if len(self.choices) > 1 else "") + self.choices[-1]
            raise errors.invalid(param, f"Invalid {param}: must be one of {listed}")
        return text


@dataclass(frozen=True)
class Integer:
    """A whole number between `low` and `high`, both allowed."""

    required: bool = False
    low: int | None = None
    high: int | None = None

    def read(self, node: Any, param: str) -> int:
        text = _text(node, param)
        if not text:
            raise errors.empty(param)
        if not _INTEGER.fullmatch(text):
            raise errors.invalid(param, f"Invalid integer: {text[:40]}", code="parameter_invalid_integer")
        value = int(text)
        if self.low is not None and value < self.low:
            message = f"This value must be greater than or equal to {self.low}."
            raise errors.invalid(param, message, code="parameter_invalid_integer")
        if self.high is not None and value > self.high:
            message = f"This value must be less than or equal to {self.high}."
            raise errors.invalid(param, message, code="parameter_invalid_integer")
        return value


@dataclass(frozen=True)
class Flag:
    """`true` or `false`."""

    required: bool = False

    def read(self, node: Any, param: str) -> bool:
        text = _text(node, param)
        if text not in ("true", "false"):
            raise errors.invalid(param, f"Invalid boolean: {text[:40]}")
        return text == "true"


@dataclass(frozen=True)
class Currency:
    """A lower-case code of a currency that Stripe supports. Stripe's documentation asks for lower case; we insist."""

    required: bool = False

    def read(self, node: Any, param: str) -> str:
        text = _text(node, param)
        if text not in currencies.SUPPORTED:
            known = ", ".join(sorted(currencies.SUPPORTED))
            message = f"Invalid currency: {text[:20]}. Stripe currently supports these currencies: {known}"
            raise errors.invalid(param, message)
        return text


@dataclass(frozen=True)
class Url:
    """An absolute http(s) URL. `{CHECKOUT_SESSION_ID}` may stand in it."""

    required: bool = False

    def read(self, node: Any, param: str) -> str:
        text = Text(limit=5000).read(node, param)
        try:
            parts = urlsplit(text)
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.netloc or re.search(r"[\x00-\x20\x7f]", text):
            raise errors.invalid(param, "Not a valid URL", code="url_invalid")
        return text


@dataclass(frozen=True)
class Email:
    """Something with the shape of an e-mail address."""

    required: bool = False

    def read(self, node: Any, param: str) -> str:
        text = Text(limit=512).read(node, param)
        if not _EMAIL.fullmatch(text):
            raise errors.invalid(param, f"Invalid email address: {text[:80]}", code="email_invalid")
        return text


@dataclass(frozen=True)
class Hash:
    """A nested hash with its own fields."""

    fields: Mapping[str, Field]
    required: bool = False

    def read(self, node: Any, param: str) -> Json:
        if not isinstance(node, dict):
            raise errors.invalid(param, f"Invalid hash: {param} must be a hash.")
        return read(self.fields, node, prefix=param)


@dataclass(frozen=True)
class Items:
    """A list, sent with indexes or empty brackets."""

    item: Field
    required: bool = False
    most: int = 100

    def read(self, node: Any, param: str) -> list[Any]:
        if node == "":
            raise errors.empty(param)
        if not isinstance(node, dict) or not all(key.isascii() and key.isdigit() for key in node):
            raise errors.invalid(param, f"Invalid array: {param} must be an array.")
        if len(node) > self.most:
            raise errors.invalid(param, f"Array {param} exceeded maximum {self.most} allowed elements.")
        return [self.item.read(node[key], f"{param}[{key}]") for key in sorted(node, key=int)]


@dataclass(frozen=True)
class Metadata:
    """Up to 50 keys of at most 40 characters, values of at most 500. An empty value leaves its key out.

    `keep_empty` is for updates, where an empty value unsets its key: it is read as it was sent.
    """

    required: bool = False
    keep_empty: bool = False

    def read(self, node: Any, param: str) -> dict[str, str]:
        if node == "":
            return {}
        if not isinstance(node, dict):
            raise errors.invalid(param, f"Invalid hash: {param} must be a hash.")
        if len(node) > 50:
            raise errors.invalid(param, "Metadata can only have up to 50 keys.")
        for key, value in node.items():
            if len(key) > 40:
                raise errors.invalid(f"{param}[{key}]", f"Metadata keys can be at most 40 characters: {key[:40]}")
            if len(_text(value, f"{param}[{key}]")) > 500:
                raise errors.invalid(f"{param}[{key}]", "Metadata values can have up to 500 characters.")
        return {key: value for key, value in node.items() if value != "" or self.keep_empty}


@dataclass(frozen=True)
class When:
    """A list filter on creation time: one second, or a hash of gt, gte, lt, lte. Read as (since, until), inclusive."""

    required: bool = False

    def read(self, node: Any, param: str) -> tuple[int, int]:
        if isinstance(node, str):
            at = Integer().read(node, param)
            return at, at
        bounds = Hash({name: Integer() for name in ("gt", "gte", "lt", "lte")}).read(node, param)
        since = max(bounds.get("gte", 0), bounds.get("gt", -1) + 1)
        until = min(bounds.get("lte", 2**60), bounds.get("lt", 2**60) - 1)
        return since, until


def read(fields: Mapping[str, Field], tree: Json, *, prefix: str = "") -> Json:
    """All parameters of a request, typed. Raises ApiError for the first that is unknown, missing or wrong."""
    for name in tree:
        if name not in fields:
            if f"allowed_{name}" in fields:
                raise errors.no_longer_supported(name)
            raise errors.unknown(f"{prefix}[{name}]" if prefix else name)
    values: Json = {}
    for name, field in fields.items():
        param = f"{prefix}[{name}]" if prefix else name
        if name in tree:
            values[name] = field.read(tree[name], param)
        elif field.required:
            raise errors.missing(param)
    return values


EXPAND: dict[str, Field] = {"expand": Items(Text())}
PAGING: dict[str, Field] = {
    "limit": Integer(low=1, high=100), "starting_after": Text(), "ending_before": Text(), "created": When(),
    **EXPAND,
}  # fmt: skip
