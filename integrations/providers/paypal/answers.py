"""Reading PayPal's objects, as plain dicts: whatever is not as the API documents it is no answer (Unavailable)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from integrations.contract import Mode, Unavailable
from integrations.providers.paypal.money import from_paypal
from integrations.providers.told_texts import UNSTORABLE, WEB_ADDRESS

Answer = Mapping[str, Any]

_CURRENCY = re.compile(r"[A-Z]{3}")


def parsed(text: str) -> dict[str, Any]:
    """Return the JSON object in an answer's body. Raises Unavailable."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise Unavailable("PayPal's answer is no JSON object", code="shape")
    return answer


def unreadable(key: str) -> Unavailable:
    """Return the error for a member that is not as documented; it names the member, never its value."""
    return Unavailable(f"PayPal's answer has no readable {key}", code="shape")


def text(data: Answer, key: str) -> str:
    """Return a non-empty string. Raises Unavailable."""
    value = data.get(key)
    if not isinstance(value, str) or not value or UNSTORABLE.search(value):
        raise unreadable(key)
    return value


def text_or_empty(data: Answer, key: str) -> str:
    """Return a string, empty for null or missing. Raises Unavailable for anything else."""
    return text(data, key) if data.get(key) else ""


def inner(data: Answer, key: str) -> Answer:
    """Return an object, empty for null or missing. Raises Unavailable for anything else."""
    value = data.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise unreadable(key)
    return value


def items(data: Answer, key: str) -> list[Answer]:
    """Return a list of objects, empty for null or missing. Raises Unavailable for anything else."""
    value = data.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise unreadable(key)
    return value


def money(data: Answer, key: str) -> tuple[int, str]:
    """Return a money object as ISO minor units and currency. Raises Unavailable."""
    told = inner(data, key)
    currency = text(told, "currency_code")
    if not _CURRENCY.fullmatch(currency):
        raise unreadable(key)
    return from_paypal(text(told, "value"), currency), currency


def moment(data: Answer, key: str) -> datetime:
    """Return a time written out with its offset (RFC 3339). Raises Unavailable."""
    try:
        told = datetime.fromisoformat(text(data, key))
    except ValueError:
        raise unreadable(key) from None
    if told.tzinfo is None:
        raise unreadable(key)
    return told.astimezone(UTC)


def moment_or_none(data: Answer, key: str) -> datetime | None:
    """Return a time, None for null or missing. Raises Unavailable for anything else."""
    return moment(data, key) if data.get(key) is not None else None


def link(data: Answer, *rels: str) -> str:
    """Return the address of the first link with one of these relations, empty where there is none.

    A shopper's browser may be sent there. Raises Unavailable for what is no https:// address (http:// of a stand-in on
    this machine).
    """
    for each in items(data, "links"):
        if each.get("rel") in rels:
            address = text(each, "href")
            if not WEB_ADDRESS.fullmatch(address):
                raise unreadable("links")
            return address
    return ""


def mode_of(data: Answer, *, ours: Mode) -> Mode:
    """Return the mode that an object's links tell: PayPal has no other mark. `ours` where they are of a stand-in."""
    for host in _hosts(data):
        if host == "sandbox.paypal.com" or host.endswith(".sandbox.paypal.com"):
            return Mode.TEST
        if host == "paypal.com" or host.endswith(".paypal.com"):
            return Mode.LIVE
    return ours


def _hosts(data: Answer) -> Iterator[str]:
    links = data.get("links")
    for each in links if isinstance(links, list) else []:
        href = each.get("href") if isinstance(each, dict) else None
        if isinstance(href, str):
            try:
                yield (urlsplit(href).hostname or "").lower()
            except ValueError:
                continue
