"""The HTTP messages that pass between the server and a provider, and JSON as this package writes it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_CARD_NUMBER = re.compile(r"(?<!\d)(?:\d[ -]?){12,18}\d(?!\d)")


@dataclass(frozen=True)
class Request:
    """One HTTP request as read from the socket; header names are lower case.

    The last three come from a fault switch: wait so long before handling; answer (and store) a 500; its name.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    pause_seconds: float = 0.0
    forced_error: str = ""
    fault: str | None = None

    def header(self, name: str) -> str | None:
        """The header's value without surrounding blanks, or None when it is missing or empty."""
        return (self.headers.get(name) or "").strip() or None


@dataclass(frozen=True)
class Response:
    """One HTTP answer, complete before its first byte is written."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


def dumps(value: object, *, pretty: bool = False) -> bytes:
    """JSON bytes; `pretty` indents as the providers do in what a person may read."""
    return json.dumps(value, indent=2 if pretty else None, ensure_ascii=False).encode()


def json_response(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An indented JSON answer."""
    return Response(status, dumps(value, pretty=True), headers=headers or {})


def mask_card_numbers(text: str) -> str:
    """Replaces what looks like a card number (13 to 19 digits that satisfy the Luhn check) by its last four digits."""
    return _CARD_NUMBER.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match.group())
    return f"(card ending {digits[-4:]})" if luhn_valid(digits) else match.group()


def luhn_valid(digits: str) -> bool:
    """Whether a string of decimal digits passes the Luhn check (ISO/IEC 7812-1, annex B)."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if position % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0
