"""What a shopper reads when a bank refused: specific where that is safe and helps, one and the same sentence otherwise.

Lost, stolen, fraud and unknown must not differ by a letter, since the difference would tell a thief what the bank
knows (Stripe, "Declines": do not report `lost_card`, `stolen_card` and `fraudulent` to the customer).
"""

from __future__ import annotations

from integrations.contract import DeclineReason

GENERIC = "Your bank declined this payment. Contact it or use another method."

_SPECIFIC: dict[str, str] = {
    DeclineReason.INSUFFICIENT_FUNDS: "There is not enough money on this card or account. Use another method.",
    DeclineReason.EXPIRED_CARD: "This card has expired. Use another card.",
    DeclineReason.INCORRECT_CVC: "The security code was not right. Check it on the card and try again.",
    DeclineReason.INVALID_CARD: "The card number was not right, or this card cannot be used. Check it and try again.",
    DeclineReason.AUTHENTICATION_REQUIRED: "Your bank could not confirm it was you. Try again and finish its check.",
    DeclineReason.LIMIT: "This payment is over the limit of your card. Contact your bank or use another method.",
    DeclineReason.RETRY_LATER: "Your bank could not be asked just now. Wait a few minutes, then try again.",
}


def decline_text(reason: str) -> str:
    """Return the sentence for `reason`, a value of DeclineReason; GENERIC for any other word. Empty stays empty."""
    if not reason:
        return ""
    return _SPECIFIC.get(reason, GENERIC)
