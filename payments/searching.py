"""What a person typed into the search box, as questions to the database. Pure; payments/finding.py asks them.

One line may be any id, a number with its kind (`case 12`), an e-mail address or its beginning, or an amount with or
without currency and day, in whatever way the shopper's locale writes it. What is ambiguous is asked in each sense.

Threats: hostile input (cut to 200 characters, control characters taken out, every pattern linear), numbers beyond what
a column holds (refused here), LIKE patterns (the beginning of an address is escaped by the database layer).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from orders.money import EXPONENTS, MAX_AMOUNT_MINOR

LONGEST_CHARACTERS = 200
SHORTEST_BEGINNING = 3
"""Fewer letters of an e-mail address find too many people."""
LARGEST_KEY = 2**63 - 1

KINDS = {
    "order": ("order", "o"),
    "case": ("case", "c"),
    "action": ("action", "act", "a"),
    "attempt": ("attempt",),
    "event": ("event",),
    "call": ("call",),
    "capture": ("capture",),
    "refund": ("refund",),
    "delivery": ("delivery",),
    "dispute": ("dispute",),
}
"""Kind of row → what may stand before its number."""

_KIND_OF = {prefix: kind for kind, prefixes in KINDS.items() for prefix in prefixes}
_NUMBERED = re.compile(
    rf"({'|'.join(sorted(_KIND_OF, key=len, reverse=True))})\s?[ :#-]?\s?([0-9]{{1,19}})", re.IGNORECASE
)
_NUMBER = re.compile(r"(?:#|no\.?)?\s?([0-9]{1,19})", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_:.~+/=-]{2,199}|[0-9]{1,19}")
_LINK = re.compile(r"/(?:orders|pay)/([A-Za-z0-9_-]{8,64})(?:/|$)")
_ADDRESS = re.compile(r"[^\s@]{1,64}@[^\s@]{0,190}")
_BEGINNING = re.compile(r"[A-Za-z0-9._%+-]{3,64}")

_ISO_DAY = re.compile(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b")
_DOTTED_DAY = re.compile(r"\b(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})\b")
_SLASHED_DAY = re.compile(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b")
_NAMED_DAY = re.compile(r"\b(today|yesterday)\b", re.IGNORECASE)

_CODE = re.compile(rf"(?<![A-Za-z])({'|'.join(EXPONENTS)})(?![A-Za-z])", re.IGNORECASE)
_SIGNS = {"€": "EUR", "£": "GBP", "zł": "PLN", "Kč": "CZK", "₺": "TRY", "₹": "INR", "₩": "KRW", "₫": "VND", "₪": "ILS"}
"""Signs of one currency only; any other (`$`, `kr`, `¥`) leaves the currency open."""
_DIGITS = re.compile(r"\d[\d.,'’\s]{0,40}\d|\d")
_MOST_LETTERS_BESIDE = 4
"""An amount stands alone, but for a currency's sign and a word such as `on`."""


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in minor units, and the currencies in which the typed figure is that many."""

    minor: int
    currencies: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All senses of one line. Empty: it makes no sense.

    `number`: perhaps an order's. `numbered`: a kind with its number. `word`: perhaps an id. `email`: a whole address,
    `beginning`: the beginning of one. `amounts` on one of `days`, or on any day where there is none.
    """

    text: str
    number: int | None = None
    numbered: tuple[str, int] | None = None
    word: str = ""
    email: str = ""
    beginning: str = ""
    amounts: tuple[Amount, ...] = ()
    days: tuple[date, ...] = ()

    @property
    def makes_sense(self) -> bool:
        return bool(self.number or self.numbered or self.word or self.email or self.beginning or self.amounts)


def question_of(typed: str, *, today: date) -> Question:
    """Return what `typed` may mean. `today` is what “today” and “yesterday” are counted from."""
    text = _cleaned(typed)
    if link := _LINK.search(text):  # the address of the order's own page, as customers send it
        return Question(text=text, word=link[1])
    if "@" in text:
        address = text.lower()
        if not _ADDRESS.fullmatch(address):
            return Question(text=text)
        whole = "." in address.rpartition("@")[2]
        return Question(text=text, email=address if whole else "", beginning=address)
    if found := _NUMBERED.fullmatch(text):
        numbered = _KIND_OF[found[1].lower()], int(found[2])
        word = text if _ID.fullmatch(text) and " " not in text else ""  # `a1` may be a token's beginning too
        return Question(text=text, numbered=numbered if numbered[1] <= LARGEST_KEY else None, word=word)
    amounts, days = _amounts_and_days(text, today=today)
    number = _NUMBER.fullmatch(text)
    return Question(
        text=text,
        number=int(number[1]) if number and int(number[1]) <= LARGEST_KEY else None,
        word=text if _ID.fullmatch(text) else "",
        beginning=text.lower() if _BEGINNING.fullmatch(text) and not text.isdigit() else "",
        amounts=amounts,
        days=days if amounts else (),
    )


