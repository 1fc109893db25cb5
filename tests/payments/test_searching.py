"""What a typed line means: every way to write an amount, every kind of id, and nothing that breaks."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.locales import SUPPORTED
from orders.money import EXPONENTS, Money
from payments.searching import KINDS, LONGEST_CHARACTERS, Question, question_of

TODAY = date(2026, 11, 22)
DAY = date(2026, 11, 21)

moneys = st.builds(Money, st.integers(1, 10_000_000), st.sampled_from(sorted(EXPONENTS)))
days = st.dates(date(2020, 1, 1), date(2099, 12, 31))


def asked(typed: str) -> Question:
    return question_of(typed, today=TODAY)


def means(question: Question, amount: Money) -> bool:
    return any(each.minor == amount.amount_minor and amount.currency in each.currencies for each in question.amounts)


@given(moneys, st.sampled_from(SUPPORTED))
def test_every_locales_way_to_write_an_amount_is_read(amount: Money, locale: str) -> None:
    assert means(asked(amount.format(locale=locale)), amount)


@given(moneys, days, st.sampled_from(["{} {}", "{}  on {}", "{}, {}"]))
def test_an_amount_with_its_day(amount: Money, day: date, form: str) -> None:
    for written in (f"{day:%Y-%m-%d}", f"{day.day}.{day.month}.{day.year}", f"{day:%d.%m.%Y}", f"{day:%m/%d/%Y}"):
        question = asked(form.format(amount, written))
        assert means(question, amount)
        assert day in question.days
        question = asked(f"{written} {amount.currency} {amount.major:f}")
        assert means(question, amount)
        assert day in question.days


@pytest.mark.parametrize(
    ("typed", "amounts", "found_days"),
    [
        ("49.90 EUR 2026-11-21", {(4990, "EUR")}, (DAY,)),
        ("49,90", {(4990, "EUR"), (49900, "KWD"), (4990, "USD")}, ()),
        ("€49,90 yesterday", {(4990, "EUR")}, (DAY,)),
        ("49.90 today", {(4990, "EUR")}, (TODAY,)),
        ("1.234,56 €", {(123456, "EUR")}, ()),
        ("1'234.50 CHF", {(123450, "CHF")}, ()),
        ("1.234 KWD", {(1234, "KWD"), (1_234_000, "KWD")}, ()),
        ("1,234 jpy", {(1234, "JPY")}, ()),
        ("US$ 49.90", {(4990, "USD"), (4990, "CAD")}, ()),
        ("49.90 EUR 03/04/2026", {(4990, "EUR")}, (date(2026, 3, 4), date(2026, 4, 3))),
        ("４９.９０ EUR", {(4990, "EUR")}, ()),
    ],
)
def test_examples_of_amounts(typed: str, amounts: set[tuple[int, str]], found_days: tuple[date, ...]) -> None:
    question = asked(typed)
    assert {(each.minor, currency) for each in question.amounts for currency in each.currencies} >= amounts
    assert question.days == found_days


@pytest.mark.parametrize("typed", ["49.90 EUR USD XXX", "0.00 EUR", "99999999999999999999 JPY", "12..5"])
def test_what_is_no_amount(typed: str) -> None:
    assert not [each for each in asked(typed).amounts if "EUR" in each.currencies or "JPY" in each.currencies]


@pytest.mark.parametrize("typed", ["1042", "#1042", " № 1042 "])
def test_order_numbers(typed: str) -> None:
    assert asked(typed).number == 1042


@given(
    st.sampled_from([(kind, prefix) for kind, prefixes in KINDS.items() for prefix in prefixes]), st.integers(1, 10**9)
)
def test_numbers_with_their_kind(named: tuple[str, str], number: int) -> None:
    kind, prefix = named
    for form in (f"{prefix} {number}", f"{prefix}-{number}", f"{prefix.upper()}:{number}", f"{prefix}{number}"):
        assert asked(form).numbered == (kind, number)


@pytest.mark.parametrize(
    "typed",
    [
        "pa_4b9f13d55a7c0e8d2f6a1b3c5d7e9f0123456789",
        "cs_test_a1B2c3", "pi_3OqX", "ch_3OqXyZ", "evt_1OqX", "msg_0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdef",  # pragma: allowlist secret
        "5O190127TN364715T", "-aZ_09tokenTokenTokenToken0",
        "8a6f1c1e-9d0c-4d3c-8f8e-0123456789ab",
    ],
)  # fmt: skip
def test_ids_are_words(typed: str) -> None:
    assert asked(f"  {typed}\n").word == typed


def test_the_address_of_an_orders_page_is_its_token() -> None:
    token = "-aZ_09tokenTokenTokenToken0"
    for link in (
        f"https://shop.example/orders/{token}/",
        f"http://127.0.0.1:8000/pay/{token}/return/",
        f"/orders/{token}",
    ):
        assert asked(link) == Question(text=link, word=token)


@pytest.mark.parametrize(
    ("typed", "email", "beginning"),
    [
        ("Ann@Example.com", "ann@example.com", "ann@example.com"),
        ("ann@", "", "ann@"),
        ("ann@exam", "", "ann@exam"),
        ("ann.sm", "", "ann.sm"),
        ("an", "", ""),
        ("ann smith@example.com", "", ""),
        ("1042", "", ""),
    ],
)
def test_addresses_and_their_beginnings(typed: str, email: str, beginning: str) -> None:
    question = asked(typed)
    assert (question.email, question.beginning) == (email, beginning)


@given(st.text(max_size=500) | st.text("0123456789.,' €$EURa@/-:#", max_size=500))
def test_anything_may_be_typed(typed: str) -> None:
    question = asked(typed)
    assert len(question.text) <= LONGEST_CHARACTERS
    assert "\x00" not in repr(question)
    assert len(question.amounts) <= 6
    assert len(question.days) <= 2


@pytest.mark.parametrize("typed", ["", "   ", "\x00", "?!", "(", "; DROP TABLE orders_order"])
def test_nonsense_makes_no_sense(typed: str) -> None:
    assert not asked(typed).makes_sense
