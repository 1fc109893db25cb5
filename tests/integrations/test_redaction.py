"""What the scrubber takes out, however it is written, and what it leaves alone."""

from __future__ import annotations

import json
import re
import time
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from integrations import redaction
from integrations.redaction import (
    LONGEST_KNOWN_KEY,
    _meaning,
    luhn_valid,
    mask,
    one_line,
    scrub,
    scrub_cards,
    scrub_text,
)

VISA = "4" + "1" * 15
# Published test numbers of each brand and length, and a 12- and a 19-digit one made to pass Luhn.
CARDS = ["4242424242424242", "5555555555554444", "2223003122003222", "378282246310005", "6011111111111117",
         "3056930009020004", "36227206271667", "3566002020360505", "6205500000000000004", "501800000009"]  # fmt: skip


def with_check_digit(body: str) -> str:
    """Append the digit that makes it pass Luhn."""
    return body + next(str(digit) for digit in range(10) if luhn_valid(f"{body}{digit}"))


card_numbers = st.text("0123456789", min_size=11, max_size=18).map(with_check_digit)
separators = st.sampled_from(["", " ", "-", ".", "\u00a0", " - ", "\u2013", "/", "_", "\u200b"])


@pytest.mark.parametrize("card", CARDS)
def test_published_numbers_go(card: str) -> None:
    assert scrub_text(f"paid with {card}, thanks") == "paid with [card], thanks"


@given(card=card_numbers, separator=separators, every=st.integers(1, 6))
def test_any_luhn_number_goes_whatever_separates_its_digits(card: str, separator: str, every: int) -> None:
    written = separator.join(card[start : start + every] for start in range(0, len(card), every))
    assume(not re.fullmatch(r"\d{3}(\.\d{3}){3}", written))  # reads as an address of the internet
    found = scrub_cards(f"x {written} y")
    digits = "".join(character for character in found if character.isdigit())
    assert not digits, found


@given(card=card_numbers)
def test_digits_of_other_scripts_are_digits(card: str) -> None:
    arabic, fullwidth = (card.translate({ord(str(n)): chr(zero + n) for n in range(10)}) for zero in (0x660, 0xFF10))
    assert scrub_cards(arabic) == scrub_cards(fullwidth) == "[card]"


@given(
    card=st.sampled_from(CARDS[:5]), before=st.text("0123456789", max_size=3), after=st.text("0123456789", max_size=8)
)
def test_a_brands_number_goes_when_digits_are_glued_to_it(card: str, before: str, after: str) -> None:
    assert card not in scrub_cards(f"{before}{card}{after}")


@given(card=st.sampled_from(CARDS), expiry=st.sampled_from([" 12/29", " 1229", "-12-2029", " 123"]))
def test_a_number_goes_when_expiry_or_code_follow(card: str, expiry: str) -> None:
    assert card not in scrub_cards(card + expiry)
    assert card[:10] not in scrub_cards(card + expiry)


@given(digits=st.text("0123456789", min_size=12, max_size=12))
def test_what_fails_luhn_stays(digits: str) -> None:
    assert (scrub_cards(digits) == digits) is not luhn_valid(digits)


