"""Reading what any provider tells: what is not as it should be is refused, and nothing else is raised."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.contract import NotificationRejected, Unavailable
from integrations.providers import event_reading, refusal_words
from integrations.providers.answer_reading import AnswerReader
from integrations.providers.paypal.answers import answers as paypal
from integrations.providers.square.answers import answers as square
from integrations.providers.stripe.answers import answers as stripe

NO_TIMES = ["0001-01-01T00:00:00+23:00", "2026-11-26T10:00:00", "yesterday", "", 0, {}, []]
READERS = pytest.mark.parametrize("reader", [paypal, square, stripe], ids=lambda each: each.provider)


@pytest.mark.parametrize("told", NO_TIMES)
def test_a_time_that_is_none_is_no_answer_and_no_event(told: Any) -> None:
    with pytest.raises(Unavailable, match="Acme's answer has no readable at"):
        AnswerReader("Acme").moment({"at": told}, "at")
    with pytest.raises(NotificationRejected, match="no readable at"):
        event_reading.moment({"at": told}, "at")


@pytest.mark.parametrize("read", [AnswerReader("Acme").moment, event_reading.moment])
def test_a_time_is_told_in_utc(read: Callable[..., datetime]) -> None:
    assert read({"at": "2026-11-26T11:00:00+01:00"}, "at") == datetime(2026, 11, 26, 10, tzinfo=UTC)


@pytest.mark.slow
@READERS
@pytest.mark.parametrize("told", [None, "", 1, "a\x00b", "\ud800", {}, []])
def test_a_text_that_is_none_is_no_answer(reader: AnswerReader, told: Any) -> None:
    with pytest.raises(Unavailable, match=rf"^{reader.provider}'s \w+ has no readable name$") as refused:
        reader.text({"name": told}, "name")
    assert refused.value.code == "shape"


@READERS
@pytest.mark.parametrize(
    ("read", "told"),
    [
        ("whole", True), ("whole", 1.0), ("whole", "1"), ("inner", []), ("inner", "id"), ("items", {}), ("items", [1]),
        ("web_address", "javascript:alert(1)"), ("web_address", "http://shop.example/"), ("moment", True),
    ],
)  # fmt: skip
def test_what_is_of_another_kind_is_no_answer(reader: AnswerReader, read: str, told: Any) -> None:
    with pytest.raises(Unavailable):
        getattr(reader, read)({"it": told}, "it")


@pytest.mark.parametrize("headers", [{}, {"x-proof": "1", "X-Proof": "2"}])
def test_the_proof_is_one_header(headers: dict[str, str]) -> None:
    with pytest.raises(NotificationRejected, match="exactly one X-Proof header"):
        event_reading.only_header(headers, "X-Proof")
    assert event_reading.only_header({"x-PROOF": "1"}, "X-Proof") == "1"


def test_a_member_has_its_shape_from_end_to_end() -> None:
    shape = re.compile("[a-z]+")
    assert event_reading.matching({"id": "abc"}, "id", shape) == "abc"
    assert event_reading.matching_or_empty({"id": None}, "id", shape) == ""
    for told in ("abc\n", "", None, 1):
        with pytest.raises(NotificationRejected, match="no readable id"):
            event_reading.matching({"id": told}, "id", shape)


def test_an_error_repeats_codes_and_no_sentence() -> None:
    assert refusal_words.word("card_declined") == "card_declined"
    assert refusal_words.word("ann@example.com wrote this") == refusal_words.word(None) == ""
    details = {"code": "x", "http_status": 402, "retry_after_seconds": 5}
    assert refusal_words.sentence("Refused", details) == "Refused (x, 402)"
    asked = ["5", "86400", "-1", "²", "soon", ""]
    assert [refusal_words.retry_after_seconds(each) for each in asked] == [5, 3600, None, None, None, None]
