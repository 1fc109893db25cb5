"""Takes out of text and data what must not be kept in clear: card numbers, secrets, personal data. No Django here.

Used by the logs (config/logs.py), masked views and outbound errors. When in doubt it takes out too much: a log that
lost a number is a nuisance, a card number in a log is a breach (PCI DSS 3.5.1, 10.3).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

CARD = "[card]"
SECRET = "[secret]"  # nosec B105
EMAIL = "[email]"
PERSONAL = "[personal]"
TOKEN = "[token]"  # nosec B105
TOO_DEEP = "[too deep]"
TOO_LONG = "[too long]"

CARD_MIN_DIGITS = 12
CARD_MAX_DIGITS = 19
MAX_DEPTH = 20
MAX_NUMBER_BITS = 1000
LONGEST_WORD_CHARACTERS = 200
MAX_TEXT_CHARACTERS = 20_000
SECRET_MIN_CHARACTERS = 8
LONGEST_KNOWN_KEY = 64
"""Keys come from outside too: longer ones are not remembered."""

# Digits of any script, with at most two of these between them.
_SEPARATORS = r"[ \t\u00a0\u2000-\u200d\u202f\u2060\ufeff._/\\+\u00ad\u2010-\u2015\u2212-]"
_DIGIT_RUN = re.compile(rf"\d(?:{_SEPARATORS}{{0,3}}\d){{{CARD_MIN_DIGITS - 1},}}")
_DIGIT_GROUP = re.compile(r"\d+")
_DOUBLED = str.maketrans("0123456789", "0246813579")  # twice the digit, less 9 where that is above 9
_LAST_WORD = re.compile(rf"(?:\d{_SEPARATORS}{{0,3}}){{0,{CARD_MAX_DIGITS}}}\S{{0,{LONGEST_WORD_CHARACTERS}}}\Z")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}", re.ASCII)

# Brands by prefix and length, for numbers glued to other digits (issuer ranges as the brands publish them).
_BRANDS = re.compile(
    r"4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}"
    r"|3[47]\d{13}|6(?:011|5\d\d|4[4-9]\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|3(?:0[0-5]|[68]\d)\d{11}"
)
_GLUED = re.compile(rf"(?=({_BRANDS.pattern}))")

_SECRET_PATTERNS = re.compile(
    r"\b(?:sk|rk|pk)_(?:test|live)_[A-Za-z0-9_]{4,}"
    r"|\bwhsec_[A-Za-z0-9+/=_-]{4,}"
    r"|\bEAAA[A-Za-z0-9_-]{16,}"  # Square's access tokens
    r"|\bA21AA[A-Za-z0-9_-]{16,}"  # PayPal's access tokens
    r"|\bey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*"  # JSON web tokens
)
_AUTHORIZATION = re.compile(
    r"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?|bearer\s+|basic\s+)([A-Za-z0-9._~+/=:-]{6,}(?:\s+[A-Za-z0-9._~+/=:-]{6,})?)"
)
_URL_PASSWORD = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@\"']{0,200}:)([^\s/@\"']{1,200})(@)")
_NAMED_SECRET = re.compile(
    r"(?i)\b((?:api[_-]?key|secret|password|passwd|token|security[_-]key|client[_-]secret|signature|cookie|sessionid|csrf\w*)"
    r"[\"']?\s*[:=]\s*[\"']?)([^\s\"',;&}]{4,})"
)
_EMAIL = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_TOKEN_IN_PATH = re.compile(r"(/(?:pay|orders|basket)/)([A-Za-z0-9_-]{12,})")

_SECRET_KEYS = re.compile(
    r"(?i)(?:^|[_-])(?:password|passwd|passphrase|secrets?|api[_-]?key|authorization|cookie|set[_-]cookie|token|signature"
    r"|security[_-]key|private[_-]key|credentials?|client[_-]secret|sessionid|session[_-]key|csrf\w*)$"
)
_PERSONAL_KEYS = re.compile(
    r"(?i)(?:^|[_-])(?:e?mail|email[_-]address|phone|phone[_-]number|first[_-]name|last[_-]name|full[_-]name|cardholder"
    r"|cardholder[_-]name|billing[_-]details|shipping[_-]details|address|street|line1|line2|postal[_-]code|zip|birth\w*)$"
)
_CARD_KEYS = re.compile(
    r"(?i)^(?:card[_-]?number|pan|cvc|cvv|cvv2|cvn|security[_-]code|track[_-]?[12]?|exp(?:iry)?[_-](?:month|year))$"
)
_BY_NAME = ((_SECRET_KEYS, SECRET), (_PERSONAL_KEYS, PERSONAL), (_CARD_KEYS, CARD))
_ID_KEYS = re.compile(r"(?i)(?:^|_)(?:id|ids|pk|uid|uuid|reference|digest|sha256|fingerprint|fence|sequence)$")

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    ord("\t"): " ",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
# Right-to-left and other direction marks can make a line read as another one.
_CONTROL |= {code: f"\\u{code:04x}" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}


class _Known:
    """Values that are secret here, whatever they look like."""

    values: frozenset[str] = frozenset()
    pattern: re.Pattern[str] | None = None

    def take_out(self, text: str) -> str:
        return self.pattern.sub(SECRET, text) if self.pattern is not None else text


_known = _Known()


def know_secrets(values: Iterable[str]) -> None:
    """Take out these very values too, wherever they occur, from now on. Those under 8 characters are left out."""
    _known.values |= {value for value in values if len(value) >= SECRET_MIN_CHARACTERS}
    longest_first = sorted(_known.values, key=lambda value: (-len(value), value))
    _known.pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def luhn_valid(digits: str) -> bool:
    """Say whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    plain = digits if digits.isascii() else "".join(str(int(digit)) for digit in digits)
    doubled = plain[-2::-2].translate(_DOUBLED)
    return (sum(map(int, plain[-1::-2])) + sum(map(int, doubled))) % 10 == 0