@pytest.mark.parametrize(
    "text",
    [
        "order 1042",
        "1250.00 EUR",
        "2026-11-21",
        "at 10.0.0.1:8000",
        "192.168.100.209",
        "pi_3Nx4K2eZvKYlo2C",
        "12345678901",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert scrub_text(text) == text


@given(st.text())
def test_scrubbing_twice_changes_nothing_more(text: str) -> None:
    once = scrub_text(text)
    assert scrub_text(once) == once


SECRETS = [
    "sk_" + "test_4eC39HqLyjWDarjtT1zdp7dc",
    "rk_" + "live_51HxAbCdEfGh",
    "whsec_" + "aGVsbG8gd29ybGQ=",
    "Bearer abc.def-ghi_jkl",
    "Authorization: Basic c2hvcDpodW50ZXIy",
    "password=hunter2-hunter2",
    '"client_secret": "cs-visible-1"',
    "postgresql://shop:{}@db.example/shop".format("hunter2-hunter2"),
    "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxIn0" + ".c2lnbmF0dXJl",
]


@pytest.mark.parametrize("text", SECRETS)
def test_secrets_go_by_their_form(text: str) -> None:
    found = scrub_text(f"said {text} and left")
    assert "[secret]" in found
    for part in ("hunter2", "visible", "4eC39", "51Hx", "aGVs", "abc.def", "c2hv", "eyJ"):
        assert part not in found
    assert found.endswith("left")


def test_secrets_go_by_their_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_known", redaction._Known())
    redaction.know_secrets(["plain-looking-value", "plain-looking", "short"])
    assert scrub_text("it is plain-looking-value, short") == "it is [secret], short"
    assert scrub({"event_id": "plain-looking-value"}) == {"event_id": "[secret]"}


@pytest.mark.parametrize("address", ["a.b+c@shop.example", "o'neil@mail.co.uk", "ÄÖ@bücher.example"])
def test_addresses_go(address: str) -> None:
    assert scrub_text(f"to <{address}>") == "to <[email]>"


def test_tokens_in_our_own_paths_go() -> None:
    assert scrub_text("GET /orders/Ab-12345678901234_x/status.json") == "GET /orders/[token]/status.json"
    assert scrub_text("/pay/Ab-12345678901234_x/return/") == "/pay/[token]/return/"


def test_names_decide_for_what_stands_under_them() -> None:
    said = {
        "customer_email": "x", "billing_details": {"name": "N"}, "card_number": "1", "cvc": 123, "Authorization": "x",
        "api_key": "x", "Set-Cookie": "x", "amount_minor": 1999, "currency": "EUR", "paid": True, "fee": None,
    }  # fmt: skip
    assert scrub(said) == {
        "customer_email": "[personal]", "billing_details": "[personal]", "card_number": "[card]", "cvc": "[card]",
        "Authorization": "[secret]", "api_key": "[secret]", "Set-Cookie": "[secret]", "amount_minor": 1999,
        "currency": "EUR", "paid": True, "fee": None,
    }  # fmt: skip


def test_a_key_too_long_to_be_remembered_decides_all_the_same() -> None:
    remembered = _meaning.cache_info().currsize
    assert scrub({"x" * LONGEST_KNOWN_KEY + "_token": "v"}) == {"x" * LONGEST_KNOWN_KEY + "_token": "[secret]"}
    assert _meaning.cache_info().currsize == remembered


def test_known_id_fields_keep_their_long_numbers() -> None:
    said = {"event_id": VISA, "order_id": int(VISA), "object_ids": [VISA], "note": VISA, "count": int(VISA)}
    assert scrub(said) == {
        "event_id": VISA, "order_id": int(VISA), "object_ids": [VISA], "note": "[card]", "count": "[card]",
    }  # fmt: skip


def test_an_id_field_is_no_hiding_place_for_sentences() -> None:
    assert scrub({"event_id": f"my card {VISA}"}) == {"event_id": "my card [card]"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_whatever_comes_the_answer_is_json_without_cards(value: Any) -> None:
    assert json.loads(json.dumps(scrub(value), allow_nan=False)) == scrub(value)


@given(card=card_numbers, value=json_values, depth=st.integers(0, 30))
def test_depth_is_no_hiding_place(card: str, value: Any, depth: int) -> None:
    nested: Any = {"text": [value, f"card {card}"]}
    for _ in range(depth):
        nested = {"deeper": [nested]}
    assert f"card {card}" not in json.dumps(scrub(nested))


def test_a_long_text_is_cut_without_leaving_half_a_number() -> None:
    for shift in range(1, 40):
        found = scrub_text("x" * (redaction.MAX_TEXT_CHARACTERS - shift) + " 4111 1111 1111 1111 and" + " more" * 9)
        assert "4111" not in found
        assert found.endswith(" characters)")


def test_a_number_too_long_to_print_is_left_out() -> None:
    assert scrub({"n": 10**5000}) == {"n": "[too long]"}


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert not any(ord(character) < 0x20 or ord(character) == 0x7F for character in line)


@given(st.text(min_size=1))
def test_mask_tells_nothing(value: str) -> None:
    assert mask(value) == mask("another") == "[masked]"
    assert mask("") == ""


@pytest.mark.parametrize(
    "text",
    ["1 " * 200_000, "a" * 200_000, "1-" * 100_000 + "x", "@" * 50_000, "ey" * 100_000, "a@" * 50_000, "://:" * 50_000,
     "password=" * 20_000, "4" * 100_000, "bearer " * 30_000],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    scrub_text(text)
    assert time.process_time() - began < 1
