"""Reading a provider's objects, as plain dicts: whatever is not as its API documents it is no answer (Unavailable)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.contract import Unavailable
from integrations.providers.told_texts import UNSTORABLE, WEB_ADDRESS

Answer = Mapping[str, Any]


class AnswerReader:
    """Reads one member of an object. An adapter adds what only its provider has, and says how times are told there.

    Each method raises Unavailable for anything else than it returns.
    """

    def __init__(self, provider: str) -> None:
        self.provider = provider
        """The provider's name, as people read it in an error."""

    def unreadable(self, data: Answer, key: str) -> Unavailable:
        """Return the error for a member that is not as documented; it names the member, never its value."""
        return Unavailable(f"{self.provider}'s {self.kind(data)} has no readable {key}", code="shape")

    def kind(self, data: Answer) -> str:
        """Return what an error calls this object."""
        return "answer"

    def text(self, data: Answer, key: str) -> str:
        """Return a non-empty string."""
        value = data.get(key)
        if not isinstance(value, str) or not value or UNSTORABLE.search(value):
            raise self.unreadable(data, key)
        return value

    def text_or_empty(self, data: Answer, key: str) -> str:
        """Return a string, empty for null or missing."""
        return self.text(data, key) if data.get(key) else ""

    def web_address(self, data: Answer, key: str) -> str:
        """Return an https:// address (http:// of a stand-in on this machine): a shopper's browser is sent there."""
        address = self.text(data, key)
        if not WEB_ADDRESS.fullmatch(address):
            raise self.unreadable(data, key)
        return address

    def whole(self, data: Answer, key: str) -> int:
        """Return an integer; a bool is none."""
        value = data.get(key)
        if type(value) is not int:
            raise self.unreadable(data, key)
        return value

    def moment(self, data: Answer, key: str) -> datetime:
        """Return a time written out with its offset (RFC 3339)."""
        try:
            told = datetime.fromisoformat(self.text(data, key))
            if told.tzinfo is not None:
                return told.astimezone(UTC)
        except (ValueError, OverflowError):
            pass
        raise self.unreadable(data, key)

    def moment_or_none(self, data: Answer, key: str) -> datetime | None:
        """Return a time, None for null or missing."""
        return self.moment(data, key) if data.get(key) is not None else None

    def inner(self, data: Answer, key: str) -> Answer | None:
        """Return an object inside another, None for null or missing."""
        value = data.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.unreadable(data, key)
        return value

    def items(self, data: Answer, key: str) -> list[Answer]:
        """Return a list of objects, empty for null or missing."""
        value = data.get(key)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise self.unreadable(data, key)
        return value
