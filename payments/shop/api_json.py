"""Reading a request's body as JSON (RFC 8259), strictly: what two readers could understand differently is refused.

Python's own reader takes NaN, lets the last of two equal keys win, and fails on deep nesting and long integers with
errors that are no JSONDecodeError (FAULTS.md, Bad input). PostgreSQL stores neither NUL nor lone surrogates.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

MAX_BYTES = 64 * 1024
MAX_DEPTH = 8
MAX_NUMBER_LENGTH = 20

# It matches an unfinished string too: were it to fail there, it would begin again at each quote.
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_NO_CHARACTER = re.compile("[\x00\ud800-\udfff]")


class NotStrictJson(ValueError):
    """The body is no JSON that everybody reads alike; the message says where to look."""


def loads(body: bytes) -> Any:
    """Return what `body` says. Raises NotStrictJson, and nothing else whatever the bytes are."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise NotStrictJson("The body is not valid UTF-8.") from None
    _check_depth(text)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_int=_int,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise NotStrictJson(f"The body is not valid JSON ({where}).") from None
    _check_values(value)
    return value


def _check_depth(text: str) -> None:
    """Count brackets before the recursive reader meets them."""
    depth = 0
    for character in _STRING.sub("", text):
        if character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise NotStrictJson(f"The body is nested more than {MAX_DEPTH} levels deep.")
        elif character in "]}":
            depth -= 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrictJson("An object in the body names the same member twice.")
    return members


def _no_constant(name: str) -> NoReturn:
    raise NotStrictJson(f"{name} is no JSON: a number is written in digits.")


def _int(digits: str) -> int:
    if len(digits) > MAX_NUMBER_LENGTH:
        raise NotStrictJson("A number in the body is too long.")
    return int(digits)


def _check_values(value: object) -> None:
    if isinstance(value, str):
        if _NO_CHARACTER.search(value):
            raise NotStrictJson("A text in the body holds NUL or half of a surrogate pair.")
    elif isinstance(value, float):
        # Whatever field it stands in refuses a fraction by name; infinity is what 1e999 becomes.
        if not math.isfinite(value):
            raise NotStrictJson("A number in the body is too large.")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_values(key)
            _check_values(item)
    elif isinstance(value, list):
        for item in value:
            _check_values(item)
