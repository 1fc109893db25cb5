"""Whose way of writing amounts: a closed list, whatever a browser sends."""

from __future__ import annotations

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as some

from orders import locales
from orders.money import EXPONENTS


@pytest.mark.parametrize(
    ("header", "locale"),
    [
        ("", "en_US"),
        ("de", "de_DE"),
        ("de-AT,de;q=0.9,en;q=0.8", "de_AT"),
        ("de-LU", "de_DE"),
        ("no", "nb_NO"),
        ("ar", "ar_EG"),
        ("ar-KW", "ar_KW"),
        ("ja,en-US;q=0.9", "ja_JP"),
        ("en;q=0.1, fr;q=0.9", "fr_FR"),
        ("tlh, eo;q=0.5", "en_US"),
        ("*", "en_US"),
        ("../../etc/passwd", "en_US"),
        ("de\x00", "en_US"),
        ("x" * 100_000, "en_US"),
    ],
)
def test_the_first_wish_we_know_wins(header: str, locale: str) -> None:
    assert locales.resolve(header) == locale


@given(some.text())
def test_no_header_breaks_it(header: str) -> None:
    assert locales.resolve(header) in locales.SUPPORTED


def test_every_locale_is_one_of_babels_and_has_a_currency_we_know() -> None:
    for locale in locales.SUPPORTED:
        assert Locale.parse(locale).territory == locale.partition("_")[2]
        assert locales.currency_of(locale) in EXPONENTS


def test_a_stored_locale_we_no_longer_know_reads_as_the_default() -> None:
    assert locales.known("de_DE") == "de_DE"
    assert locales.known("xx_XX") == locales.DEFAULT
