"""Reading a webhook, whatever the provider: its size, its one header, its JSON, its members.

All of it may come from anybody: whatever is wrong is NotificationRejected, and nothing else is raised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations import strict_json
from integrations.contract import NotificationRejected

MAX_BODY_BYTES = 1024 * 1024


def check_size(body: bytes) -> None:
    """Refuse a body beyond 1 MiB."""
    if len(body) > MAX_BODY_BYTES:
        raise NotificationRejected("the body is larger than 1 MiB")


def only_header(headers: Mapping[str, str], name: str) -> str:
    """Return the header of this name in any case of letters. None, or two of them, are refused."""
    found = [value for each, value in headers.items() if each.lower() == name.lower()]
    if len(found) != 1:
        raise NotificationRejected(f"exactly one {name} header is needed")
    return found[0]


def parsed(body: bytes) -> dict[str, Any]:
    """Return the event as it stands in the body, JSON in the narrow sense (integrations/strict_json.py)."""
    try:
        return strict_json.read_object(body)
    except ValueError as error:
        raise NotificationRejected("the body is no JSON we accept") from error


def matching(event: Mapping[str, Any], key: str, shape: re.Pattern[str]) -> str:
    """Return a text that has this shape from end to end."""
    value = event.get(key)
    if not isinstance(value, str) or not shape.fullmatch(value):
        raise NotificationRejected(f"the event has no readable {key}")
    return value


def matching_or_empty(event: Mapping[str, Any], key: str, shape: re.Pattern[str]) -> str:
    """Return a text that has this shape, empty for null or missing."""
    return matching(event, key, shape) if event.get(key) is not None else ""


def moment(event: Mapping[str, Any], key: str) -> datetime:
    """Return a time written out with its offset (RFC 3339), in UTC."""
    text = event.get(key)
    try:
        told = datetime.fromisoformat(text) if isinstance(text, str) else None
        if told is not None and told.tzinfo is not None:
            return told.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise NotificationRejected(f"the event has no readable {key}")
