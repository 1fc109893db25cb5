"""The hosted page in a real Chromium, with axe on each of its states."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import stripe
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from integrations.sandbox.control import SandboxControl
from tests.sandbox.conftest import client, control, receiver, sandbox, shared_process
from tests.sandbox.shop import DECLINED, THREE_D_SECURE, VISA, new_session

__all__ = ["client", "control", "receiver", "sandbox", "shared_process"]

WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page in a fresh profile."""
    context = chromium.new_context()
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def shop() -> Iterator[str]:
    """The shop's side: a page at any address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>Shop</title>")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def accessible(page: Page) -> None:
    """Fails with axe's findings."""
    results = Axe().run(page, options=WCAG)
    assert results.violations_count == 0, results.generate_report()


def fill_in(page: Page, number: str) -> None:
    """Types a card the way a shopper does, by the labels."""
    card = page.get_by_role("region", name="Pay by card")
    card.get_by_label("Email").fill("a@shop.example")
    card.get_by_label("Card number").fill(number)
    card.get_by_label("Expiry date").fill("12/34")
    card.get_by_label("Security code").fill("123")
    card.get_by_role("button").click()


def open_page(page: Page, client: stripe.StripeClient, shop: str) -> stripe.checkout.Session:
    """Opens a new session's page."""
    session = new_session(client, success_url=f"{shop}/return/?session={{CHECKOUT_SESSION_ID}}", cancel_url=f"{shop}/")
    page.goto(str(session.url))
    return session


def test_axe_would_find_something(page: Page) -> None:
    page.set_content("<img src='x'><input>")
    with pytest.raises(AssertionError, match="image-alt"):
        accessible(page)


def test_decline_then_3d_secure_then_back_in_the_shop(page: Page, client: stripe.StripeClient, shop: str) -> None:
    session = open_page(page, client, shop)
    accessible(page)
    fill_in(page, DECLINED)
    assert page.get_by_role("alert").inner_text() == "Your card was declined."
    assert page.title() == "Error: Pay 49.90 EUR"
    accessible(page)
    fill_in(page, THREE_D_SECURE)
    assert page.get_by_role("heading", level=1).inner_text() == "Confirm your payment"
    accessible(page)
    page.get_by_role("button", name="Fail authentication").click()
    assert "unable to authenticate" in page.get_by_role("alert").inner_text()
    fill_in(page, THREE_D_SECURE)
    page.get_by_role("button", name="Complete authentication").click()
    page.wait_for_url(f"{shop}/return/?session={session.id}")
    page.goto(str(session.url))
    assert page.get_by_role("heading", level=1).inner_text() == "You have already paid"
    accessible(page)


def test_paying_at_once(page: Page, client: stripe.StripeClient, shop: str) -> None:
    session = open_page(page, client, shop)
    fill_in(page, VISA)
    page.wait_for_url(f"{shop}/return/?session={session.id}")


def test_bank_debit_and_the_way_back(page: Page, client: stripe.StripeClient, shop: str) -> None:
    session = open_page(page, client, shop)
    debit = page.get_by_role("region", name="Pay by bank debit")
    debit.get_by_label("Email").fill("a@shop.example")
    debit.get_by_role("button").click()
    page.wait_for_url(f"{shop}/return/?session={session.id}")
    open_page(page, client, shop)
    page.get_by_role("link", name="Back to the shop").click()
    page.wait_for_url(f"{shop}/")


def test_a_form_error_names_its_field(page: Page, client: stripe.StripeClient, shop: str) -> None:
    open_page(page, client, shop)
    fill_in(page, "4242")
    assert page.get_by_role("alert").inner_text() == "Your card number is incomplete."
    number = page.get_by_label("Card number")
    assert number.get_attribute("aria-invalid") == "true"
    assert "error" in str(number.get_attribute("aria-describedby"))
    accessible(page)


def test_an_expired_page(page: Page, client: stripe.StripeClient, control: SandboxControl, shop: str) -> None:
    session = open_page(page, client, shop)
    client.v1.checkout.sessions.expire(session.id)
    page.reload()
    assert page.get_by_role("heading", level=1).inner_text() == "This payment page has expired"
    accessible(page)
