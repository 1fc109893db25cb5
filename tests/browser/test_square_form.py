"""Square's card frame on our own page, and its link's page, in a real browser against the sandbox's script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from integrations.sandbox.square_control import SquareControl
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
    use_hosted_page,
    workers_work,
)
from tests.browser.looks import check_looks, take_picture
from tests.conformance.square import APPLICATION, LOCATION, SIGNATURE_KEY, TOKEN, WEBHOOK_URL, running
from tests.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.django_db(transaction=True)]

POOR_CARD = "4000 0000 0000 9995"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    yield from running(tmp_path_factory.mktemp("square"), currency="USD")


@pytest.fixture
def shop(transactional_db: None, live_server: Any, settings: Any, gateway: SandboxProcess) -> str:
    """The shop with Square as its one provider, on a page of ours; returns its address."""
    return open_shop(
        settings,
        live_server.url,
        provider="square",
        SQUARE_ACCESS_TOKEN=TOKEN,
        SQUARE_WEBHOOK_SIGNATURE_KEYS=(SIGNATURE_KEY,),
        SQUARE_LOCATION_ID=LOCATION,
        SQUARE_APPLICATION_ID=APPLICATION,
        SQUARE_CURRENCY="USD",
        SQUARE_WEBHOOK_URL=WEBHOOK_URL,
        SQUARE_API_BASE=gateway.url,
    )


@pytest.fixture
def control(gateway: SandboxProcess) -> SquareControl:
    return SquareControl(gateway.url)


def type_card(page: Page, number: str) -> None:
    """Type a card into the frame."""
    frame = page.frame_locator("iframe[title='Secure Credit Card Form']")
    frame.get_by_label("Card number").fill(number)
    frame.get_by_label("Expiry date").fill("12/34")
    frame.get_by_label("Security code").fill("123")


@pytest.mark.parametrize("look", LOOKS)
def test_a_card_is_declined_and_another_pays(
    look: dict[str, Any], visitor: Visitor, shop: str, control: SquareControl
) -> None:
    page = visitor(**look)
    press_pay(page, shop)
    page.wait_for_url("**/square/")
    expect(pay_button(page)).to_be_enabled()
    check_looks(page)
    take_picture(page, f"square-form-{look['color_scheme']}")
    type_card(page, POOR_CARD)
    pay_button(page).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("not enough money")
    page.get_by_role("button", name="Try again").click()
    page.wait_for_url("**/square/")
    expect(pay_button(page)).to_be_enabled()
    type_card(page, GOOD_CARD)
    pay_button(page).click()
    expect_paid(page)
    assert Order.objects.get().state == "paid"
    first, second = PaymentAttempt.objects.order_by("pk")
    assert [first.state, second.state] == ["failed", "paid"]
    assert first.reference != second.reference
    taken = {told["reference"]: told["captured_minor"] for told in control.money()}
    assert (taken[first.reference], taken[second.reference]) == (0, Order.objects.get().total_minor)


def test_no_card_number_reaches_our_server(visitor: Visitor, shop: str) -> None:
    page = visitor()
    sent = requests_of(page)
    press_pay(page, shop)
    expect(pay_button(page)).to_be_enabled()
    type_card(page, GOOD_CARD)
    pay_button(page).click()
    expect_paid(page)
    check_no_card_reached_us(sent, shop)


def test_a_mistyped_card_is_told_beside_the_form_and_nothing_is_sent(visitor: Visitor, shop: str) -> None:
    page = visitor()
    press_pay(page, shop)
    expect(pay_button(page)).to_be_enabled()
    type_card(page, "4111 1111 1111 1112")
    pay_button(page).click()
    expect(page.get_by_role("alert")).to_contain_text("Enter a valid card number.")
    expect(pay_button(page)).to_be_enabled()
    assert not ProviderCall.objects.filter(operation="pay").exists()
    type_card(page, GOOD_CARD)
    pay_button(page).click()
    expect_paid(page)


def test_squares_own_page(visitor: Visitor, shop: str, settings: Any, gateway: SandboxProcess) -> None:
    use_hosted_page(settings, gateway.url)
    page = visitor(viewport={"width": 390, "height": 844})
    press_pay(page, shop)
    page.wait_for_url(f"{gateway.url}/pay/*")
    check_looks(page)
    page.get_by_label("Card number").fill(GOOD_CARD)
    page.get_by_label("Expiry date").fill("12/34")
    page.get_by_label("Security code").fill("123")
    page.get_by_role("button", name="Pay", exact=False).click()
    page.wait_for_url("**/orders/*/")
    workers_work()
    assert Order.objects.get().state == "paid"


def test_a_script_that_does_not_load_is_told(chromium: Any, shop: str) -> None:
    with page_without(chromium, "**/v1/square.js") as page:
        press_pay(page, shop)
        expect(page.get_by_role("alert")).to_contain_text("could not be loaded. Nothing was paid.")
