"""What a shop sends, and what a shopper's browser does, in as few words as the tests can bear."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import requests
import stripe

SUCCESS_URL = "http://127.0.0.1:9/return/?session={CHECKOUT_SESSION_ID}"
CANCEL_URL = "http://127.0.0.1:9/basket/"
#: Everything that an object's own page of the documentation lets one expand, and that the shop may ask for.
DEEP: Any = {
    "expand": [
        "line_items",
        "payment_intent.payment_method",
        "payment_intent.latest_charge.balance_transaction",
        "payment_intent.latest_charge.refunds",
    ]
}

VISA = "4242424242424242"
DECLINED = "4000000000000002"
INSUFFICIENT_FUNDS = "4000000000009995"
THREE_D_SECURE = "4000002500003155"


def checkout_params(*, amount: int = 4990, currency: str = "eur", quantity: int = 1, **more: Any) -> Any:
    """Parameters of a Checkout Session over `quantity` items at `amount` minor units."""
    item = {
        "price_data": {"currency": currency, "unit_amount": amount, "product_data": {"name": "Tea <b>& more</b>"}},
        "quantity": quantity,
    }
    return {
        "mode": "payment",
        "line_items": [item],
        "success_url": SUCCESS_URL,
        "cancel_url": CANCEL_URL,
        "client_reference_id": "order-1",
        "metadata": {"order": "1", "on": "session"},
        "payment_intent_data": {"metadata": {"order": "1", "on": "intent"}},
        **more,
    }


def new_session(client: stripe.StripeClient, **options: Any) -> stripe.checkout.Session:
    """An open session."""
    return client.v1.checkout.sessions.create(checkout_params(**options))


class Page:
    """The hosted page in a browser without JavaScript."""

    def __init__(self, url: str | None) -> None:
        assert url is not None
        self.url = url
        self.answer = requests.get(url, timeout=10, allow_redirects=False)

    @property
    def status(self) -> int:
        """The last answer's status."""
        return self.answer.status_code

    @property
    def location(self) -> str:
        """Where the last answer redirects to, or nothing."""
        return self.answer.headers.get("Location", "")

    @property
    def alert(self) -> str:
        """The page's error sentence, or nothing."""
        match = re.search(r'role="alert"[^>]*>(.*?)</div>', self.answer.text, re.DOTALL)
        return unescape(match.group(1)) if match else ""

    @property
    def heading(self) -> str:
        """The page's only h1."""
        found = re.findall(r"<h1>(.*?)</h1>", self.answer.text)
        assert len(found) == 1
        return unescape(found[0])

    @property
    def attempt(self) -> str:
        """The hidden field that makes a double press one try."""
        match = re.search(r'name="attempt" value="([^"]+)"', self.answer.text)
        return match.group(1) if match else ""

    def pay(self, number: str = VISA, **fields: str) -> Page:
        """Fills in the card form and presses *Pay*."""
        form = {"method": "card", "email": "a@shop.example", "number": number, "expiry": "12/34", "cvc": "123"}
        return self.post({**form, "attempt": self.attempt, **fields})

    def post(self, form: dict[str, str]) -> Page:
        """Sends any form to the page's own address."""
        self.answer = requests.post(self.url, data=form, timeout=10, allow_redirects=False)
        return self

    def follow(self) -> Page:
        """Goes where the last answer redirects to."""
        return Page(self.location)
