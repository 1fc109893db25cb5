"""What is Stripe's own in reading its objects; the rest is answer_reading.py."""

from __future__ import annotations

from datetime import UTC, datetime

from integrations.contract import Mode
from integrations.providers.answer_reading import Answer, AnswerReader
from integrations.providers.told_texts import UNSTORABLE

# 9999-12-31T23:59:59Z, the last second datetime can hold.
_LAST_SECOND = 253_402_300_799


class _StripeReader(AnswerReader):
    def kind(self, data: Answer) -> str:
        kind = data.get("object")
        return kind if isinstance(kind, str) else "object"

    def web_address(self, data: Answer, key: str) -> str:
        """Return an address that a shopper's browser may be sent to; empty for null or missing."""
        return super().web_address(data, key) if data.get(key) else ""

    def moment(self, data: Answer, key: str) -> datetime:
        """Return a time given in Unix seconds."""
        seconds = self.whole(data, key)
        if not 0 < seconds <= _LAST_SECOND:
            raise self.unreadable(data, key)
        return datetime.fromtimestamp(seconds, UTC)

    def id_of(self, data: Answer, key: str) -> str:
        """Return the id in a field that holds an id or the expanded object; empty for null."""
        value = data.get(key)
        return self.text(value, "id") if isinstance(value, dict) else self.text_or_empty(data, key)

    def mode(self, data: Answer) -> Mode:
        """Return the object's mode by `livemode`."""
        live = data.get("livemode")
        if not isinstance(live, bool):
            raise self.unreadable(data, "livemode")
        return Mode.LIVE if live else Mode.TEST

    def metadata(self, data: Answer, key: str) -> str:
        """Return one value of the object's metadata, empty where there is none."""
        values = data.get("metadata")
        value = values.get(key) if isinstance(values, dict) else None
        return value if isinstance(value, str) and not UNSTORABLE.search(value) else ""


answers = _StripeReader("Stripe")
