"""PayPal's button on our own page, and its hosted page, in a real browser against the sandbox's script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, Route, expect

from integrations.sandbox.paypal.control import PayPalControl
from orders.models import Order
from orders.seed import seed
from payments import working
from payments.models import PaymentAttempt
from tests.browser.conftest import Visitor
from tests.browser.looks import check_looks, take_picture
from tests.integrations.paypal.conftest import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID
from tests.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.django_db(transaction=True)]

LOOKS = [
    pytest.param({"color_scheme": "light", "viewport": {"width": 1280, "height": 900}}, id="light-1280"),
    pytest.param({"color_scheme": "dark", "viewport": {"width": 390, "height": 844}}, id="dark-390"),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    process = SandboxProcess(tmp_path_factory.mktemp("paypal"), provider="paypal").start()
    yield process
    assert process.stop() == ""


@pytest.fixture
def shop(transactional_db: None, live_server: Any, settings: Any, gateway: SandboxProcess) -> str:
    """The shop with PayPal as its one provider, on a page of ours; returns its address."""
    settings.PAYMENTS_PROVIDERS = ("paypal",)
    settings.PAYMENTS_PRESENTATION = {"paypal": "embedded"}
    settings.PUBLIC_BASE_URL = live_server.url
    settings.PAYPAL_CLIENT_ID, settings.PAYPAL_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
    settings.PAYPAL_WEBHOOK_ID, settings.PAYPAL_API_BASE = WEBHOOK_ID, gateway.url
    settings.PAYPAL_WEBHOOK_ROOTS = str(gateway.state_dir / "paypal-root.pem")
    seed()
    return str(live_server.url)


@pytest.fixture
def control(gateway: SandboxProcess) -> PayPalControl:
    return PayPalControl(gateway.url)


def press_pay(page: Page, shop: str) -> None:
    page.goto(f"{shop}/")
    page.get_by_role("button", name="Add to basket (Stoneware mug)").click()
    page.get_by_role("link", name="Go to checkout").click()
    page.get_by_label("E-mail address").fill("ann@example.com")
    page.get_by_role("button", name="Place the order and pay").click()
    page.get_by_role("button", name="Pay", exact=False).click()


def workers_work() -> None:
    """Do what the look cluster would: send our capture, and look at what it came to."""
    for _ in range(20):
        jobs = working._look_jobs(timezone.now)
        if not jobs:
            return
        for job in jobs:
            job()


@pytest.mark.parametrize("look", LOOKS)
def test_the_payer_leaves_comes_back_approves_and_we_capture(
    look: dict[str, Any], visitor: Visitor, shop: str, control: PayPalControl
) -> None:
    page = visitor(**look)
    press_pay(page, shop)
    page.wait_for_url("**/paypal/")
    button = page.get_by_role("button", name="Pay with PayPal")
    expect(button).to_be_enabled()
    check_looks(page)
    take_picture(page, f"paypal-form-{look['color_scheme']}")

    button.click()
    page.get_by_role("button", name="Cancel", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was paid")

    button.click()
    page.get_by_role("button", name="Approve", exact=True).click()
    page.wait_for_url("**/orders/*/")
    order_id = PaymentAttempt.objects.get().page_id
    [effect] = [each for each in control.effects() if each.session == order_id]
    assert effect.captured_minor == 0, "approval moves no money"

    workers_work()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Paid. Order")
    assert Order.objects.get().state == "paid"
    [effect] = [each for each in control.effects() if each.session == order_id]
    assert effect.captured_minor == Order.objects.get().total_minor


def test_a_browser_that_dies_after_the_approval_still_pays(visitor: Visitor, shop: str, control: PayPalControl) -> None:
    page = visitor()
    press_pay(page, shop)
    expect(page.get_by_role("button", name="Pay with PayPal")).to_be_enabled()
    attempt = PaymentAttempt.objects.get()
    page.close()
    control.approve(attempt.page_id)
    PaymentAttempt.objects.update(next_look_at=timezone.now())  # the sweeper's time has come
    workers_work()
    workers_work()
    assert Order.objects.get().state == "paid"


def test_a_declined_capture_is_told_and_another_approval_pays(
    visitor: Visitor, shop: str, control: PayPalControl
) -> None:
    page = visitor()
    press_pay(page, shop)
    page.get_by_role("button", name="Pay with PayPal").click()
    page.get_by_role("combobox").select_option("declined-5120")
    page.get_by_role("button", name="Approve", exact=True).click()
    page.wait_for_url("**/orders/*/")
    workers_work()
    page.reload()
    expect(page.get_by_text("not enough money", exact=False)).to_be_visible()
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("button", name="Pay with PayPal").click()
    page.get_by_role("button", name="Approve", exact=True).click()
    page.wait_for_url("**/orders/*/")
    workers_work()
    assert Order.objects.get().state == "paid"
    assert [attempt.state for attempt in PaymentAttempt.objects.order_by("pk")] == ["failed", "paid"]


def test_paypals_own_page(visitor: Visitor, shop: str, settings: Any, gateway: SandboxProcess) -> None:
    settings.PAYMENTS_PRESENTATION = {}
    policy = settings.CONTENT_SECURITY_POLICY["DIRECTIVES"]
    allowed = {**policy, "form-action": [*policy["form-action"], gateway.url]}
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": allowed}
    page = visitor(viewport={"width": 390, "height": 844})
    press_pay(page, shop)
    page.wait_for_url(f"{gateway.url}/checkoutnow?token=*")
    check_looks(page)
    page.get_by_role("button", name="Approve", exact=False).click()
    page.wait_for_url("**/orders/*/")
    workers_work()
    assert Order.objects.get().state == "paid"


def test_a_script_that_does_not_load_is_told(chromium: Any, shop: str) -> None:
    context = chromium.new_context(locale="en-US")
    context.route("**/web-sdk/**", _away)
    page = context.new_page()
    try:
        press_pay(page, shop)
        expect(page.get_by_role("alert")).to_contain_text("could not be loaded. Nothing was paid.")
    finally:
        context.close()


def _away(route: Route) -> None:
    route.abort()
