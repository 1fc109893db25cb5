"""Square's errors and decline codes in our words (PROVIDERS.md, section 6).

https://developer.squareup.com/docs/build-basics/general-considerations/handling-errors. Square's own sentences stay
out: they may repeat what was sent. Codes and field names lead staff to the rest.
"""

from __future__ import annotations

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
from integrations.providers.refusal_words import retry_after_seconds, sentence, word

_DECLINES: dict[DeclineReason, str] = {
    DeclineReason.INSUFFICIENT_FUNDS: "INSUFFICIENT_FUNDS GIFT_CARD_AVAILABLE_AMOUNT",
    DeclineReason.EXPIRED_CARD: "CARD_EXPIRED INVALID_EXPIRATION BAD_EXPIRATION EXPIRATION_FAILURE",
    DeclineReason.INCORRECT_CVC: "CVV_FAILURE VERIFY_CVV_FAILURE",
    DeclineReason.INCORRECT_ADDRESS: "ADDRESS_VERIFICATION_FAILURE VERIFY_AVS_FAILURE INVALID_POSTAL_CODE",
    DeclineReason.DO_NOT_HONOR: (
        "GENERIC_DECLINE CARD_DECLINED TRANSACTION_NOT_PERMITTED CARDHOLDER_INSUFFICIENT_PERMISSIONS"
    ),
    DeclineReason.CALL_ISSUER: "CARD_DECLINED_CALL_ISSUER VOICE_FAILURE",
    DeclineReason.AUTHENTICATION_REQUIRED: "CARD_DECLINED_VERIFICATION_REQUIRED CHIP_INSERTION_REQUIRED",
    DeclineReason.LIMIT: "TRANSACTION_LIMIT PAYMENT_LIMIT_EXCEEDED ALLOWABLE_PIN_TRIES_EXCEEDED",
    DeclineReason.INVALID_CARD: (
        "INVALID_CARD PAN_FAILURE INVALID_CARD_DATA CARD_NOT_SUPPORTED UNSUPPORTED_CARD_BRAND INVALID_ACCOUNT "
        "CARD_TOKEN_USED CARD_TOKEN_EXPIRED"
    ),
    DeclineReason.RETRY_LATER: "TEMPORARY_ERROR CARD_PROCESSING_NOT_ENABLED",
}  # fmt: skip
_REASON_OF = {code: reason for reason, codes in _DECLINES.items() for code in codes.split()}

# Of these the shopper may type the card anew, although Square does not call them errors of the payment method.
_OF_THE_TOKEN = frozenset({"CARD_TOKEN_USED", "CARD_TOKEN_EXPIRED", "INVALID_CARD_DATA"})
_CONFIGURATION_STATUS = (401, 403)


def decline_of(error: Mapping[str, Any]) -> Decline:
    """Return the normalised refusal in one of Square's error objects."""
    code = word(error.get("code"))
    return Decline(reason=_REASON_OF.get(code, DeclineReason.UNKNOWN), provider_code=code)


def translate(*, status: int, body: object, headers: Mapping[str, str]) -> ProviderError:
    """Return our error for an answer that is none, or that carries errors. Anything unheard of is Unavailable."""
    said = _first(body)
    code, category = word(said.get("code")), word(said.get("category"))
    details: dict[str, Any] = {
        "code": code,
        "http_status": status,
        "retry_after_seconds": retry_after_seconds(headers.get("retry-after", "")),
    }
    if not said or status >= 500 or category == "API_ERROR":
        return Unavailable(sentence("Square gave no answer that can be believed", details), **details)
    if status == 429 or category == "RATE_LIMIT_ERROR":
        return RateLimited(sentence("Square asks for fewer requests", details), **details)
    if code == "IDEMPOTENCY_KEY_REUSED":
        return IdempotencyConflict("this idempotency key was used for another request", in_flight=False, **details)
    if status == 409:
        return IdempotencyConflict("a request with this idempotency key is running", in_flight=True, **details)
    if category == "PAYMENT_METHOD_ERROR" or code in _OF_THE_TOKEN:
        return Declined(f"declined: {code or 'no code'}", decline=decline_of(said), **details)
    return _refused(said, details, status=status, category=category)


def _refused(said: Mapping[str, Any], details: dict[str, Any], *, status: int, category: str) -> ProviderError:
    if status in _CONFIGURATION_STATUS or category in ("AUTHENTICATION_ERROR", "MERCHANT_SUBSCRIPTION_ERROR"):
        return ConfigurationError(sentence("Square refuses our access token or account", details), **details)
    if details["code"] == "NOT_FOUND" or status == 404:
        return UnknownObject(sentence("Square knows no such object under our token", details), **details)
    field = word(said.get("field"))
    where = f" at {field}" if field else ""
    return InvalidRequest(sentence(f"Square refuses the request{where}", details), **details)


def _first(body: object) -> Mapping[str, Any]:
    errors = body.get("errors") if isinstance(body, dict) else None
    said = errors[0] if isinstance(errors, list) and errors else None
    return said if isinstance(said, dict) else {}
