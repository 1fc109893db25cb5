"""What the tests of all forms on our own page share: the way to the form, its button, the shop's workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from orders.seed import seed
from payments import working
from payments.models import ProviderCall
from tests.browser.looks import NARROW, WIDE

LOOKS = [
    pytest.param({"color_scheme": "light", "viewport": WIDE}, id="light-1280"),
    pytest.param({"color_scheme": "dark", "viewport": NARROW}, id="dark-390"),
]
GOOD_CARD = "4111 1111 1111 1111"


def open_shop(settings: Any, address: str, *, provider: str, **of_provider: object) -> str:
    """Open the shop with this one provider, on a page of ours. `of_provider`: its settings. Returns the address."""
    settings.PAYMENTS_PROVIDERS = (provider,)
    settings.PAYMENTS_PRESENTATION = {provider: "embedded"}
    settings.PUBLIC_BASE_URL = address
    for name, value in of_provider.items():
        setattr(settings, name, value)
    seed()
    return address


def press_pay(page: Page, shop: str) -> None:
    """Place an order and press *Pay*."""
    page.goto(f"{shop}/")
    page.get_by_role("button", name="Add to basket (Stoneware mug)").click()
    page.get_by_role("link", name="Go to checkout").click()
    page.get_by_label("E-mail address").fill("ann@example.com")
    page.get_by_role("button", name="Place the order and pay").click()
    page.get_by_role("button", name="Pay", exact=False).click()


def pay_button(page: Page) -> Locator:
    """Return the form's own button, below the provider's frames."""
    return page.get_by_role("button", name="Pay", exact=False)


def requests_of(page: Page) -> list[str]:
    """Return a list that every request of the page comes into: its address and what it posts."""
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.url} {request.post_data or ''}"))
    return sent


def check_no_card_reached_us(sent: list[str], shop: str) -> None:
    """The token came to our server, and GOOD_CARD went to the provider's frame only."""
    ours = [each for each in sent if each.startswith(shop)]
    assert any("token=" in each for each in ours)
    assert not [each for each in ours if "4111" in each]
    assert [each for each in sent if "4111" in each], "it went to the provider's frame"
    assert "4111" not in repr(list(ProviderCall.objects.values()))


def workers_work() -> None:
    """Do what the look cluster would: send our capture, and look at what it came to."""
    for _ in range(20):
        jobs = working._look_jobs(timezone.now)
        if not jobs:
            return
        for job in jobs:
            job()


def use_hosted_page(settings: Any, provider_url: str) -> None:
    """Have the provider's own page instead of the form on ours, and let *Pay* lead there."""
    settings.PAYMENTS_PRESENTATION = {}
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    allowed = {**policy, "form-action": [*policy["form-action"], provider_url]}
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": allowed}


@contextmanager
def page_without(chromium: Browser, script: str) -> Iterator[Page]:
    """A page for which the provider's script, by its address's pattern, never loads."""
    context = chromium.new_context(locale="en-US")
    context.route(script, lambda route: route.abort())
    try:
        yield context.new_page()
    finally:
        context.close()


def expect_paid(page: Page) -> None:
    """Wait until the page says so."""
    expect(page.get_by_role("heading", level=1)).to_contain_text("Paid. Order")
