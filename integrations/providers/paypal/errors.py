"""PayPal's errors, issues and processor codes in our words (PROVIDERS.md, section 6).

PayPal's own sentences stay out: they repeat what was sent. Issues, member names and the debug id lead staff to the
whole text in PayPal's dashboard. https://developer.paypal.com/api/rest/responses/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from integrations.contract import (
    ConfigurationError,
    Decline,
    Declined,
    DeclineReason,
    IdempotencyConflict,
    InvalidRequest,
    ProviderError,
    RateLimited,
    Unavailable,
    UnknownObject,
)
from integrations.providers.answer_reading import Answer
from integrations.providers.paypal.answers import answers
from integrations.providers.refusal_words import retry_after_seconds, sentence

# https://developer.paypal.com/docs/api/orders/v2/#definition-processor_response
_DECLINES: dict[DeclineReason, str] = {
    DeclineReason.INSUFFICIENT_FUNDS: "5120",
    DeclineReason.EXPIRED_CARD: "5400 1380",
    DeclineReason.INCORRECT_CVC: "5110 00N7 1382",
    DeclineReason.INCORRECT_ADDRESS: "5170",
    DeclineReason.DO_NOT_HONOR: "0500 5100",
    DeclineReason.CALL_ISSUER: "0100",
    DeclineReason.FRAUD: "9500 9520 5150",
    DeclineReason.AUTHENTICATION_REQUIRED: "5650 7710",
    DeclineReason.LIMIT: "5710",
    DeclineReason.INVALID_CARD: "5180 1330",
    DeclineReason.RETRY_LATER: "5920 8000",
}
_REASON_OF = {code: reason for reason, codes in _DECLINES.items() for code in codes.split()}

# 422 issues that are a refusal of the payer or of the means of payment, not of our request.
_DECLINED_ISSUES: dict[str, DeclineReason] = {
    "INSTRUMENT_DECLINED": DeclineReason.DO_NOT_HONOR,
    "PAYMENT_SOURCE_DECLINED_BY_PROCESSOR": DeclineReason.DO_NOT_HONOR,
    "REDIRECT_PAYER_FOR_ALTERNATE_FUNDING": DeclineReason.DO_NOT_HONOR,
    "PAYER_CANNOT_PAY": DeclineReason.DO_NOT_HONOR,
    "DECLINED_DUE_TO_RELATED_TXN": DeclineReason.DO_NOT_HONOR,
    "PAYER_ACTION_REQUIRED": DeclineReason.AUTHENTICATION_REQUIRED,
    "CARD_EXPIRED": DeclineReason.EXPIRED_CARD,
    "REFERENCED_CARD_EXPIRED": DeclineReason.EXPIRED_CARD,
    "PAYER_ACCOUNT_LOCKED_OR_CLOSED": DeclineReason.INVALID_CARD,
    "PAYER_ACCOUNT_RESTRICTED": DeclineReason.INVALID_CARD,
    "TRANSACTION_LIMIT_EXCEEDED": DeclineReason.LIMIT,
    "MAX_NUMBER_OF_PAYMENT_ATTEMPTS_EXCEEDED": DeclineReason.LIMIT,
    "TRANSACTION_REFUSED": DeclineReason.DO_NOT_HONOR,
    "TRANSACTION_BLOCKED_BY_PAYEE": DeclineReason.FRAUD,
    "PAYEE_BLOCKED_TRANSACTION": DeclineReason.FRAUD,
    "COMPLIANCE_VIOLATION": DeclineReason.FRAUD,
}
# 422 issues that a person must mend at PayPal; then the same request may succeed.
_ACCOUNT_ISSUES = frozenset(
    {
        "PAYEE_ACCOUNT_INVALID",
        "PAYEE_ACCOUNT_LOCKED_OR_CLOSED",
        "PAYEE_ACCOUNT_RESTRICTED",
        "TRANSACTION_RECEIVING_LIMIT_EXCEEDED",
        "PERMISSION_DENIED",
    }
)
_RUNNING = frozenset({"PREVIOUS_REQUEST_IN_PROGRESS", "ORDER_COMPLETION_IN_PROGRESS"})
_OTHER_REQUEST = frozenset({"DUPLICATE_REQUEST_ID"})
_MISSING = frozenset({"INVALID_RESOURCE_ID", "RESOURCE_NOT_FOUND"})

_WORD = re.compile(r"[A-Za-z0-9_./@='\[\]-]{1,100}")


def decline_of(capture: Answer) -> Decline:
    """Return the normalised refusal of a capture that was declined or failed."""
    code = answers.text_or_empty(answers.inner(capture, "processor_response"), "response_code")
    return Decline(reason=_REASON_OF.get(code, DeclineReason.UNKNOWN), provider_code=code)


def from_status(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> ProviderError:
    """Return our error for an answer that is none of the 2xx. Anything unheard of is Unavailable, outcome unknown.

    `body`: the parsed answer, empty where it is none. `headers`: by any spelling of their names.
    """
    issue, field = _issue(body)
    lower = {name.lower(): value for name, value in headers.items()}
    details: dict[str, Any] = {
        "code": issue or word(body.get("name")) or word(body.get("error")),
        "http_status": status,
        "request_id": word(body.get("debug_id")) or word(lower.get("paypal-debug-id")),
    }
    if status == 429:
        retry = retry_after_seconds(lower.get("retry-after", ""))
        return RateLimited(sentence("PayPal asks for fewer requests", details), **details, retry_after_seconds=retry)
    if status in (401, 403):
        return ConfigurationError(sentence("PayPal refuses our credentials or rights", details), **details)
    if 400 <= status < 500:
        return _refused(status, issue, field, details)
    return Unavailable(sentence("PayPal gave no answer that can be believed", details), **details)


def _refused(status: int, issue: str, field: str, details: dict[str, Any]) -> ProviderError:
    if issue in _RUNNING or (status == 409 and not issue):
        return IdempotencyConflict("a request for this is running at PayPal", in_flight=True, **details)
    if issue in _OTHER_REQUEST:
        return IdempotencyConflict("this idempotency key was used for another request", in_flight=False, **details)
    if issue in _DECLINED_ISSUES:
        decline = Decline(reason=_DECLINED_ISSUES[issue], provider_code=issue)
        return Declined(f"declined: {issue}", decline=decline, **details)
    if issue in _ACCOUNT_ISSUES:
        return ConfigurationError(sentence("PayPal refuses our account", details), **details)
    if status == 404 or issue in _MISSING:
        return UnknownObject(sentence("PayPal knows no such object under our account", details), **details)
    where = f" at {field}" if field else ""
    return InvalidRequest(sentence(f"PayPal refuses the request{where}", details), **details)


def _issue(body: Mapping[str, Any]) -> tuple[str, str]:
    found = body.get("details")
    first = found[0] if isinstance(found, list) and found else None
    if not isinstance(first, dict):
        return "", ""
    return word(first.get("issue")), word(first.get("field"))


def word(value: object) -> str:
    """Return a code, id or member name, or nothing if it is none: no other text reaches a message or a log."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""
