"""A shopper of the demo's shop: basket, checkout, the provider's page and back, each step as a browser takes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urljoin

from integrations.sandbox.browser import Browser, Page, Surprise

__all__ = ["GOOD_CARD", "Shopper", "Surprise"]

GOOD_CARD = "4242424242424242"
EXPIRY, SECURITY_CODE = "12/34", "123"

_PAY = re.compile(r"/pay/([A-Za-z0-9_-]+)/")
_ORDER = re.compile(r"/orders/([A-Za-z0-9_-]+)/")


class Shopper:
    """One visitor of one shop. Every method raises Surprise when the shop shows what a shopper should not see."""

    def __init__(self, shop_url: str, *, language: str = "en-US,en") -> None:
        self.browser = Browser(language=language)
        self._shop = shop_url.rstrip("/")

    def place_order(self, *, email: str, skus: Sequence[str] = (), currency: str = "") -> str:
        """Fill a basket (the first product when no `skus` are named), check out, and return the order's token."""
        products = self.browser.get(f"{self._shop}/").expect(200)
        if currency:
            products = self._see_other(self.browser.submit(products.form("/currency/"), {"currency": currency}))
        for sku in skus or [self._first_product(products)]:
            basket = self._see_other(self.browser.submit(products.form("/basket/add/", sku=sku)))
            if basket.path != "/basket/":
                raise Surprise(f"Expected the basket, but got {basket.say()}")
        checkout = self.browser.get(f"{self._shop}/checkout/").expect(200)
        placed = self.browser.submit(checkout.form("/checkout/"), {"email": email}).expect(303)
        found = _PAY.search(placed.location)
        if found is None:
            raise Surprise(f"Expected the pay page, but was sent to {placed.location}")
        return found[1]

    def open_provider_page(self, token: str, *, provider: str = "") -> Page:
        """Press *Pay*, or *Continue*, and return the provider's page, or ours around its frame."""
        page = self.browser.get(f"{self._shop}/pay/{token}/").expect(200)
        form = page.form(f"/pay/{token}/")
        chosen = {"provider": provider} if provider and "provider" in form.fields else {}
        pressed = self.browser.submit(form, chosen)
        own_form = f"{self._shop}/pay/{token}/{provider}/"
        if pressed.location.startswith(self._shop) and (not provider or pressed.location != own_form):
            raise Surprise(f"Sent to {self.browser.follow(pressed).say()} instead of a payment page")
        return self.browser.follow(pressed.expect(303)).expect(200)

    def pay_by_card(self, page: Page, *, number: str = GOOD_CARD) -> Page:
        """Type a card into the provider's page; return what comes next: a redirect, or the page with a decline."""
        form = page.form(method="card")
        return self.browser.submit(form, {"number": number, "expiry": EXPIRY, "cvc": SECURITY_CODE})

    def approve_at_paypal(self, page: Page, *, outcome: str = "completed") -> Page:
        """Approve the payment on PayPal's page; `outcome`: what the shop's capture comes to. Return the redirect."""
        return self.browser.submit(
            page.form(method="paypal"), {"outcome": outcome}, button=("press", "approve")
        ).expect(303)

    def pay_in_frame(self, page: Page, *, number: str = GOOD_CARD) -> Page:
        """Type a card into NMI's frames, which make a token of it, and post the token; return the redirect."""
        form = page.form(**dict.fromkeys(("token", "proof"), ""))
        card = {"number": number, "expiry": EXPIRY, "cvv": SECURITY_CODE}
        made = self.browser.post_json(
            urljoin(form.data["script"], "/token/create"), {"tokenization_key": form.data["tokenization-key"], **card}
        )
        return self.browser.submit(form, {"token": made["token"]}).expect(303)

    def pay_by_bank_debit(self, page: Page) -> Page:
        """Choose the bank debit on the provider's page; return the redirect."""
        return self.browser.submit(page.form(method="debit")).expect(303)

    def come_back(self, page: Page) -> Page:
        """Follow the provider's redirect to the shop's return page, and that one's to the order; return the order."""
        returned = self.browser.hop(page.expect(303))
        if not re.fullmatch(r"/pay/[A-Za-z0-9_-]+/return/", returned.path):
            raise Surprise(f"Expected the shop's return page, but got {returned.say()}")
        order = self.browser.hop(returned.expect(303)).expect(200)
        if _ORDER.fullmatch(order.path) is None:
            raise Surprise(f"Expected the order's page, but got {order.say()}")
        return order

    def see_order(self, token: str) -> Page:
        """Open the order's page."""
        return self.browser.get(f"{self._shop}/orders/{token}/").expect(200)

    def _see_other(self, page: Page) -> Page:
        return self.browser.hop(page.expect(303)).expect(200)

    @staticmethod
    def _first_product(page: Page) -> str:
        for form in page.forms:
            if form.fields.get("sku"):
                return form.fields["sku"]
        raise Surprise(f"{page.say()} sells nothing")
