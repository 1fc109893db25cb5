"""NMI's amounts: decimal strings with two places. Only currencies with two places are offered (PROVIDERS.md, 5)."""

from __future__ import annotations

import re

from integrations.contract import InvalidRequest, Unavailable

CURRENCIES = frozenset("AUD CAD CHF CZK DKK EUR GBP HKD MXN NOK NZD PLN SEK SGD USD ZAR".split())
MAX_AMOUNT_MINOR = 99_999_999
_AMOUNT = re.compile(r"-?(0|[1-9][0-9]{0,9})(?:\.([0-9]{2}))?")


def to_nmi(amount_minor: int, currency: str) -> str:
    """Return NMI's amount for ISO 4217 minor units. Raises InvalidRequest for what NMI cannot take exactly."""
    if type(amount_minor) is not int or not 0 < amount_minor <= MAX_AMOUNT_MINOR:
        raise InvalidRequest("an amount must be a whole number of minor units above 0", code="amount")
    if currency not in CURRENCIES:
        raise InvalidRequest(f"NMI payments in {currency!r} are not offered", code="currency")
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"


def from_nmi(amount: str) -> int:
    """Return minor units for an amount that NMI told, without its sign: some of its reports show refunds as negative.

    Raises Unavailable where it is none.
    """
    found = _AMOUNT.fullmatch(amount.strip())
    if found is None:
        raise Unavailable("NMI told an amount that cannot be read", code="amount")
    return int(found[1]) * 100 + int(found[2] or 0)
