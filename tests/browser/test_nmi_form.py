"""Paying in NMI's frames on our own page, in a real browser, against the sandbox's Collect.js."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from integrations.sandbox.nmi_control import NmiControl
from orders.models import Order
from payments.models import PaymentAttempt, ProviderCall
from tests.browser.conftest import Visitor
from tests.browser.forms import (
    GOOD_CARD,
    LOOKS,
    check_no_card_reached_us,
    expect_paid,
    open_shop,
    page_without,
    pay_button,
    press_pay,
    requests_of,
)
from tests.browser.looks import check_looks, check_width, take_picture
from tests.conformance.stands.nmi import MERCHANT, SECURITY_KEY, TOKENIZATION_KEY, NmiStand
from tests.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.django_db(transaction=True)]

EXPIRED_CARD = "4000 0000 0000 0069"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    process = SandboxProcess(tmp_path_factory.mktemp("nmi"), provider="nmi", arguments=("--account", MERCHANT)).start()
    yield process
    assert process.stop() == ""


@pytest.fixture
def shop(transactional_db: None, live_server: Any, settings: Any, gateway: SandboxProcess) -> str:
    """The shop with NMI as its one provider; returns its address."""
    return open_shop(
        settings,
        live_server.url,
        provider="nmi",
        NMI_SECURITY_KEY=SECURITY_KEY,
        NMI_TOKENIZATION_KEY=TOKENIZATION_KEY,
        NMI_WEBHOOK_SIGNING_KEYS=NmiStand.secrets[:1],
        NMI_MERCHANT_ID=MERCHANT,
        NMI_API_BASE=gateway.url,
    )


@pytest.fixture
def control(gateway: SandboxProcess) -> NmiControl:
    return NmiControl(gateway.url)


def go_to_form(page: Page, shop: str) -> Order:
    """Place an order and press *Pay*."""
    press_pay(page, shop)
    page.wait_for_url("**/nmi/")
    return Order.objects.get()


def type_card(page: Page, number: str, *, expiry: str = "12/34", code: str = "123") -> None:
    """Type a card into the frames."""
    for title, value in (("Card number", number), ("Expiry date", expiry), ("Security code", code)):
        page.frame_locator(f"iframe[title^='{title}']").get_by_role("textbox").fill(value)


@pytest.mark.parametrize("look", LOOKS)
def test_a_card_is_declined_and_another_pays(
    look: dict[str, Any], visitor: Visitor, shop: str, control: NmiControl
) -> None:
    page = visitor(**look)
    go_to_form(page, shop)
    expect(pay_button(page)).to_be_enabled()
    check_looks(page)
    take_picture(page, f"nmi-form-{look['color_scheme']}")
    type_card(page, EXPIRED_CARD)
    pay_button(page).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This card has expired. Use another card.")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url("**/nmi/")
    expect(pay_button(page)).to_be_enabled()
    type_card(page, GOOD_CARD)
    pay_button(page).click()
    expect_paid(page)
    assert Order.objects.get().state == "paid"
    assert [attempt.state for attempt in PaymentAttempt.objects.order_by("pk")] == ["failed", "paid"]
    taken = [sale["captured_minor"] for sale in control.sales() if sale["order_id"].startswith("pa_")]
    assert taken[-2:] == [0, Order.objects.get().total_minor]


def test_no_card_number_reaches_our_server(visitor: Visitor, shop: str) -> None:
    page = visitor()
    sent = requests_of(page)
    go_to_form(page, shop)
    expect(pay_button(page)).to_be_enabled()
    type_card(page, GOOD_CARD)
    pay_button(page).click()
    expect_paid(page)
    check_no_card_reached_us(sent, shop)


def test_a_mistyped_card_is_told_beside_the_form_and_nothing_is_sent(visitor: Visitor, shop: str) -> None:
    page = visitor()
    page.on("console", lambda message: None)
    go_to_form(page, shop)
    expect(pay_button(page)).to_be_enabled()
    type_card(page, "4111 1111 1111 1112")
    with page.expect_response("**/token/create") as told:
        pay_button(page).click()
    assert told.value.status == 200, "what is wrong is told in words, not by a status that the browser logs"
    expect(page.get_by_role("alert")).to_have_text("Please check this: Card number.")
    expect(pay_button(page)).to_be_enabled()
    assert not ProviderCall.objects.filter(operation="pay").exists()
    type_card(page, GOOD_CARD)
    pay_button(page).click()
    expect_paid(page)


def test_without_javascript_a_sentence_says_what_to_do(visitor: Visitor, shop: str) -> None:
    page = visitor(java_script_enabled=False, viewport={"width": 390, "height": 844})
    go_to_form(page, shop)
    expect(page.get_by_text("This form needs JavaScript")).to_be_visible()
    expect(page.get_by_role("link", name="Use another method")).to_be_visible()
    check_width(page)


def test_a_script_that_does_not_load_is_told(chromium: Any, shop: str) -> None:
    with page_without(chromium, "**/Collect.js") as page:
        go_to_form(page, shop)
        expect(page.get_by_role("alert")).to_contain_text("The card form could not be loaded. Nothing was paid.")
        expect(pay_button(page)).to_be_disabled()


def test_the_keyboard_alone_pays(visitor: Visitor, shop: str) -> None:
    page = visitor()
    go_to_form(page, shop)
    expect(pay_button(page)).to_be_enabled()
    page.frame_locator("iframe[title^='Card number']").get_by_role("textbox").focus()
    page.keyboard.type(GOOD_CARD)
    page.keyboard.press("Tab")
    page.keyboard.type("12/34")
    page.keyboard.press("Tab")
    page.keyboard.type("123")
    page.keyboard.press("Tab")
    expect(pay_button(page)).to_be_focused()
    page.keyboard.press("Enter")
    expect_paid(page)
