"""What a bank statement's line is, whatever file it came in; and what is wrong with a file, by line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from orders.money import EXPONENTS

MAX_FILE_BYTES = 20 * 1024 * 1024
MOST_NAMED = 50
"""So many bad lines of a file are named."""

_DIGITS = re.compile(r"[0-9]{1,15}", re.ASCII)
_MINUS = str.maketrans({"\u2212": "-", "\u2013": "-"})
_BLANKS = " \u00a0\u202f\t"


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementLine:
    """One booked line. `amount_minor` is signed: positive, the bank received it. `number`: its line in the file."""

    number: int
    account: str
    booked_on: date
    amount_minor: int
    currency: str
    reference: str = ""
    counterparty: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that cannot be read, and what is wrong with it: one sentence, without the line's content."""

    number: int
    why: str


class BadLines(Exception):
    """Some lines cannot be read; nothing of the file is used. Mend the lines, or the map, and import it again."""

    def __init__(self, bad: Sequence[BadLine]) -> None:
        super().__init__(f"{len(bad)} {'line' if len(bad) == 1 else 'lines'} cannot be read.")
        self.bad = tuple(bad)


class BadStatement(Exception):
    """The file as a whole is no statement we can read; the message says what to change."""


class BadValue(ValueError):
    """One value of a line cannot be read. The message is for a person and does not repeat the value."""


def minor_units(text: str, currency: str, *, decimal: str, thousands: str = "") -> int:
    """Return an amount as it is written in a statement, in minor units of `currency`; nothing is ever rounded.

    `decimal` and `thousands`: the signs used. The sign may stand before or after the digits. Raises BadValue.
    """
    if currency not in EXPONENTS:
        raise BadValue("the currency is none we know")
    sign, digits = _sign(text.translate(_MINUS).strip(_BLANKS))
    whole, point, fraction = digits.partition(decimal)
    if thousands:
        whole = _ungrouped(whole, thousands)
    exponent = EXPONENTS[currency]
    if not _DIGITS.fullmatch(whole) or (point and not _DIGITS.fullmatch(fraction)):
        raise BadValue(f"the amount is no number with “{decimal}” before its decimals")
    if len(fraction) > exponent and fraction[exponent:].strip("0"):
        raise BadValue(f"the amount has more decimals than {currency}")
    return sign * int(whole + fraction[:exponent].ljust(exponent, "0"))


def _sign(text: str) -> tuple[int, str]:
    for sign, factor in (("-", -1), ("+", 1)):
        if text.startswith(sign):
            return factor, text[1:].lstrip(_BLANKS)
        if text.endswith(sign):
            return factor, text[:-1].rstrip(_BLANKS)
    return 1, text


def _ungrouped(whole: str, thousands: str) -> str:
    """Return the digits without their grouping. Raises BadValue where the groups are not of three."""
    groups = whole.split(thousands)
    if len(groups) > 1 and (not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:])):
        raise BadValue("the amount's thousands are not grouped by three: is the decimal sign another?")
    return "".join(groups)
