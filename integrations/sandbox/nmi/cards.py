"""Test cards and amounts, and what each does. NMI publishes 4111111111111111 and "amounts under 1.00 decline" only; the
other numbers are ours, so that every reason can be met. A number is looked up here and forgotten.

Response codes: https://docs.nmi.com/reference/response-codes
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from integrations.sandbox.wire import luhn_valid

APPROVED_TEXT = "SUCCESS"
CHECK_MINOR = 100
"""Sales below this many minor units decline, as in NMI's test mode."""


@dataclass(frozen=True)
class Outcome:
    """What the processor answers: response 1 approved, 2 declined, 3 error; NMI's code and text."""

    response: int
    code: int
    text: str
    avs: str = ""
    cvv: str = "M"


APPROVED = Outcome(1, 100, APPROVED_TEXT)
DECLINED = Outcome(2, 200, "DECLINE")
NOT_ANSWERED = Outcome(3, 420, "Communication error")

CARDS: dict[str, Outcome] = {
    "4111111111111111": APPROVED,
    "5431111111111111": APPROVED,
    "6011601160116611": APPROVED,
    "4242424242424242": APPROVED,
    "4000000000000002": DECLINED,
    "4000000000009995": Outcome(2, 202, "INSUFFICIENT FUNDS"),
    "4000000000000069": Outcome(2, 223, "EXPIRED CARD"),
    "4000000000000127": Outcome(2, 225, "INVALID CVV", cvv="N"),
    "4000000000000036": Outcome(2, 200, "AVS REJECTED", avs="N"),
    "4000000000000044": Outcome(2, 240, "CALL ISSUER"),
    "4000000000009979": Outcome(2, 253, "PICK UP CARD - FRAUD"),
    "4000000000003063": Outcome(2, 200, "AUTHENTICATION REQUIRED"),
    "4000000000006975": Outcome(2, 203, "OVER LIMIT"),
    "4000000000000101": Outcome(2, 220, "INCORRECT PAYMENT DATA"),
    "4000000000000119": Outcome(2, 264, "RETRY LATER"),
    "4000000000000341": Outcome(2, 299, "A NEW REASON"),
}


def outcome(number: str, *, amount_minor: int) -> Outcome:
    """What happens when this card pays so much. A number that is no test card is declined, as in test mode."""
    if amount_minor < CHECK_MINOR:
        return DECLINED
    return CARDS.get(number, DECLINED)


def is_number(text: str) -> bool:
    """Whether this may be a card number."""
    return text.isascii() and text.isdigit() and 12 <= len(text) <= 19 and luhn_valid(text)


def fingerprint(number: str, *, key: str) -> str:
    """A keyed hash of the number, the same each time, from which none can be made."""
    return hmac.new(key.encode(), number.encode(), hashlib.sha256).hexdigest()[:24]


def masked(number: str) -> str:
    """As NMI shows it: the first digit, the last four."""
    return number[:1] + "x" * (len(number) - 5) + number[-4:]
