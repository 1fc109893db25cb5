"""Which way of writing amounts a shopper reads: a closed list, resolved from Accept-Language (RFC 9110, 12.5.4)."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation.trans_real import parse_accept_lang_header

DEFAULT = "en_US"

# The first of a language is what its bare tag (`de`) means.
SUPPORTED: tuple[str, ...] = (
    "en_US",
    "en_GB",
    "ar_EG",
    "ar_KW",
    "cs_CZ",
    "da_DK",
    "de_DE",
    "de_AT",
    "de_CH",
    "es_ES",
    "es_MX",
    "fi_FI",
    "fr_FR",
    "fr_CH",
    "it_IT",
    "ja_JP",
    "ko_KR",
    "nb_NO",
    "nl_NL",
    "pl_PL",
    "pt_BR",
    "pt_PT",
    "sv_SE",
    "tr_TR",
    "zh_CN",
)

_BY_TAG = {locale.replace("_", "-").lower(): locale for locale in SUPPORTED}
_BY_LANGUAGE = {locale.partition("_")[0]: locale for locale in reversed(SUPPORTED)} | {
    "no": "nb_NO",
    "nn": "nb_NO",
}

_EURO_LOCALES = ("de_DE", "de_AT", "es_ES", "fi_FI", "fr_FR", "it_IT", "nl_NL", "pt_PT")
_CURRENCIES = {**dict.fromkeys(_EURO_LOCALES, "EUR"), "ja_JP": "JPY", "ar_KW": "KWD"}


def resolve(accept_language: str) -> str:
    """Return the first locale of SUPPORTED that the header asks for, or DEFAULT. Any garbage is no wish."""
    for tag, _quality in parse_accept_lang_header(accept_language[:500]):
        language = tag.partition("-")[0]
        found = _BY_TAG.get(tag) or _BY_LANGUAGE.get(language)
        if found:
            return found
    return DEFAULT


def known(locale: str) -> str:
    """Return `locale` if it is of SUPPORTED, else DEFAULT."""
    return locale if locale in SUPPORTED else DEFAULT


def currency_of(locale: str) -> str:
    """Return the currency to begin with for a shopper of `locale`; it is a proposal, which the shopper may change."""
    return _CURRENCIES.get(locale, "USD")


def of(headers: Mapping[str, str]) -> str:
    """Return the locale of whoever sent these request headers."""
    return resolve(headers.get("Accept-Language", ""))
