"""Square's amounts: whole numbers of the currency's smallest unit, which is ISO 4217's for all it offers.

https://developer.squareup.com/docs/build-basics/common-data-types/working-with-monetary-amounts
"""

from __future__ import annotations

from integrations.contract import InvalidRequest
from integrations.providers.answer_reading import Answer
from integrations.providers.square.answers import answers

CURRENCIES = frozenset({"AUD", "CAD", "EUR", "GBP", "JPY", "USD"})
# What an eight-digit card amount can be; Square publishes no higher limit.
MAX_AMOUNT = 99_999_999


def to_square(amount_minor: int, currency: str) -> dict[str, int | str]:
    """Return Square's money. Raises InvalidRequest for an amount or currency that Square does not take."""
    if type(amount_minor) is not int or amount_minor < 0:
        raise InvalidRequest("an amount must be a whole number of minor units, not negative", code="amount")
    if amount_minor > MAX_AMOUNT:
        raise InvalidRequest(f"the amount is larger than the {MAX_AMOUNT} taken at once", code="amount")
    if currency not in CURRENCIES:
        raise InvalidRequest(f"Square payments in {currency!r} are not offered", code="currency")
    return {"amount": amount_minor, "currency": currency}


def from_square(data: Answer, key: str) -> tuple[int, str]:
    """Return amount in minor units and currency of one money member. Raises Unavailable where it is none."""
    told = answers.inner(data, key)
    if told is None:
        raise answers.unreadable(data, key)
    return answers.whole(told, "amount"), answers.text(told, "currency")
