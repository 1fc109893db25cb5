"""Money: whole minor units of one currency. It refuses what is not exact, and no format of it rounds."""

from __future__ import annotations

import unicodedata
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orders.locales import SUPPORTED
from orders.money import EXPONENTS, MAX_AMOUNT_MINOR, CurrencyMismatch, Money, UnknownCurrency

currencies = some.sampled_from(sorted(EXPONENTS))
locales = some.sampled_from(SUPPORTED)
amounts = some.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR)
small = some.integers(-(10**12), 10**12)


@given(some.one_of(some.floats(), some.booleans(), some.decimals(), some.text(), some.none(), some.binary()))
def test_refuses_whatever_is_no_int(amount: Any) -> None:
    with pytest.raises(TypeError, match="must be an int"):
        Money(amount, "EUR")


@pytest.mark.parametrize("currency", ["eur", "EURO", "XXX", "", "E", None, 978])
def test_refuses_a_currency_without_a_known_exponent(currency: Any) -> None:
    with pytest.raises(UnknownCurrency):
        Money(1, currency)


@pytest.mark.parametrize("amount_minor", [MAX_AMOUNT_MINOR + 1, -MAX_AMOUNT_MINOR - 1, 10**4000])
def test_refuses_what_a_reader_of_json_would_not_hold_exactly(amount_minor: int) -> None:
    with pytest.raises(ValueError, match="beyond"):
        Money(amount_minor, "JPY")


def test_the_sum_may_not_grow_too_large_either() -> None:
    with pytest.raises(ValueError, match="beyond"):
        Money(MAX_AMOUNT_MINOR, "USD") + Money(1, "USD")


@given(small, small, currencies)
def test_adding_and_taking_away_is_exact(one: int, other: int, currency: str) -> None:
    a, b = Money(one, currency), Money(other, currency)
    assert (a + b).amount_minor == one + other
    assert a + b - b == a
    assert a - b == -(b - a)
    assert (a < b) == (one < other)
    assert (a <= b) == (one <= other)


@given(some.integers(-(10**9), 10**9), some.integers(0, 1000), currencies)
def test_times_a_count_is_repeated_adding(amount_minor: int, count: int, currency: str) -> None:
    assert (Money(amount_minor, currency) * count).amount_minor == sum([amount_minor] * count)


@pytest.mark.parametrize("count", [1.0, True, Decimal(1), "1", None])
def test_is_multiplied_by_whole_counts_only(count: Any) -> None:
    with pytest.raises(TypeError, match="whole counts"):
        Money(100, "EUR") * count


@pytest.mark.parametrize("mix", [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a < b, lambda a, b: a <= b])
def test_currencies_never_mix(mix: Any) -> None:
    with pytest.raises(CurrencyMismatch, match="EUR and USD"):
        mix(Money(1, "EUR"), Money(1, "USD"))
    with pytest.raises(TypeError, match="money only"):
        mix(Money(1, "EUR"), 1)


def test_equal_means_amount_and_currency() -> None:
    assert Money(1, "EUR") == Money(1, "EUR")
    assert Money(1, "EUR") != Money(1, "USD")
    assert len({Money(0, "EUR"), Money(0, "JPY"), Money(0, "EUR")}) == 2


@pytest.mark.parametrize(
    ("amount_minor", "currency", "locale", "shown"),
    [
        (123450, "USD", "en_US", "$1,234.50"),
        (5, "USD", "en_US", "$0.05"),
        (-123450, "USD", "en_US", "-$1,234.50"),
        (123450, "EUR", "de_DE", "1.234,50 €"),
        (123450, "EUR", "fr_FR", "1 234,50 €"),
        (123450, "CHF", "de_CH", "CHF 1’234.50"),
        (12345678900, "INR", "hi_IN", "₹12,34,56,789.00"),
        (1234, "JPY", "en_US", "¥1,234"),
        (1234, "JPY", "ja_JP", "￥1,234"),
        (1234, "JPY", "de_DE", "1.234 ¥"),
        (1234567, "KWD", "en_US", "KWD 1,234.567"),
        (1234567, "KWD", "de_DE", "1.234,567 KWD"),
        (1234567, "KWD", "ar_KW", "1,234.567 د.ك."),
        (5, "KWD", "en_GB", "KWD 0.005"),
        (1, "ISK", "en_US", "ISK 1"),
        (100, "HUF", "en_US", "HUF 1.00"),
    ],
)
def test_is_shown_as_each_reader_writes_it(amount_minor: int, currency: str, locale: str, shown: str) -> None:
    assert plain(Money(amount_minor, currency).format(locale=locale)) == shown


@given(amounts, currencies, locales)
def test_every_format_shows_every_digit(amount_minor: int, currency: str, locale: str) -> None:
    shown = Money(amount_minor, currency).format(locale=locale)
    digits = "".join(str(unicodedata.digit(character)) for character in shown if character.isdigit())
    assert digits == str(abs(amount_minor)).zfill(EXPONENTS[currency] + 1)


@given(amounts, currencies)
def test_major_units_are_exact(amount_minor: int, currency: str) -> None:
    money = Money(amount_minor, currency)
    assert money.major * 10 ** EXPONENTS[currency] == amount_minor
    assert str(money).endswith(currency)


def plain(shown: str) -> str:
    """Return `shown` with plain spaces and without marks of direction, which no eye tells apart."""
    spaced = "".join(" " if unicodedata.category(character) == "Zs" else character for character in shown)
    return "".join(character for character in spaced if unicodedata.category(character) != "Cf").strip()
