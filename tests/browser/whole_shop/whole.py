"""What a shopper does in the whole shop, step by step, and what the bank and the provider do meanwhile."""

from __future__ import annotations

import re
from dataclasses import dataclass

import stripe
from playwright._impl._api_structures import SetCookieParam
from playwright.sync_api import Page, expect

from integrations.sandbox.control import SandboxControl
from integrations.sandbox.loopback import ReceiverControl
from payments.management.demo.place import Place
from tests.demo.running import Running, told

GOOD_CARD = "4242424242424242"
NO_FUNDS_CARD = "4000000000009995"
CHALLENGED_CARD = "4000002760003184"
NEWS_MS = 30_000
"""How long a page may take to learn by itself what workers found out, on a machine that does other things as well."""


@dataclass(frozen=True, slots=True)
class Placed:
    """An order a shopper placed: its number and its page's address."""

    number: int
    pay_url: str
    order_url: str


class WholeShop:
    """The running shop, its provider's control, and the ways of its shoppers."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.url = running.addresses.shop
        self.provider_url = running.addresses.sandboxes["stripe"]
        self.provider = SandboxControl(self.provider_url)
        self.sandboxes = running.addresses.sandboxes
        """Where each provider's stand-in answers, by provider."""
        self.staff_cookies: dict[str, list[SetCookieParam]] = {}
        """Of sessions of staff that stand open, by name (tests/browser/whole_shop/staff_sign_in.py)."""

    def staff_password(self, name: str) -> str:
        """Return the password of one of the demo's people: support, lead, finance, integrations, auditor, admin."""
        return self._secret(f"{name}_password")

    def staff_code(self, name: str) -> str:
        """Return a code that opens now; waits half a minute where the last ones are used up."""
        return str(told(self._running.checkout, "demo_code", name, "--json")["code"])

    def place_order(self, page: Page, *, product: str = "Stoneware mug") -> Placed:
        """Go from the products to *Ready to pay*."""
        page.goto(f"{self.url}/")
        page.get_by_role("button", name=f"Add to basket ({product})").click()
        page.get_by_role("link", name="Go to checkout").click()
        page.get_by_label("E-mail address").fill("ann@example.com")
        page.get_by_role("button", name="Place the order and pay").click()
        return self.placed(page)

    def placed(self, page: Page) -> Placed:
        """Return the order whose pay page is shown."""
        expect(page.get_by_role("heading", level=1)).to_have_text("Ready to pay")
        found = re.search(r"Order (\d+)", page.title())
        assert found is not None
        return Placed(int(found[1]), page.url, page.url.replace("/pay/", "/orders/"))

    def go_to_provider(self, page: Page) -> str:
        """Press *Pay* and return the id of the provider's page that opens."""
        page.get_by_role("button", name="Pay", exact=False).click()
        return self.provider_page(page)

    def provider_page(self, page: Page) -> str:
        """Return the id of the provider's page that is shown."""
        page.wait_for_url(f"{self.provider_url}/c/pay/*")
        return page.url.rpartition("/")[2]

    def start(self, page: Page, *, product: str = "Stoneware mug") -> tuple[Placed, str]:
        """Place an order and go on to the provider's page; return the order and that page's id."""
        order = self.place_order(page, product=product)
        return order, self.go_to_provider(page)

    def pay_by_card(self, page: Page, number: str = GOOD_CARD) -> None:
        """Type a card on the provider's page, and press its button."""
        card = page.get_by_role("region", name="Pay by card")
        card.get_by_label("Card number").fill(number)
        card.get_by_label("Expiry date").fill("12/34")
        card.get_by_label("Security code").fill("123")
        card.get_by_role("button").click()

    def pay_by_bank_debit(self, page: Page) -> None:
        """Choose the bank debit on the provider's page."""
        page.get_by_role("region", name="Pay by bank debit").get_by_role("button").click()

    def expire_at_provider(self, page_id: str) -> None:
        """Close the provider's page there, as somebody in its dashboard would."""
        client = stripe.StripeClient(self._secret("stripe_key"), base_addresses={"api": self.provider_url})
        client.v1.checkout.sessions.expire(page_id)

    def trigger(self, event: str, order: Placed) -> None:
        """Provoke what `manage.py trigger` can."""
        told(self._running.checkout, "trigger", event, "--order", str(order.number), "--json")

    def receiver_answers_again(self) -> None:
        """Let the demo's receiver work again; whether it is enabled is for people to say."""
        receiver = ReceiverControl(self._running.addresses.receiver)
        receiver.behave("ok")

    def provider_down_for(self, page_id: str) -> None:
        """Let the provider answer 500 whenever somebody asks about this page, until its faults are cleared."""
        self.provider.fault("server_error", path_prefix=f"/v1/checkout/sessions/{page_id}", times=1_000_000)

    def _secret(self, name: str) -> str:
        return Place(self._running.checkout).secret(name, lambda: "")


def expect_heading(page: Page, words: str | re.Pattern[str], *, timeout_ms: float = NEWS_MS) -> None:
    """Wait until the page, without our doing, has this heading."""
    expect(page.get_by_role("heading", level=1)).to_have_text(words, timeout=timeout_ms)
