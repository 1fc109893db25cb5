"""Reading an amount that a person typed: exact, in the currency's own decimals, or refused."""

from __future__ import annotations

import re

from orders.money import EXPONENTS, MAX_AMOUNT_MINOR, Money

_AMOUNT = re.compile(r"(\d{1,15})(?:[.,](\d{1,4}))?")


class NoAmount(ValueError):
    """What was typed is no amount of this currency; the message says how to write one."""


def read_amount(typed: str, currency: str) -> Money:
    """Return what was typed in major units (`12.50`, `12,5`, `1000`) as Money. Nothing is rounded. Raises NoAmount."""
    digits = EXPONENTS[currency]
    example = Money(1250, currency).major
    found = _AMOUNT.fullmatch(typed.strip())
    if found is None or not typed.strip().isascii():
        raise NoAmount(f"Write the amount in digits, such as {example}, without a currency or a thousands separator.")
    whole, fraction = found[1], found[2] or ""
    if len(fraction.rstrip("0")) > digits:
        raise NoAmount(f"{currency} has {digits or 'no'} decimals: write the amount such as {example}.")
    minor = int(whole) * 10**digits + int(fraction[:digits].ljust(digits, "0") or "0")
    if minor > MAX_AMOUNT_MINOR:
        raise NoAmount("This amount is too large.")
    return Money(minor, currency)