def scrub_cards(text: str) -> str:
    """Return `text` with every number of 12 to 19 digits that passes Luhn replaced, whatever separates its digits."""
    return _DIGIT_RUN.sub(_without_cards, text)


def scrub_text(text: str) -> str:
    """Return `text` without card numbers, secrets, e-mail addresses and the tokens of our own addresses."""
    text = _known.take_out(text)
    if len(text) > MAX_TEXT_CHARACTERS:
        text = f"{_shortened(text)}… ({len(text)} characters)"
    text = _URL_PASSWORD.sub(rf"\1{SECRET}\3", text)
    text = _SECRET_PATTERNS.sub(SECRET, text)
    text = _AUTHORIZATION.sub(rf"\1{SECRET}", text)
    text = _NAMED_SECRET.sub(rf"\1{SECRET}", text)
    text = _EMAIL.sub(EMAIL, text)
    text = _TOKEN_IN_PATH.sub(rf"\1{TOKEN}", text)
    return scrub_cards(text)


def scrub(value: Any, *, key: str = "", depth: int = 0) -> Any:
    """Return a copy of `value` (JSON-like data, or anything with a str()) that may be kept in clear.

    `key` is the name it stands under: it decides for secrets, personal data and known id fields. A long number in an id
    field is left alone; its text is still searched for secrets.
    """
    if value is None or isinstance(value, bool):
        return value
    mark, is_id = _meaning(key) if len(key) <= LONGEST_KNOWN_KEY else _meaning.__wrapped__(key)
    if mark:
        return mark
    if depth > MAX_DEPTH:
        return TOO_DEEP
    if isinstance(value, Mapping):
        return {scrub_text(str(name)): scrub(item, key=str(name), depth=depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [scrub(item, key=key, depth=depth + 1) for item in value]
    return _scrub_scalar(value, is_id=is_id)


def one_line(text: str) -> str:
    """Return `text` with line breaks and control characters written out, so that it stays one line."""
    return text.translate(_CONTROL)


def mask(value: str) -> str:
    """Return a fixed mark, whatever the value: for django-auditlog, whose own mask shows half of it."""
    return "[masked]" if value else value


@lru_cache(maxsize=1024)
def _meaning(key: str) -> tuple[str, bool]:
    """Return what stands for every value under this key (empty: it depends on the value), and whether it is an id's.

    Remembered, since each log line asks for the same few keys.
    """
    mark = next((mark for pattern, mark in _BY_NAME if pattern.search(key)), "")
    return mark, bool(_ID_KEYS.search(key))


def _scrub_scalar(value: Any, *, is_id: bool) -> Any:
    if isinstance(value, int | float):
        return _scrub_number(value, is_id=is_id)
    if isinstance(value, bytes | bytearray | memoryview):
        value = bytes(value[:MAX_TEXT_CHARACTERS]).decode("utf-8", "replace")
    text = value if isinstance(value, str) else str(value)
    if is_id and text.isascii() and text.replace("-", "").isalnum():
        return _known.take_out(text)
    return scrub_text(text)


def _shortened(text: str) -> str:
    """Cut `text`, and with the cut the word and digits that it goes through: half a card number fails Luhn."""
    tail_from = MAX_TEXT_CHARACTERS - 2 * LONGEST_WORD_CHARACTERS
    return text[:tail_from] + _LAST_WORD.sub("", text[tail_from:MAX_TEXT_CHARACTERS])


def _scrub_number(value: float, *, is_id: bool) -> int | float | str:
    if isinstance(value, int) and value.bit_length() > MAX_NUMBER_BITS:
        return TOO_LONG
    if not math.isfinite(value):
        return str(value)  # JSON has no such numbers
    return value if is_id or scrub_cards(str(value)) == str(value) else CARD


def _without_cards(found: re.Match[str]) -> str:
    """Replace in one run of digits and separators each stretch of whole groups that is a card number."""
    run = found.group()
    if _IPV4.fullmatch(run):
        return run
    groups = list(_DIGIT_GROUP.finditer(run))
    kept: list[str] = []
    position, first = 0, 0
    while first < len(groups):
        end = _card_end(groups, first)
        if end is None:
            kept.append(run[position : groups[first].start()] + _unglue(groups[first].group()))
            position, first = groups[first].end(), first + 1
        else:
            kept.append(run[position : groups[first].start()] + CARD)
            position, first = groups[end].end(), end + 1
    return "".join(kept) + run[position:]


def _card_end(groups: list[re.Match[str]], first: int) -> int | None:
    """Return the last of the groups that make the longest card number from group `first` on, or None."""
    digits, longest = "", None
    for place in range(first, len(groups)):
        digits += groups[place].group()
        if len(digits) > CARD_MAX_DIGITS:
            break
        if len(digits) >= CARD_MIN_DIGITS and luhn_valid(digits):
            longest = place
    return longest


def _unglue(digits: str) -> str:
    """Replace a group in which a known brand's number stands among other digits (a PAN with its expiry behind it)."""
    if len(digits) <= CARD_MIN_DIGITS:
        return digits
    plain = "".join(str(int(digit)) for digit in digits)
    return CARD if any(luhn_valid(glued.group(1)) for glued in _GLUED.finditer(plain)) else digits
