"""PayPal's amounts: decimal strings, whose number of decimals is not always ISO 4217's.

https://developer.paypal.com/reference/currency-codes/
"""

from __future__ import annotations

import re

from integrations.contract import InvalidRequest, Unavailable

# PayPal takes no decimals in these; ISO 4217 gives HUF and TWD two.
_WHOLE_ONLY = frozenset({"HUF", "JPY", "TWD"})
_ISO_EXPONENT = {"JPY": 0}
# BRL and MYR are for accounts of their own country only, which PayPal says when asked.
CURRENCIES = _WHOLE_ONLY | frozenset(
    "AUD BRL CAD CHF CNY CZK DKK EUR GBP HKD ILS MXN MYR NOK NZD PHP PLN SEK SGD THB USD".split()
)
# Ten digits before the point (https://developer.paypal.com/docs/api/orders/v2/, money).
MAX_DIGITS = 10

_VALUE = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]{1,4}))?")


def iso_exponent(currency: str) -> int:
    """Return how many decimals ISO 4217 gives a currency that PayPal knows."""
    return _ISO_EXPONENT.get(currency, 2)


def to_paypal(amount_minor: int, currency: str) -> dict[str, str]:
    """Return PayPal's money object for ISO 4217 minor units.

    Raises InvalidRequest for a currency or an amount that PayPal cannot take exactly; nothing is ever rounded.
    """
    if type(amount_minor) is not int or amount_minor < 0:
        raise InvalidRequest("an amount must be a whole number of minor units, not negative", code="amount")
    if currency not in CURRENCIES:
        raise InvalidRequest(f"PayPal payments in {currency!r} are not offered", code="currency")
    exponent = iso_exponent(currency)
    whole, fraction = divmod(amount_minor, 10**exponent)
    if len(str(whole)) > MAX_DIGITS:
        raise InvalidRequest("the amount is larger than PayPal takes at once", code="amount")
    if currency in _WHOLE_ONLY:
        if fraction:
            raise InvalidRequest(f"PayPal takes whole {currency} only", code="amount")
        return {"currency_code": currency, "value": str(whole)}
    return {"currency_code": currency, "value": f"{whole}.{fraction:0{exponent}d}"}


def from_paypal(value: str, currency: str) -> int:
    """Return ISO 4217 minor units for an amount that PayPal told, signed as it was.

    A currency that we never send is read with two decimals: settlement refuses it for being another currency. Raises
    Unavailable where the text is no amount, or a fraction of a minor unit.
    """
    match = _VALUE.fullmatch(value)
    if match is None:
        raise Unavailable("PayPal told an amount that is no number", code="amount")
    exponent = iso_exponent(currency)
    decimals = (match[3] or "").rstrip("0")
    if len(decimals) > exponent:
        raise Unavailable(f"PayPal told a fraction of a minor unit of {currency}", code="amount")
    amount_minor: int = int(match[2]) * 10**exponent + int(decimals.ljust(exponent, "0") or "0")
    return -amount_minor if match[1] else amount_minor
