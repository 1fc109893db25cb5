"""Reading Stripe's objects, as plain dicts: whatever is not as the API documents it is no answer (Unavailable)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.contract import Mode, Unavailable
from integrations.providers.told_texts import UNSTORABLE, WEB_ADDRESS

# 9999-12-31T23:59:59Z, the last second datetime can hold.
_LAST_SECOND = 253_402_300_799


Answer = Mapping[str, Any]


def unreadable(data: Answer, key: str) -> Unavailable:
    """Return the error for a field that is not as documented; it names the field, never its value."""
    kind = data.get("object")
    return Unavailable(f"Stripe's {kind if isinstance(kind, str) else 'object'} has no readable {key}", code="shape")


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
    """Return an https:// address (http:// of a stand-in on this machine); empty for null or missing.

    A shopper's browser is sent there. Raises Unavailable for anything else: another scheme, spaces, line breaks.
    """
    address = text_or_empty(data, key)
    if address and not WEB_ADDRESS.fullmatch(address):
        raise unreadable(data, key)
    return address


def whole(data: Answer, key: str) -> int:
    """Return an integer; a bool is none. Raises Unavailable."""
    value = data.get(key)
    if type(value) is not int:
        raise unreadable(data, key)
    return value


def moment(data: Answer, key: str) -> datetime:
    """Return a time given in Unix seconds. Raises Unavailable."""
    seconds = whole(data, key)
    if not 0 < seconds <= _LAST_SECOND:
        raise unreadable(data, key)
    return datetime.fromtimestamp(seconds, UTC)


def moment_or_none(data: Answer, key: str) -> datetime | None:
    """Return a time given in Unix seconds, None for null or missing. Raises Unavailable for anything else."""
    return moment(data, key) if data.get(key) is not None else None


def inner(data: Answer, key: str) -> Answer | None:
    """Return an expanded object, None for null. Raises Unavailable for an id that was not expanded."""
    value = data.get(key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise unreadable(data, key)
    return value


def id_of(data: Answer, key: str) -> str:
    """Return the id in a field that holds an id or the expanded object; empty for null. Raises Unavailable."""
    value = data.get(key)
    return text(value, "id") if isinstance(value, dict) else text_or_empty(data, key)


def mode(data: Answer) -> Mode:
    """Return the object's mode by `livemode`. Raises Unavailable."""
    live = data.get("livemode")
    if not isinstance(live, bool):
        raise unreadable(data, "livemode")
    return Mode.LIVE if live else Mode.TEST


def metadata(data: Answer, key: str) -> str:
    """Return one value of the object's metadata, empty where there is none."""
    values = data.get("metadata")
    value = values.get(key) if isinstance(values, dict) else None
    return value if isinstance(value, str) and not UNSTORABLE.search(value) else ""
