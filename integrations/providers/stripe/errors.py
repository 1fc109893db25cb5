"""Stripe's errors and decline codes in our words (PROVIDERS.md, section 6; https://docs.stripe.com/error-codes).

Stripe's own sentences stay out: they repeat what was sent, an e-mail address for instance. Codes, parameter names and
the request id lead staff to the whole text in Stripe's dashboard.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import stripe

from integrations.addresses import OutboundRefused
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
from integrations.http import TransactionOpen
from integrations.providers.refusal_words import retry_after_seconds, sentence, word

_DECLINES: dict[DeclineReason, str] = {
    DeclineReason.INSUFFICIENT_FUNDS: "insufficient_funds",
    DeclineReason.EXPIRED_CARD: "expired_card",
    DeclineReason.INCORRECT_CVC: "incorrect_cvc invalid_cvc",
    DeclineReason.INCORRECT_ADDRESS: "incorrect_zip incorrect_address",
    DeclineReason.DO_NOT_HONOR: "do_not_honor generic_decline card_declined",
    DeclineReason.CALL_ISSUER: "call_issuer",
    DeclineReason.FRAUD: "fraudulent lost_card stolen_card pickup_card restricted_card merchant_blacklist",
    DeclineReason.AUTHENTICATION_REQUIRED: (
        "authentication_required authentication_not_handled payment_intent_authentication_failure"
    ),
    DeclineReason.LIMIT: "card_velocity_exceeded withdrawal_count_limit_exceeded",
    DeclineReason.INVALID_CARD: (
        "incorrect_number invalid_number invalid_account invalid_expiry_month invalid_expiry_year card_not_supported "
        "currency_not_supported"
    ),
    DeclineReason.RETRY_LATER: (
        "try_again_later processing_error issuer_not_available reenter_transaction approve_with_id"
    ),
}
_REASON_OF = {code: reason for reason, codes in _DECLINES.items() for code in codes.split()}

# 400s that no change of the request mends: a person must change the key or the account.
_CONFIGURATION_CODES = frozenset(
    {
        "account_invalid",
        "api_key_expired",
        "livemode_mismatch",
        "platform_api_key_expired",
        "secret_key_required",
        "testmode_charges_only",
    }
)


def decline_of(error: Mapping[str, Any]) -> Decline:
    """Return the normalised refusal in an error hash (of a 402, or an intent's `last_payment_error`)."""
    code = word(error.get("decline_code")) or word(error.get("code"))
    return Decline(reason=_REASON_OF.get(code, DeclineReason.UNKNOWN), provider_code=code)


def translate(error: stripe.StripeError) -> ProviderError:
    """Return our error for one of the SDK's. Anything unheard of is Unavailable, outcome unknown.

    Raises TransactionOpen if that is what the SDK swallowed.
    """
    said = _error_hash(error)
    details: dict[str, Any] = {
        # On APIError and RateLimitError the SDK leaves `error.code` empty; the body has it.
        "code": word(said.get("code")) or word(error.code),
        "http_status": error.http_status,
        "request_id": word(error.request_id),
        "retry_after_seconds": retry_after_seconds(str((error.headers or {}).get("Retry-After", ""))),
    }
    ours: ProviderError
    match error:
        case stripe.CardError():
            decline = decline_of(said)
            ours = Declined(f"declined: {decline.provider_code or 'no code'}", decline=decline, **details)
        case stripe.RateLimitError():
            ours = RateLimited(sentence("Stripe asks for fewer requests", details), **details)
        case stripe.IdempotencyError():
            ours = IdempotencyConflict("this idempotency key was used for another request", in_flight=False, **details)
        case stripe.AuthenticationError() | stripe.PermissionError():
            ours = ConfigurationError(sentence("Stripe refuses our API key", details), **details)
        case stripe.InvalidRequestError():
            ours = _invalid(said, details)
        case stripe.APIConnectionError():
            ours = _not_connected(error, details)
        case _ if error.http_status == 409:
            ours = IdempotencyConflict("a request with this idempotency key is running", in_flight=True, **details)
        case _:
            ours = Unavailable(sentence("Stripe gave no answer that can be believed", details), **details)
    return ours


def _invalid(said: Mapping[str, Any], details: dict[str, Any]) -> ProviderError:
    if details["code"] == "resource_missing":
        return UnknownObject(sentence("Stripe knows no such object under our key", details), **details)
    if details["code"] in _CONFIGURATION_CODES:
        return ConfigurationError(sentence("Stripe refuses our API key or account", details), **details)
    param = word(said.get("param"))
    where = f" at {param}" if param else ""
    return InvalidRequest(sentence(f"Stripe refuses the request{where}", details), **details)


def _not_connected(error: stripe.APIConnectionError, details: dict[str, Any]) -> ProviderError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TransactionOpen):
            raise cause
        if isinstance(cause, OutboundRefused):
            return ConfigurationError(f"our own guard refused the call: {cause}", **details)
        cause = cause.__cause__
    reason = type(error.__cause__).__name__ if error.__cause__ else "no connection"
    return Unavailable(f"no answer from Stripe ({reason})", **details)


def _error_hash(error: stripe.StripeError) -> Mapping[str, Any]:
    body = error.json_body
    said = body.get("error") if isinstance(body, dict) else None
    return said if isinstance(said, dict) else {}
