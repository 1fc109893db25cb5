"""Stripe's page in its frame on our own, in a real browser, against the sandbox's Stripe.js."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import FrameLocator, Page, expect

from orders.models import Order
from payments.models import PaymentAttempt
from tests.browser.conftest import Visitor
from tests.browser.forms import expect_paid, open_shop, press_pay
from tests.browser.looks import check_looks
from tests.sandbox.process import API_KEY, WEBHOOK_SECRET, SandboxProcess

pytestmark = [pytest.mark.django_db(transaction=True)]

NO_FUNDS_CARD, CHALLENGED_CARD = "4000000000009995", "4000002760003184"


@pytest.fixture(scope="module")
def stripe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    process = SandboxProcess(tmp_path_factory.mktemp("stripe")).start()
    yield process
    assert process.stop() == ""


@pytest.fixture
def shop(transactional_db: None, live_server: Any, settings: Any, stripe: SandboxProcess) -> str:
    """The shop with Stripe in its frame as its one way to pay; returns its address."""
    return open_shop(
        settings,
        live_server.url,
        provider="stripe",
        STRIPE_API_KEY=API_KEY,
        STRIPE_PUBLISHABLE_KEY="pk_test_sandbox",
        STRIPE_WEBHOOK_SECRETS=(WEBHOOK_SECRET,),
        STRIPE_API_BASE=stripe.url,
    )


def go_to_form(page: Page, shop: str) -> FrameLocator:
    """Place an order, press *Pay*, and return the frame."""
    press_pay(page, shop)
    page.wait_for_url("**/stripe/")
    return page.frame_locator("iframe[title='Secure payment form']")


def pay(frame: FrameLocator, number: str = "4242424242424242") -> None:
    card = frame.get_by_role("region", name="Pay by card")
    card.get_by_label("Card number").fill(number)
    card.get_by_label("Expiry date").fill("12/34")
    card.get_by_label("Security code").fill("123")
    card.get_by_role("button").click()


@pytest.mark.parametrize("width", [390, 1280])
def test_declined_in_the_frame_and_then_paid_there(width: int, visitor: Visitor, shop: str) -> None:
    page = visitor(viewport={"width": width, "height": 900})
    frame = go_to_form(page, shop)
    expect(frame.get_by_role("heading", level=1)).to_be_visible()
    check_looks(page)
    pay(frame, NO_FUNDS_CARD)
    expect(frame.get_by_role("alert")).to_contain_text("insufficient funds")
    assert page.url.endswith("/stripe/"), "the shop's own page stays"
    pay(frame)
    expect_paid(page)
    assert Order.objects.get().state == "paid"
    assert [attempt.presentation for attempt in PaymentAttempt.objects.all()] == ["embedded"]


def test_the_banks_challenge_happens_in_the_frame_too(visitor: Visitor, shop: str) -> None:
    page = visitor()
    frame = go_to_form(page, shop)
    pay(frame, CHALLENGED_CARD)
    frame.get_by_role("button", name="Complete authentication").click()
    expect_paid(page)


def test_whoever_comes_back_finds_the_same_form(visitor: Visitor, shop: str) -> None:
    page = visitor()
    go_to_form(page, shop)
    order = Order.objects.get()
    page.goto(f"{shop}/pay/{order.token}/stripe/")
    pay(page.frame_locator("iframe[title='Secure payment form']"))
    expect_paid(page)
    assert PaymentAttempt.objects.count() == 1
