"""What is Square's own in reading its objects; the rest is answer_reading.py."""

from __future__ import annotations

from datetime import UTC, datetime

from integrations.providers.answer_reading import Answer, AnswerReader


class _SquareReader(AnswerReader):
    def moment(self, data: Answer, key: str) -> datetime:
        """Return a time written as RFC 3339, or a date (its midnight in UTC)."""
        try:
            told = datetime.fromisoformat(self.text(data, key))
            return (told.replace(tzinfo=UTC) if told.tzinfo is None else told).astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.unreadable(data, key) from None

    def required(self, data: Answer, key: str) -> Answer:
        """Return an object inside another."""
        value = self.inner(data, key)
        if value is None:
            raise self.unreadable(data, key)
        return value

    def texts(self, data: Answer, key: str) -> list[str]:
        """Return a list of strings; Square leaves an empty one out."""
        found = data.get(key)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(item, str) and item for item in found):
            raise self.unreadable(data, key)
        return found


answers = _SquareReader("Square")
