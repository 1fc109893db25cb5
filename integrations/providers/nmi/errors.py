"""NMI's response codes in our words (PROVIDERS.md, section 6; https://docs.nmi.com/reference/response-codes).

NMI's own sentences stay out of messages, but for their REFID, by which its support finds the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn

from integrations.contract import (
    ConfigurationError,
    Decline,
    Declined,
    DeclineReason,
    InvalidRequest,
    ProviderError,
    RateLimited,
    Unavailable,
)

APPROVED, DECLINED, ERROR = "1", "2", "3"

_REASON_OF = {
    **dict.fromkeys(("200", "201"), DeclineReason.DO_NOT_HONOR),
    "202": DeclineReason.INSUFFICIENT_FUNDS,
    **dict.fromkeys(("203", "204"), DeclineReason.LIMIT),
    **dict.fromkeys(("220", "221", "222", "461"), DeclineReason.INVALID_CARD),
    **dict.fromkeys(("223", "224"), DeclineReason.EXPIRED_CARD),
    "225": DeclineReason.INCORRECT_CVC,
    **dict.fromkeys(("240", "260"), DeclineReason.CALL_ISSUER),
    **dict.fromkeys(("250", "251", "252", "253"), DeclineReason.FRAUD),
    **dict.fromkeys(("261", "262", "263"), DeclineReason.DO_NOT_HONOR),
    "264": DeclineReason.RETRY_LATER,
}
# Behind the general code 200 a processor says more in words.
_REASON_IN_WORDS = (
    (re.compile(r"\bAVS\b|ADDRESS", re.IGNORECASE), DeclineReason.INCORRECT_ADDRESS),
    (re.compile(r"AUTHENTICATION|\bSCA\b|3-?D ?SECURE", re.IGNORECASE), DeclineReason.AUTHENTICATION_REQUIRED),
)
_UNKNOWN_OUTCOME = frozenset({"400", "420", "421", "430"})
_CONFIGURATION = frozenset({"410", "411"})
_REFUSES_KEY = re.compile(
    r"authentication failed|invalid (security key|username|login)|api key|access denied", re.IGNORECASE
)
_REFUSES_TOKEN = re.compile(r"payment.?token", re.IGNORECASE)
_DUPLICATE = re.compile(r"duplicate", re.IGNORECASE)
_REFID = re.compile(r"REFID:([0-9]{1,20})")


def decline_of(code: str, text: str) -> Decline:
    """Return the normalised refusal for a response code and its text."""
    if code in ("200", "201"):
        for words, reason in _REASON_IN_WORDS:
            if words.search(text):
                return Decline(reason=reason, provider_code=code)
    return Decline(reason=_REASON_OF.get(code, DeclineReason.UNKNOWN), provider_code=code[:10])


def refuse(answer: Mapping[str, str]) -> NoReturn:
    """Raise our error for an answer of transact.php that is no approval."""
    code, text = answer.get("response_code", ""), answer.get("responsetext", "")
    found = _REFID.search(text)
    reference = found[1] if found else ""
    if answer.get("response") == DECLINED:
        decline = decline_of(code, text)
        raise Declined(f"declined: {code or 'no code'}", decline=decline, code=code, request_id=reference)
    raise _error(code, text, reference)


def _error(code: str, text: str, reference: str) -> ProviderError:
    said = f"(code {code or 'none'}{f', REFID {reference}' if reference else ''})"
    details: dict[str, Any] = {"code": code, "request_id": reference}
    if code in _UNKNOWN_OUTCOME or _DUPLICATE.search(text):
        # A duplicate may be this very sale, taken before: a look finds it by our order id.
        return Unavailable(f"NMI does not say what became of it {said}", **details)
    if code == "301":
        return RateLimited(f"NMI asks for fewer requests {said}", **details)
    if code in _CONFIGURATION or _REFUSES_KEY.search(text):
        return ConfigurationError(f"NMI refuses our key or account {said}", **details)
    if _REFUSES_TOKEN.search(text):
        # Used before, too old, or made up by a browser: nobody's defect, and the shopper types the card again.
        decline = Decline(reason=DeclineReason.RETRY_LATER, provider_code="token")
        return Declined(f"NMI does not take this token {said}", decline=decline, **details)
    if code == "461":
        return Declined(f"NMI does not take this kind of card {said}", decline=decline_of(code, text), **details)
    return InvalidRequest(f"NMI refuses the request {said}", **details)


def refuse_report(text: str) -> NoReturn:
    """Raise our error for an `error_response` of query.php."""
    found = _REFID.search(text)
    reference = found[1] if found else ""
    if _REFUSES_KEY.search(text):
        raise ConfigurationError("NMI's query API refuses our key", code="query", request_id=reference)
    if re.search(r"rate|too many", text, re.IGNORECASE):
        raise RateLimited("NMI's query API asks for fewer requests", code="query", request_id=reference)
    raise InvalidRequest("NMI's query API refuses the question", code="query", request_id=reference)
