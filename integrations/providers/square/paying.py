"""Payment by a single-use token from Square's frame, and the frame's form (the Web Payments SDK).

https://developer.squareup.com/docs/web-payments/overview; which hosts it needs: PROVIDERS.md, section 8.
"""

from __future__ import annotations

import re
from typing import Any

from integrations.contract import (
    Decline,
    Declined,
    DeclineReason,
    PayForm,
    PayRequest,
    ProviderIds,
    UnknownObject,
)
from integrations.providers.square import snapshots
from integrations.providers.square.answers import answers
from integrations.providers.square.client import Client, checked
from integrations.providers.square.credentials import LIVE_API_BASE, TEST_API_BASE
from integrations.providers.square.money import from_square, to_square
from integrations.providers.square.opening import MAX_EMAIL

# Tokens of the frame. Saved cards (ccof:) are not ours to charge by somebody's word.
_TOKEN = re.compile(r"cnon:[A-Za-z0-9_-]{1,200}")
_PROOF = re.compile(r"[\x21-\x7e]{1,255}")
_MAX_NOTE = 500

_SCRIPT_HOST = {LIVE_API_BASE: "https://web.squarecdn.com", TEST_API_BASE: "https://sandbox.web.squarecdn.com"}
_PCI_HOST = {
    LIVE_API_BASE: "https://pci-connect.squareup.com",
    TEST_API_BASE: "https://pci-connect.squareupsandbox.com",
}
_FONTS = ("https://square-fonts-production-f.squarecdn.com", "https://d1g145x70srn7h.cloudfront.net")


def form(client: Client, ids: ProviderIds, *, application_id: str, api_base: str) -> PayForm:
    """Return what the card's frame needs to pay this order. Raises UnknownObject, ProviderError."""
    got = client.ask(client.sdk.orders.get, order_id=checked(ids.page_id))
    amount_minor, currency = from_square(answers.required(got, "order"), "total_money")
    base = api_base.removesuffix("/")
    host = _SCRIPT_HOST.get(base, base)
    official = base in _SCRIPT_HOST
    return PayForm(
        scripts=(f"{host}/v1/square.js",),
        parameters={
            "application_id": application_id,
            "location_id": client.location_id,
            "amount": _decimal(amount_minor, currency),
            "currency": currency,
        },
        policy={
            "script-src": (host,),
            "frame-src": (host,),
            "connect-src": (host, _PCI_HOST[base]) if official else (host,),
            "style-src": (host,),
            "font-src": (host, *_FONTS) if official else (host,),
        },
        takes_token=True,
    )


def pay(client: Client, request: PayRequest, *, idempotency_key: str) -> ProviderIds:
    """Pay the order with a token from the frame. Raises Declined, ProviderError.

    Sent, and nothing else: the token, the frame's proof, amount, order, location, our reference, the order number as
    the payment's note, and the shopper's e-mail address. The money is taken at once.
    """
    if not _TOKEN.fullmatch(request.token) or (request.proof and not _PROOF.fullmatch(request.proof)):
        raise _unknown_token("not a token of Square's frame")
    members: dict[str, Any] = {
        "source_id": request.token,
        "idempotency_key": idempotency_key,
        "amount_money": to_square(request.amount_minor, request.currency),
        "autocomplete": True,
        "order_id": checked(request.ids.page_id),
        "location_id": client.location_id,
        "reference_id": request.reference,
        "note": request.order_number[:_MAX_NOTE],
    }
    if request.proof:
        members["verification_token"] = request.proof
    if request.email and len(request.email) <= MAX_EMAIL:
        members["buyer_email_address"] = request.email
    try:
        got = client.ask(client.sdk.payments.create, **members)
    except UnknownObject as error:
        # The order is one we made; what Square cannot find is the token, which came from the browser.
        raise _unknown_token(error.message) from None
    payment = answers.required(got, "payment")
    if answers.text(payment, "status") == "FAILED":
        decline = snapshots.decline(payment)
        raise Declined(f"declined: {decline.provider_code or 'no code'}", decline=decline)
    return ProviderIds(page_id=request.ids.page_id, intent_id=answers.text(payment, "id"))


def _unknown_token(message: str) -> Declined:
    return Declined(message, decline=Decline(reason=DeclineReason.INVALID_CARD, provider_code="TOKEN"), code="token")


def _decimal(amount_minor: int, currency: str) -> str:
    """Return an amount as the frame's check by the bank wants it: `49.90`; computed in integers."""
    if currency == "JPY":
        return str(amount_minor)
    whole, rest = divmod(amount_minor, 100)
    return f"{whole}.{rest:02d}"
