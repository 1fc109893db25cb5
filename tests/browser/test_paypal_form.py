"""PayPal's button on our own page, and its hosted page, in a real browser against the sandbox's script."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from integrations.sandbox.paypal.control import PayPalControl
from orders.models import Order
from payments.models import PaymentAttempt
from tests.browser.conftest import Visitor
from tests.browser.forms import LOOKS, expect_paid, open_shop, page_without, press_pay, use_hosted_page, workers_work
from tests.browser.looks import check_looks, take_picture
from tests.integrations.paypal.conftest import CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID
from tests.sandbox.process import SandboxProcess

pytestmark = [pytest.mark.django_db(transaction=True)]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    process = SandboxProcess(tmp_path_factory.mktemp("paypal"), provider="paypal").start()
    yield process
    assert process.stop() == ""


@pytest.fixture
def shop(transactional_db: None, live_server: Any, settings: Any, gateway: SandboxProcess) -> str:
    """The shop with PayPal as its one provider, on a page of ours; returns its address."""
    return open_shop(
        settings,
        live_server.url,
        provider="paypal",
        PAYPAL_CLIENT_ID=CLIENT_ID,
        PAYPAL_CLIENT_SECRET=CLIENT_SECRET,
        PAYPAL_WEBHOOK_ID=WEBHOOK_ID,
        PAYPAL_API_BASE=gateway.url,
        PAYPAL_WEBHOOK_ROOTS=str(gateway.state_dir / "paypal-root.pem"),
    )


@pytest.fixture
def control(gateway: SandboxProcess) -> PayPalControl:
    return PayPalControl(gateway.url)


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
    expect_paid(page)
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
    use_hosted_page(settings, gateway.url)
    page = visitor(viewport={"width": 390, "height": 844})
    press_pay(page, shop)
    page.wait_for_url(f"{gateway.url}/checkoutnow?token=*")
    check_looks(page)
    page.get_by_role("button", name="Approve", exact=False).click()
    page.wait_for_url("**/orders/*/")
    workers_work()
    assert Order.objects.get().state == "paid"


def test_a_script_that_does_not_load_is_told(chromium: Any, shop: str) -> None:
    with page_without(chromium, "**/web-sdk/**") as page:
        press_pay(page, shop)
        expect(page.get_by_role("alert")).to_contain_text("could not be loaded. Nothing was paid.")
