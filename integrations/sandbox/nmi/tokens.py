"""Payment tokens: made by the frames from what the shopper typed, good for one sale within 24 hours.

https://docs.nmi.com/docs/collectjs-security-features: single use, expires after 24 hours.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from integrations.sandbox.nmi import cards
from integrations.sandbox.nmi.scope import Scope, new_uuid
from integrations.sandbox.wire import Json

LIFETIME_SECONDS = 24 * 3600
TEST_TOKEN = "00000000-000000-000000-000000000000"  # nosec B105 - NMI's published test token
_EXPIRY = re.compile(r"(0[1-9]|1[0-2])\s*/?\s*([0-9]{2})")
_CVV = re.compile(r"[0-9]{3,4}")


class BadCard(ValueError):
    """What was typed is no card; `field` is where (ccnumber, ccexp, cvv)."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def make(scope: Scope, *, number: str, expiry: str, cvv: str) -> Json:
    """A new token for what was typed. Raises BadCard."""
    number = re.sub(r"[ -]", "", number)
    if not cards.is_number(number):
        raise BadCard("ccnumber", "Card number is invalid")
    found = _EXPIRY.fullmatch(expiry.strip())
    if found is None:
        raise BadCard("ccexp", "Expiration date is invalid")
    today = datetime.fromtimestamp(scope.now, UTC)
    if (2000 + int(found[2]), int(found[1])) < (today.year, today.month):
        raise BadCard("ccexp", "Expiration date is in the past")
    if not _CVV.fullmatch(cvv.strip()):
        raise BadCard("cvv", "CVV is invalid")
    card = {"masked": cards.masked(number), "expiry": found[1] + found[2]}
    # `behaves_as` is one of the published test numbers, or nothing: what was typed is forgotten here.
    private = {
        **card,
        "fingerprint": cards.fingerprint(number, key=scope.account),
        "behaves_as": number if number in cards.CARDS else "",
    }
    token = scope.insert("token", {"id": new_uuid(), "used": False}, private=private)
    return {"token": token.id, "card": {"number": card["masked"], "exp": card["expiry"]}}


def consume(scope: Scope, token: str) -> Json | None:
    """What the token stands for, once; None where it is unknown, used or too old."""
    if token == TEST_TOKEN:
        number = "4111111111111111"
        return {
            "masked": cards.masked(number),
            "expiry": "1230",
            "fingerprint": cards.fingerprint(number, key=scope.account),
            "behaves_as": number,
        }
    stored = scope.find("token", token)
    if stored is None or stored.data["used"] or stored.data["created"] + LIFETIME_SECONDS <= scope.now:
        return None
    stored.data["used"] = True
    scope.save(stored)
    return dict(stored.private)
