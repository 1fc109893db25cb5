"""PayPal's amounts: decimal strings. https://developer.paypal.com/reference/currency-codes/"""

from __future__ import annotations

import re

from integrations.sandbox.paypal import errors
from integrations.sandbox.wire import Json

WHOLE_ONLY = frozenset({"HUF", "JPY", "TWD"})
SUPPORTED = WHOLE_ONLY | frozenset(
    "AUD BRL CAD CNY CZK DKK EUR HKD ILS MYR MXN NZD NOK PHP PLN GBP SGD SEK CHF THB USD".split()
)
_VALUE = re.compile(r"-?[0-9]{1,10}(?:\.[0-9]{1,4})?")


def exponent(currency: str) -> int:
    """How many decimals PayPal takes in this currency."""
    return 0 if currency in WHOLE_ONLY else 2


def minor(money: Json, field: str) -> int:
    """A money object's amount in units of its last decimal. Raises ApiError as PayPal does."""
    value, currency = money["value"], money["currency_code"]
    if currency not in SUPPORTED:
        raise errors.unprocessable(
            "INVALID_CURRENCY_CODE", "Currency code should be a three-character currency code.",
            field=f"{field}/currency_code",
        )  # fmt: skip
    if not _VALUE.fullmatch(value):
        raise errors.invalid("INVALID_PARAMETER_SYNTAX", f"{field}/value", "The value of a field is not a number.")
    whole, _, fraction = value.lstrip("-").partition(".")
    digits = exponent(currency)
    if len(fraction) > digits:
        description = "If the currency supports decimals, only two decimal place precision is supported."
        raise errors.unprocessable("DECIMAL_PRECISION", description, field=f"{field}/value")
    amount: int = int(whole) * 10**digits + int((fraction or "0").ljust(digits, "0") if digits else "0")
    return -amount if value.startswith("-") else amount


def money(amount_minor: int, currency: str) -> Json:
    """A money object."""
    return {"currency_code": currency, "value": text(amount_minor, currency)}


def text(amount_minor: int, currency: str) -> str:
    """An amount as PayPal writes it."""
    digits = exponent(currency)
    sign = "-" if amount_minor < 0 else ""
    if digits == 0:
        return f"{sign}{abs(amount_minor)}"
    whole, fraction = divmod(abs(amount_minor), 10**digits)
    return f"{sign}{whole}.{fraction:0{digits}d}"
