"""What is PayPal's own in reading its objects; the rest is answer_reading.py."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from integrations.contract import Mode, Unavailable
from integrations.providers.answer_reading import Answer, AnswerReader
from integrations.providers.paypal.money import from_paypal

_CURRENCY = re.compile(r"[A-Z]{3}")


class _PayPalReader(AnswerReader):
    def inner(self, data: Answer, key: str) -> Answer:
        """Return an object, empty for null or missing."""
        return super().inner(data, key) or {}

    def money(self, data: Answer, key: str) -> tuple[int, str]:
        """Return a money object as ISO minor units and currency."""
        told = self.inner(data, key)
        currency = self.text(told, "currency_code")
        if not _CURRENCY.fullmatch(currency):
            raise self.unreadable(data, key)
        return from_paypal(self.text(told, "value"), currency), currency

    def link(self, data: Answer, *rels: str) -> str:
        """Return the address of the first link with one of these relations, empty where there is none."""
        for each in self.items(data, "links"):
            if each.get("rel") in rels:
                return self.web_address(each, "href")
        return ""


answers = _PayPalReader("PayPal")


def parsed(text: str) -> dict[str, Any]:
    """Return the JSON object in an answer's body. Raises Unavailable."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise Unavailable("PayPal's answer is no JSON object", code="shape")
    return answer


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
