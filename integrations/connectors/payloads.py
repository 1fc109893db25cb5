"""What connectors read from a fact's payload (orders/facts.py, payments/captures.py). Raises CannotTell for a gap."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from integrations.connectors.contract import CannotTell, Message


def need(message: Message, name: str) -> Any:
    """Return one value of the payload. Raises CannotTell where there is none."""
    value = message.payload.get(name)
    if value is None or value == "":
        raise CannotTell(f"The payload of {message.fact} has no {name}.")
    return value


def decimal_amount(message: Message, amount_minor: Any) -> Decimal:
    """Return minor units of the order's currency as the exact decimal number: 123450 of EUR is 1234.50."""
    exponent = need(message, "currency_exponent")
    if type(amount_minor) is not int or type(exponent) is not int:
        raise CannotTell(f"An amount in the payload of {message.fact} is no whole number.")
    return Decimal(amount_minor).scaleb(-exponent)


def plain(amount: Decimal, *, decimals: int = 0) -> str:
    """Return `amount` written with a point and at least so many decimals, never with an exponent."""
    digits = -int(amount.as_tuple().exponent)
    return f"{amount:.{max(digits, decimals)}f}"


def moved_in_order_currency(message: Message, kind: str) -> Decimal:
    """Return what a `capture` or `refund` moved. Raises CannotTell where that was in another currency."""
    if need(message, f"{kind}_currency") != need(message, "currency"):
        raise CannotTell(f"The {kind} is in another currency than the order.")
    return decimal_amount(message, need(message, f"{kind}_amount_minor"))


def order_reference(message: Message, *, prefix: str) -> str:
    """Return what receivers call the order: `shop-1042-9f86d081`.

    Its number, for people, and a digest of its token: numbers begin anew with a new database, and the token itself
    opens the order's page.
    """
    digest = hashlib.sha256(str(need(message, "token")).encode()).hexdigest()
    return f"{prefix}{need(message, 'number')}-{digest[:8]}"


def day_of(message: Message, name: str) -> date:
    """Return the day, in UTC, of a time in the payload, or of the fact where it has none."""
    value = message.payload.get(name)
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else message.occurred_at
    except ValueError:
        moment = message.occurred_at
    return moment.date()
