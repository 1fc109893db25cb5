"""Square's card frame on our own page, and its link's page, in a real browser against the sandbox's script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from integrations.sandbox.square_control import SquareControl
from orders.models import Order
from orders.seed import seed
from payments import working
from payments.models import PaymentAttempt, ProviderCall
from tests.browser.conftest import Visitor
from tests.browser.looks import check_looks, take_picture
from tests.conformance.square import APPLICATION, LOCATION, SIGNATURE_KEY, TOKEN, WEBHOOK_URL, running
from tests.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.django_db(transaction=True)]

LOOKS = [
    pytest.param({"color_scheme": "light", "viewport": {"width": 1280, "height": 900}}, id="light-1280"),
    pytest.param({"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}, id="dark-390"),
]
GOOD_CARD, POOR_CARD = "4111 1111 1111 1111", "4000 0000 0000 9995"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    yield from running(tmp_path_factory.mktemp("square"), currency="USD")


@pytest.fixture
def shop(transactional_db: None, live_server: Any, settings: Any, gateway: SandboxProcess) -> str:
    """The shop with Square as its one provider, on a page of ours; returns its address."""
    settings.PAYMENTS_PROVIDERS = ("square",)
    settings.PAYMENTS_PRESENTATION = {"square": "embedded"}
    settings.PUBLIC_BASE_URL = live_server.url
    settings.SQUARE_ACCESS_TOKEN, settings.SQUARE_WEBHOOK_SIGNATURE_KEYS = TOKEN, (SIGNATURE_KEY,)
    settings.SQUARE_LOCATION_ID, settings.SQUARE_APPLICATION_ID = LOCATION, APPLICATION
    settings.SQUARE_CURRENCY, settings.SQUARE_WEBHOOK_URL = "USD", WEBHOOK_URL
    settings.SQUARE_API_BASE = gateway.url
    seed()
    return str(live_server.url)


@pytest.fixture
def control(gateway: SandboxProcess) -> SquareControl:
    return SquareControl(gateway.url)


def press_pay(page: Page, shop: str) -> None:
    page.goto(f"{shop}/")
    page.get_by_role("button", name="Add to basket (Stoneware mug)").click()
    page.get_by_role("link", name="Go to checkout").click()
    page.get_by_label("E-mail address").fill("ann@example.com")
    page.get_by_role("button", name="Place the order and pay").click()
    page.get_by_role("button", name="Pay", exact=False).click()


def type_card(page: Page, number: str) -> None:
    """Type a card into the frame."""
    frame = page.frame_locator("iframe[title='Secure Credit Card Form']")
    frame.get_by_label("Card number").fill(number)
    frame.get_by_label("Expiry date").fill("12/34")
    frame.get_by_label("Security code").fill("123")


def pay_button(page: Page) -> Any:
    return page.get_by_role("button", name="Pay", exact=False)


def workers_work() -> None:
    """Do what the look cluster would."""
    for _ in range(20):
        jobs = working._look_jobs(timezone.now)
        if not jobs:
            return
        for job in jobs:
            job()


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
    expect(page.get_by_role("heading", level=1)).to_contain_text("Paid. Order")
    assert Order.objects.get().state == "paid"
    first, second = PaymentAttempt.objects.order_by("pk")
    assert [first.state, second.state] == ["failed", "paid"]
    assert first.reference != second.reference
    taken = {told["reference"]: told["captured_minor"] for told in control.money()}
    assert (taken[first.reference], taken[second.reference]) == (0, Order.objects.get().total_minor)


def test_no_card_number_reaches_our_server(visitor: Visitor, shop: str) -> None:
    page = visitor()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(f"{request.url} {request.post_data or ''}"))
    press_pay(page, shop)
    expect(pay_button(page)).to_be_enabled()
    type_card(page, GOOD_CARD)
    pay_button(page).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Paid. Order")
    ours = [each for each in sent if each.startswith(shop)]
    assert any("token=" in each for each in ours)
    assert not [each for each in ours if "4111" in each]
    assert [each for each in sent if "4111" in each], "it went to Square's frame"
    assert "4111" not in repr(list(ProviderCall.objects.values()))


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
    expect(page.get_by_role("heading", level=1)).to_contain_text("Paid. Order")


def test_squares_own_page(visitor: Visitor, shop: str, settings: Any, gateway: SandboxProcess) -> None:
    settings.PAYMENTS_PRESENTATION = {}
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    allowed = {**policy, "form-action": [*policy["form-action"], gateway.url]}
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": allowed}
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
    context = chromium.new_context(locale="en-US")
    context.route("**/v1/square.js", _away)
    page = context.new_page()
    try:
        press_pay(page, shop)
        expect(page.get_by_role("alert")).to_contain_text("could not be loaded. Nothing was paid.")
    finally:
        context.close()


def _away(route: Route) -> None:
    route.abort()
