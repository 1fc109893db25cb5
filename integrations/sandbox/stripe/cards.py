"""Stripe's published test cards and what each does. https://docs.stripe.com/testing.

The numbers below are public constants. A number that a shopper types is looked up here and then forgotten: only the
last four digits, the brand and a keyed fingerprint are kept.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from integrations.sandbox.wire import luhn_valid


@dataclass(frozen=True)
class Decline:
    """Why a charge fails, in Stripe's codes."""

    code: str
    decline_code: str | None
    message: str
    param: str | None = None
    network_decline_code: str = "05"
    advice_code: str | None = None


_DECLINED = "Your card was declined."
GENERIC_DECLINE = Decline("card_declined", "generic_decline", _DECLINED, network_decline_code="01")
AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure",
    None,
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)
INCORRECT_NUMBER = Decline("incorrect_number", None, "Your card number is incorrect.", param="number")
LIVE_CARD = Decline(
    "card_declined",
    "test_mode_live_card",
    "Your card was declined. Your request was in test mode, but used a non test (live) card. For a list of"
    " valid test "
    "cards, visit: https://stripe.com/docs/testing.",
)
DEBIT_RETURNED = Decline(
    "payment_intent_payment_attempt_failed", None, "The payment failed: the bank returned the debit."
)


@dataclass(frozen=True)
class Behaviour:
    """What a test payment method does.

    `challenge` is 3-D Secure: required, supported (only when asked for) or none. `dispute` is what follows a success:
    chargeback, inquiry or nothing.
    """

    name: str
    brand: str = "visa"
    decline: Decline | None = None
    challenge: str = "none"
    dispute: str | None = None
    refund_status: str = "succeeded"


SUCCESS = Behaviour("visa")
BEHAVIOURS = {
    "4242424242424242": SUCCESS,
    "4000056655665556": Behaviour("visa_debit"),
    "5555555555554444": Behaviour("mastercard", brand="mastercard"),
    "378282246310005": Behaviour("amex", brand="amex"),
    "4000000000000002": Behaviour("chargeDeclined", decline=GENERIC_DECLINE),
    "4000000000009995": Behaviour(
        "chargeDeclinedInsufficientFunds",
        decline=Decline(
            "card_declined",
            "insufficient_funds",
            "Your card has insufficient funds.",
            None,
            "51",
            "try_again_later",
        ),
    ),
    "4000000000009987": Behaviour(
        "chargeDeclinedLostCard",
        decline=Decline("card_declined", "lost_card", _DECLINED, None, "41", "do_not_try_again"),
    ),
    "4000000000009979": Behaviour(
        "chargeDeclinedStolenCard",
        decline=Decline("card_declined", "stolen_card", _DECLINED, None, "43", "do_not_try_again"),
    ),
    "4000000000000069": Behaviour(
        "chargeDeclinedExpiredCard",
        decline=Decline("expired_card", "expired_card", "Your card has expired.", "exp_month", "54"),
    ),
    "4000000000000127": Behaviour(
        "chargeDeclinedIncorrectCvc",
        decline=Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "cvc", "N7"),
    ),
    "4000000000000119": Behaviour(
        "chargeDeclinedProcessingError",
        decline=Decline(
            "processing_error",
            "processing_error",
            "An error occurred while processing your card. Try again in a little bit.",
            None,
            "06",
            "try_again_later",
        ),
    ),
    "4000000000006975": Behaviour(
        "chargeDeclinedVelocityLimitExceeded",
        decline=Decline("card_declined", "card_velocity_exceeded", _DECLINED, None, "65"),
    ),
    "4100000000000019": Behaviour(
        "chargeDeclinedFraudulent", decline=Decline("card_declined", "fraudulent", _DECLINED, None, "59")
    ),
    "4000000000000341": Behaviour("chargeCustomerFail", decline=GENERIC_DECLINE),
    "4000000000000259": Behaviour("createDispute", dispute="chargeback"),
    "4000000000001976": Behaviour("createDisputeInquiry", dispute="inquiry"),
    "4000002500003155": Behaviour("authenticationRequiredOnSetup", challenge="required"),
    "4000002760003184": Behaviour("authenticationRequired", challenge="required"),
    "4000000000003220": Behaviour("threeDSecure2Required", challenge="required"),
    "4000008400001629": Behaviour("threeDSecureRequiredChargeDeclined", decline=GENERIC_DECLINE, challenge="required"),
    "4000000000003055": Behaviour("threeDSecureOptional", challenge="supported"),
    "4000000000007726": Behaviour("pendingRefund", refund_status="pending"),
}
BY_NAME = {behaviour.name: behaviour for behaviour in BEHAVIOURS.values()}
NUMBER_BY_NAME = {behaviour.name: number for number, behaviour in BEHAVIOURS.items()}


def find(number: str) -> Behaviour | Decline:
    """What a typed number does: a test card's behaviour, or why it is refused before any charge."""
    if number in BEHAVIOURS:
        return BEHAVIOURS[number]
    return LIVE_CARD if luhn_valid(number) else INCORRECT_NUMBER


def fingerprint(number: str, *, salt: str) -> str:
    """A stable, irreversible 16-character name for a card number within one account."""
    return hmac.new(salt.encode(), number.encode(), hashlib.sha256).hexdigest()[:16]