def _cleaned(typed: str) -> str:
    """Cut, make plain and in one line: pasted text brings odd spaces, direction marks, and full-width digits."""
    text = unicodedata.normalize("NFKC", typed[: 2 * LONGEST_CHARACTERS])
    kept = (" " if character.isspace() else character for character in text if unicodedata.category(character) != "Cf")
    plain = "".join(character for character in kept if unicodedata.category(character)[0] != "C")
    return " ".join(plain.split())[:LONGEST_CHARACTERS]


# --- amounts and days ------------------------------------------------------------------------------------------


def _amounts_and_days(text: str, *, today: date) -> tuple[tuple[Amount, ...], tuple[date, ...]]:
    rest, days = _without_day(text, today=today)
    rest, code = _without_currency(rest)
    digits = _DIGITS.search(rest)
    if digits is None or not _stands_alone(rest[: digits.start()] + rest[digits.end() :]):
        return (), ()
    currencies = frozenset({code}) if code else frozenset(EXPONENTS)
    found: dict[int, frozenset[str]] = {}
    for value in _values(digits[0]):
        for exponent in {EXPONENTS[each] for each in currencies}:
            minor = value.scaleb(exponent)
            if minor == minor.to_integral_value() and 0 < minor <= MAX_AMOUNT_MINOR:
                fitting = frozenset(each for each in currencies if EXPONENTS[each] == exponent)
                found[int(minor)] = found.get(int(minor), frozenset()) | fitting
    return tuple(Amount(minor, found[minor]) for minor in sorted(found)), days


def _stands_alone(beside: str) -> bool:
    letters = re.sub(r"\W", "", beside)
    return len(letters) <= _MOST_LETTERS_BESIDE and (not letters or letters.isalpha())


def _without_day(text: str, *, today: date) -> tuple[str, tuple[date, ...]]:
    """Take the day out of the text; `03/04/2026` may be two of them."""
    for pattern, orders in ((_ISO_DAY, ("ymd",)), (_DOTTED_DAY, ("dmy",)), (_SLASHED_DAY, ("dmy", "mdy"))):
        if found := pattern.search(text):
            days = {day for order in orders if (day := _day(found.groups(), order)) is not None}
            return f"{text[: found.start()]} {text[found.end() :]}", tuple(sorted(days))
    if found := _NAMED_DAY.search(text):
        day = today if found[1].lower() == "today" else today - timedelta(days=1)
        return f"{text[: found.start()]} {text[found.end() :]}", (day,)
    return text, ()


def _day(parts: tuple[str, ...], order: str) -> date | None:
    told = dict(zip(order, map(int, parts), strict=True))
    try:
        return date(told["y"], told["m"], told["d"])
    except ValueError:
        return None


def _without_currency(text: str) -> tuple[str, str]:
    if found := _CODE.search(text):
        return f"{text[: found.start()]} {text[found.end() :]}", found[1].upper()
    for sign, code in _SIGNS.items():
        if re.search(rf"(?<![^\W\d_]){re.escape(sign)}(?![^\W\d_])", text):  # `EG£` is no pound of Britain's
            return text.replace(sign, " "), code
    return text, ""


def _values(digits: str) -> Iterator[Decimal]:
    """Read figures in each way a locale may write them: the last `.` or `,` is a decimal point, or groups thousands."""
    plain = re.sub(r"[\s'’]", "", digits)
    whole, mark, decimals = (
        plain.rpartition(max(".,", key=plain.rfind)) if re.search(r"[.,]", plain) else (plain, "", "")
    )
    readings = {re.sub(r"[.,]", "", plain)} if not mark or _groups_thousands(plain) else set()
    if mark and mark not in whole:
        readings.add(f"{re.sub(r'[.,]', '', whole) or '0'}.{decimals}")
    for reading in sorted(readings):
        try:
            yield Decimal(reading)
        except InvalidOperation:
            continue


def _groups_thousands(plain: str) -> bool:
    """Whether every mark in it may only part groups: one kind of mark, and groups of two or three digits behind it."""
    head, *groups = re.split(r"[.,]", plain)
    marks = set(re.findall(r"[.,]", plain))
    return len(marks) == 1 and len(head) <= 3 and len(groups[-1]) == 3 and all(len(group) in (2, 3) for group in groups)
