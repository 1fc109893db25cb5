"""Reading Square's objects, as plain dicts: whatever is not as the API documents it is no answer (Unavailable)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.contract import Unavailable
from integrations.providers.told_texts import UNSTORABLE, WEB_ADDRESS

Answer = Mapping[str, Any]


def unreadable(data: Answer, key: str) -> Unavailable:
    """Return the error for a member that is not as documented; it names the member, never its value."""
    return Unavailable(f"Square's answer has no readable {key}", code="shape")


def text(data: Answer, key: str) -> str:
    """Return a non-empty string. Raises Unavailable."""
    value = data.get(key)
    if not isinstance(value, str) or not value or UNSTORABLE.search(value):
        raise unreadable(data, key)
    return value


def text_or_empty(data: Answer, key: str) -> str:
    """Return a string, empty for null or missing. Raises Unavailable for anything else."""
    return text(data, key) if data.get(key) else ""


def web_address(data: Answer, key: str) -> str:
    """Return an https:// address (http:// of a stand-in on this machine). Raises Unavailable for anything else."""
    address = text(data, key)
    if not WEB_ADDRESS.fullmatch(address):
        raise unreadable(data, key)
    return address


def whole(data: Answer, key: str) -> int:
    """Return an integer; a bool is none. Raises Unavailable."""
    value = data.get(key)
    if type(value) is not int:
        raise unreadable(data, key)
    return value


def moment(data: Answer, key: str) -> datetime:
    """Return a time written as RFC 3339, or a date (its midnight in UTC). Raises Unavailable."""
    try:
        value = datetime.fromisoformat(text(data, key))
        return (value.replace(tzinfo=UTC) if value.tzinfo is None else value).astimezone(UTC)
    except (ValueError, OverflowError):
        raise unreadable(data, key) from None


def moment_or_none(data: Answer, key: str) -> datetime | None:
    """Return a time, None for null or missing. Raises Unavailable for anything else."""
    return moment(data, key) if data.get(key) is not None else None


def inner(data: Answer, key: str) -> Answer | None:
    """Return an object inside another, None for null or missing. Raises Unavailable for anything else."""
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise unreadable(data, key)
    return value


def required(data: Answer, key: str) -> Answer:
    """Return an object inside another. Raises Unavailable where there is none."""
    value = inner(data, key)
    if value is None:
        raise unreadable(data, key)
    return value


def items(data: Answer, key: str) -> list[Answer]:
    """Return a list of objects; Square leaves an empty one out. Raises Unavailable for anything else."""
    found = data.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise unreadable(data, key)
    return found


def texts(data: Answer, key: str) -> list[str]:
    """Return a list of strings; Square leaves an empty one out. Raises Unavailable for anything else."""
    found = data.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(item, str) and item for item in found):
        raise unreadable(data, key)
    return found
