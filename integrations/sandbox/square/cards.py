"""Square's published test cards and tokens, and what each does. https://developer.squareup.com/docs/devtools/sandbox/payments.

The numbers below are public constants. A number that a shopper types is looked up here and then forgotten: only brand,
last four digits and a keyed fingerprint are kept. 4242… and …9995 are the sandbox's own, so that one shopper's script
drives every provider's page.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from integrations.sandbox.wire import Json, luhn_valid

CHALLENGED = "VERIFICATION"

_DECLINES = {
    "4000000000000002": "GENERIC_DECLINE",
    "4000000000009995": "INSUFFICIENT_FUNDS",
    "4000000000000069": "CARD_EXPIRED",
    "4000000000000127": "CVV_FAILURE",
    "4000000000000119": "TEMPORARY_ERROR",
}
#: Test tokens that need no frame: each may be used as often as one likes.
TOKENS = {
    "cnon:card-nonce-ok": "",
    "cnon:card-nonce-declined": "GENERIC_DECLINE",
    "cnon:card-nonce-rejected-cvv": "CVV_FAILURE",
    "cnon:card-nonce-rejected-postalcode": "ADDRESS_VERIFICATION_FAILURE",
    "cnon:card-nonce-rejected-expiration": "INVALID_EXPIRATION",
    "cnon:card-nonce-requires-verification": CHALLENGED,
}
_SECOND_FACTOR = "4800000000000004"
_BRANDS = (("4", "VISA"), ("51", "MASTERCARD"), ("5", "MASTERCARD"), ("34", "AMERICAN_EXPRESS"),
           ("37", "AMERICAN_EXPRESS"), ("6011", "DISCOVER"), ("35", "JCB"))  # fmt: skip
_EXPIRY = re.compile(r"(\d{1,2})\s*/\s*(\d{2}|\d{4})")


@dataclass(frozen=True)
class Card:
    """A card as typed, without its number. `outcome` is an error code, CHALLENGED, or empty where it pays."""

    brand: str
    last_4: str
    exp_month: int
    exp_year: int
    fingerprint: str
    outcome: str

    @classmethod
    def of(cls, kept: Json) -> Card:
        """The card that `kept()` wrote."""
        return cls(**kept)

    def kept(self) -> Json:
        """What the sandbox stores of it."""
        return dict(vars(self))

    def shown(self) -> Json:
        """What Square shows of it."""
        return {
            "card_brand": self.brand,
            "last_4": self.last_4,
            "exp_month": self.exp_month,
            "exp_year": self.exp_year,
            "fingerprint": f"sq-1-{self.fingerprint}",
            "card_type": "CREDIT",
            "prepaid_type": "NOT_PREPAID",
        }


@dataclass(frozen=True)
class Wrong:
    """What is wrong with a card's form: the field, a sentence, and the frame's word for it."""

    field: str
    message: str


def of_test_token(token: str) -> Card | None:
    """The card behind one of the published tokens."""
    if token not in TOKENS:
        return None
    return Card("VISA", "5858", 12, 2034, _fingerprint(token), TOKENS[token])


def read(form: dict[str, str], *, now: int) -> Card | Wrong:
    """The card as typed into the page or the frame; `now` in seconds decides what has expired."""
    number = re.sub(r"[ -]", "", form.get("number", ""))
    if not re.fullmatch(r"[0-9]{12,19}", number) or not luhn_valid(number):
        return Wrong("number", "Enter a valid card number.")
    expiry = _EXPIRY.fullmatch(form.get("expiry", "").strip())
    month, year = (int(expiry[1]), int(expiry[2])) if expiry else (0, 0)
    year += 2000 if year < 100 else 0
    today = datetime.fromtimestamp(now, UTC)
    if not 1 <= month <= 12 or (year, month) < (today.year, today.month):
        return Wrong("expiry", "Enter a valid expiration date.")
    code = form.get("cvc", "").strip()
    if not re.fullmatch(r"[0-9]{3,4}", code):
        return Wrong("cvc", "Enter a valid security code.")
    return Card(_brand(number), number[-4:], month, year, _fingerprint(number), _outcome(number, code))


def _outcome(number: str, code: str) -> str:
    if code == "911":  # Square's test value for a wrong security code
        return "CVV_FAILURE"
    return CHALLENGED if number == _SECOND_FACTOR else _DECLINES.get(number, "")


def _brand(number: str) -> str:
    return next((brand for start, brand in _BRANDS if number.startswith(start)), "OTHER_BRAND")


def _fingerprint(number: str) -> str:
    return hmac.new(b"sandbox", number.encode(), hashlib.sha256).hexdigest()[:40]
