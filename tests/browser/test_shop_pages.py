"""The shop in a real browser: accessible, within its width, true to its security policy, usable without JavaScript."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from orders.models import Order
from orders.seed import seed
from tests.browser.conftest import Visitor
from tests.browser.looks import AXE, OF_THE_LOOK, check_looks, check_width, take_picture
from tests.payments.shop_states import FORMS, STATES

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.payments.state_pages")]

LOOKS = [
    pytest.param({"color_scheme": "light", "viewport": {"width": 1280, "height": 900}}, id="light-1280"),
    pytest.param({"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}, id="dark-390"),
]


@pytest.fixture(autouse=True)
def shop(transactional_db: None) -> None:
    seed()


@pytest.mark.parametrize("look", LOOKS)
def test_the_pages_up_to_the_order(look: dict[str, Any], visitor: Visitor, live_server: Any) -> None:
    page = visitor(**look)
    page.goto(f"{live_server.url}/")
    check_looks(page)
    page.get_by_role("link", name="Enamel kettle").click()
    check_looks(page)
    page.get_by_label("Quantity").fill("2")
    page.get_by_role("button", name="Add to basket").click()
    expect(page.get_by_role("status")).to_have_text("It is in your basket.")
    check_looks(page)
    page.get_by_role("link", name="Go to checkout").click()
    check_looks(page)


@pytest.mark.parametrize("look", LOOKS)
def test_each_state_of_a_payment(look: dict[str, Any], visitor: Visitor, live_server: Any) -> None:
    page = visitor(**look)
    page.route("**/status.json", lambda route: route.fulfill(status=304))
    for key in (*STATES, *FORMS, "form_away"):
        page.goto(f"{live_server.url}/states/{key}/")
        check_looks(page, rules=AXE if look["color_scheme"] == "light" else OF_THE_LOOK)
        take_picture(page, f"state-{key}-{look['color_scheme']}")


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_is_wider_than_the_window(width: int, visitor: Visitor, live_server: Any) -> None:
    page = visitor(viewport={"width": width, "height": 800}, locale="ar-KW")
    for path in ("/", "/products/kettle-08/", "/states/paid/", "/states/pay/"):
        page.goto(f"{live_server.url}{path}")
        check_width(page)


def test_buying_without_javascript(visitor: Visitor, live_server: Any) -> None:
    page = visitor(java_script_enabled=False)
    page.goto(f"{live_server.url}/")
    page.get_by_label("Currency").select_option("EUR")
    page.get_by_role("button", name="Show prices").click()
    page.get_by_role("button", name="Add to basket (Stoneware mug)").click()
    page.get_by_label("Quantity of Stoneware mug").fill("3")
    page.get_by_role("button", name="Update Stoneware mug").click()
    expect(page.get_by_text("€49.50").first).to_be_visible()
    page.get_by_role("link", name="Go to checkout").click()
    page.get_by_label("E-mail address").fill("Ann@Example.com")
    page.get_by_role("button", name="Place the order and pay").click()
    order = Order.objects.get()
    assert (order.total_minor, order.currency, order.email) == (4950, "EUR", "ann@example.com")
    assert page.url == f"{live_server.url}/pay/{order.token}/"
    expect(page.get_by_role("heading", level=1)).to_have_text("Ready to pay")


def test_the_browser_itself_refuses_what_the_server_would(visitor: Visitor, live_server: Any) -> None:
    page = visitor(java_script_enabled=False)
    page.goto(f"{live_server.url}/products/kettle-08/")
    for quantity in ("0", "-1", "1.5", "6", ""):
        page.get_by_label("Quantity").fill(quantity)
        page.get_by_role("button", name="Add to basket").click()
        assert page.url == f"{live_server.url}/products/kettle-08/"


def test_the_keyboard_alone_is_enough(visitor: Visitor, live_server: Any) -> None:
    page = visitor()
    page.goto(f"{live_server.url}/products/kettle-08/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Quantity")).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Your basket")


class TestStatus:
    """The script that asks status.json: soon, then seldom, not while hidden, not for ever."""

    def page_in(self, key: str, visitor: Visitor, live_server: Any, answer: Any) -> tuple[Page, list[dict[str, str]]]:
        """Open a state's page on a clock of our own; return it and the headers of each question it asks."""
        page = visitor()
        asked: list[dict[str, str]] = []

        def status(route: Route) -> None:
            asked.append(route.request.headers)
            answer(route)

        page.route("**/status.json", status)
        page.clock.install()
        page.goto(f"{live_server.url}/states/{key}/")
        return page, asked

    def still_for(self, page: Page, seconds: int) -> None:
        """Let so many seconds pass on the page's clock, and a moment on ours for what they may have set off."""
        page.clock.run_for(seconds * 1000)
        page.wait_for_timeout(100)

    def next_question(self, page: Page) -> None:
        """Let one second pass, in which the page asks and is answered."""
        with page.expect_response("**/status.json"):
            page.clock.run_for(1000)
        page.wait_for_timeout(50)

    def test_asks_at_1_2_3_5_then_every_10_seconds_and_stops_after_5_minutes(
        self, visitor: Visitor, live_server: Any
    ) -> None:
        page, asked = self.page_in("pending", visitor, live_server, unchanged)
        for number, delay_seconds in enumerate([1, 2, 3, 5, *[10] * 29]):
            self.still_for(page, delay_seconds - 1)
            assert len(asked) == number
            expect(page.locator("[data-check]")).to_be_hidden()
            self.next_question(page)
        assert "if-none-match" not in asked[0]
        assert {each["if-none-match"] for each in asked[1:]} == {'"e1"'}
        expect(page.locator("[data-check]")).to_be_visible()
        self.still_for(page, 60)
        assert len(asked) == 33

    def test_news_load_the_page_again_once(self, visitor: Visitor, live_server: Any) -> None:
        page, asked = self.page_in("pending", visitor, live_server, changed)
        with page.expect_navigation():
            page.clock.run_for(1000)
        self.next_question(page)
        page.evaluate("window.isTheSamePage = true")
        self.still_for(page, 1)
        self.next_question(page)
        assert page.evaluate("window.isTheSamePage")
        assert len(asked) == 3

    @pytest.mark.parametrize("answer", ["away", "broken", "missing"])
    def test_trouble_is_borne(self, answer: str, visitor: Visitor, live_server: Any) -> None:
        def trouble(route: Route) -> None:
            if answer == "broken":
                route.fulfill(status=200, body="<html>")
            else:
                route.fulfill(status=304 if answer == "away" else 204)

        page, asked = self.page_in("pending", visitor, live_server, trouble)
        self.next_question(page)
        self.still_for(page, 1)
        self.next_question(page)
        assert len(asked) == 2
        expect(page.get_by_role("heading", level=1)).to_have_text("We're confirming your payment")

    def test_does_not_ask_while_nobody_looks(self, visitor: Visitor, live_server: Any) -> None:
        page, asked = self.page_in("pending", visitor, live_server, unchanged)
        self.next_question(page)
        show(page, hidden=True)
        self.still_for(page, 60)
        assert len(asked) == 1
        with page.expect_response("**/status.json"):
            show(page, hidden=False)
        assert len(asked) == 2

    def test_news_that_the_shopper_makes_by_pressing_a_button_do_not_call_them_back(
        self, visitor: Visitor, live_server: Any
    ) -> None:
        page, asked = self.page_in("open", visitor, live_server, changed)
        page.evaluate("addEventListener('submit', event => event.preventDefault())")  # the provider takes its time
        page.evaluate("window.isTheSamePage = true")
        page.get_by_role("button", name="Continue").click()
        self.still_for(page, 30)
        assert page.evaluate("window.isTheSamePage")
        assert asked == []

    def test_a_page_that_is_done_asks_nothing(self, visitor: Visitor, live_server: Any) -> None:
        page, asked = self.page_in("paid", visitor, live_server, unchanged)
        self.still_for(page, 30)
        assert asked == []

    def test_without_javascript_the_page_reloads_itself_and_offers_a_link(
        self, visitor: Visitor, live_server: Any
    ) -> None:
        page = visitor(java_script_enabled=False)
        page.goto(f"{live_server.url}/states/pending/")
        assert page.locator("meta[http-equiv=refresh]").get_attribute("content") == "5"
        expect(page.get_by_role("link", name="Check again")).to_be_visible()


def unchanged(route: Route) -> None:
    """Answer as status.json does while nothing happens."""
    if "if-none-match" in route.request.headers:
        route.fulfill(status=304, headers={"ETag": '"e1"'})
    else:
        same = json.dumps({"state": "pending", "version": "1-pending"})
        route.fulfill(status=200, headers={"ETag": '"e1"'}, content_type="application/json", body=same)


def changed(route: Route) -> None:
    """Answer as status.json does once the payment is settled."""
    news = json.dumps({"state": "paid", "version": "2-paid"})
    route.fulfill(status=200, headers={"ETag": '"e2"'}, content_type="application/json", body=news)


def show(page: Page, *, hidden: bool) -> None:
    """Hide or show the page as a change of tabs does."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )
