"""Each provider in the whole shop, from the basket to the receipt: declined first, then paid; and one that is away.

Hosted pages at Stripe, PayPal and Square, our own page around NMI's frames. Each embedded form has a file of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from integrations.sandbox.control import SandboxControl
from integrations.sandbox.nmi_control import NmiControl
from integrations.sandbox.square_control import SquareControl
from tests.browser.conftest import Visitor
from tests.browser.looks import WIDE, check_both_looks
from tests.browser.test_nmi_form import type_card
from tests.browser.whole_shop.staff_sign_in import sign_in
from tests.browser.whole_shop.test_back_office import executed, reason
from tests.browser.whole_shop.whole import NEWS_MS, NO_FUNDS_CARD, Placed, WholeShop, expect_heading

pytestmark = pytest.mark.timeout(300)

STRIPE, PAYPAL, SQUARE, NMI = "Card or bank (Stripe)", "PayPal", "Card (Square)", "Card (NMI)"
NO_FUNDS = "There is not enough money on this card or account. Use another method."
MUG_MINOR = 1800


@dataclass(frozen=True, slots=True)
class Way:
    """One provider as a shopper uses it. `page`: where *Pay* leads to. `ends`: a decline ends the attempt."""

    provider: str
    label: str
    page: str
    decline: Callable[[WholeShop, Page, Placed], None]
    pay: Callable[[WholeShop, Page], None]
    ends: bool


def decline_at_stripe(shop: WholeShop, page: Page, _: Placed) -> None:
    shop.pay_by_card(page, NO_FUNDS_CARD)
    expect(page.get_by_role("alert")).to_contain_text("insufficient funds")
    page.get_by_role("link", name="Back to the shop").click()


def decline_at_paypal(_: WholeShop, page: Page, __: Placed) -> None:
    page.get_by_role("combobox").select_option("declined-5120")
    page.get_by_role("button", name="Approve").click()


def decline_at_square(shop: WholeShop, page: Page, order: Placed) -> None:
    shop.pay_by_card(page, NO_FUNDS_CARD)
    expect(page.get_by_role("alert")).to_contain_text("Your card was declined")
    page.goto(order.pay_url)  # Square's page has no way back: by the address that the shopper has


def pay_at_nmi(_: WholeShop, page: Page, number: str = "4111 1111 1111 1111") -> None:
    button = page.get_by_role("button", name="Pay", exact=False)
    expect(button).to_be_enabled()
    type_card(page, number)
    button.click()


WAYS = (
    Way("stripe", STRIPE, "{sandbox}/c/pay/", decline_at_stripe, WholeShop.pay_by_card, ends=False),
    Way(
        "paypal",
        PAYPAL,
        "{sandbox}/checkoutnow",
        decline_at_paypal,
        lambda _, page: page.get_by_role("button", name="Approve").click(),
        ends=True,
    ),
    Way("square", SQUARE, "{sandbox}/pay/", decline_at_square, WholeShop.pay_by_card, ends=False),
    Way("nmi", NMI, "{shop}/pay/", lambda shop, page, _: pay_at_nmi(shop, page, NO_FUNDS_CARD), pay_at_nmi, ends=True),
)
BY_LABEL = {way.label: way for way in WAYS}


def choose(shop: WholeShop, page: Page, label: str) -> None:
    """Choose a way to pay and press *Pay*; wait until its page is there."""
    page.get_by_role("radio", name=label).check()
    page.get_by_role("button", name="Pay", exact=False).click()
    there(shop, page, BY_LABEL[label])


def there(shop: WholeShop, page: Page, way: Way) -> None:
    begins = way.page.format(sandbox=shop.sandboxes[way.provider], shop=shop.url)
    page.wait_for_url(lambda url: url.startswith(begins) and (way is not BY_LABEL[NMI] or url.endswith("/nmi/")))


def taken_minor(shop: WholeShop, provider: str) -> int:
    """The money that really moved at a provider, in all."""
    if provider == "nmi":
        return sum(sale["captured_minor"] for sale in NmiControl(shop.sandboxes["nmi"]).sales())
    if provider == "square":
        return sum(order["captured_minor"] for order in SquareControl(shop.sandboxes["square"]).money())
    return sum(effect.captured_minor for effect in SandboxControl(shop.sandboxes[provider]).effects())


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.provider)
def test_declined_told_why_tried_again_and_paid(way: Way, shop: WholeShop, visitor: Visitor) -> None:
    before = taken_minor(shop, way.provider)
    page = visitor(viewport=WIDE)
    order = shop.place_order(page)
    expect(page.get_by_role("radio")).to_have_count(len(WAYS))
    if way is WAYS[0]:
        check_both_looks(page, "choice of four")
    choose(shop, page, way.label)
    check_both_looks(page, f"{way.provider} page")
    way.decline(shop, page, order)
    if way.ends:
        expect_heading(page, NO_FUNDS)
        expect(page.get_by_text("No money was taken. Your basket is kept.")).to_be_visible()
        check_both_looks(page, f"{way.provider} declined")
        page.get_by_role("button", name="Try again").click()
    else:
        expect_heading(page, "Not paid yet")
        expect(page.get_by_text(NO_FUNDS)).to_be_visible()
        check_both_looks(page, f"{way.provider} declined")
        page.get_by_role("button", name="Continue").click()
    there(shop, page, way)
    assert taken_minor(shop, way.provider) == before
    way.pay(shop, page)
    expect_heading(page, f"Paid. Order {order.number}")
    assert page.url == order.order_url
    expect(page.get_by_role("region", name="Receipt")).to_contain_text(way.label)
    assert taken_minor(shop, way.provider) == before + MUG_MINOR, "paid once"


def pause(page: Page, shop: WholeShop, *, act: str, why: str) -> None:
    """Pause or resume Stripe, as Integrations does from the list of breakers."""
    page.goto(f"{shop.url}/admin/integrations/breaker/")
    page.get_by_role("link", name=f"{act} a provider…").click()
    page.get_by_label("Provider").select_option("stripe")
    page.get_by_role("button", name="Preview").click()
    reason(page, shop, "integrations", code=why, words="Their status page says so.")
    page.get_by_role("button", name=f"{act} a provider").click()
    executed(page)


def wait_until_offered(page: Page, address: str, labels: list[str]) -> None:
    """Load the page until it offers just these ways: each process reads the breakers once a second."""
    radios = page.get_by_role("radio")
    for _ in range(NEWS_MS // 500):
        page.goto(address)
        if [radios.nth(each).locator("..").inner_text().strip() for each in range(radios.count())] == labels:
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"never offered {labels}")


def test_one_that_is_paused_is_named_and_the_first_payment_is_settled_before_another_begins(
    shop: WholeShop, visitor: Visitor
) -> None:
    page, clerk = visitor(viewport=WIDE), visitor(viewport=WIDE)
    order = shop.place_order(page)
    choose(shop, page, STRIPE)
    page_id = shop.provider_page(page)
    sign_in(clerk, shop, "integrations")
    pause(clerk, shop, act="Pause", why="An incident is under way")
    try:
        page.goto(order.pay_url)
        expect_heading(page, "Not paid yet")  # what has begun there may still be paid
        page.get_by_role("link", name="Use another method").click()
        wait_until_offered(page, page.url, [PAYPAL, SQUARE, NMI])
        expect(page.get_by_text(f"{STRIPE} is not available just now.")).to_be_visible()
        check_both_looks(page, "stripe away")
        choose(shop, page, PAYPAL)
        assert shop.provider.get(page_id)["status"] == "expired", "closed before PayPal's page opened"
        page.get_by_role("button", name="Approve").click()
        expect_heading(page, f"Paid. Order {order.number}")
        again = shop.place_order(page)
        expect(page.get_by_role("radio")).to_have_count(3)
        expect(page.get_by_role("radio", name=PAYPAL)).to_be_checked()
        expect(page.get_by_text(f"{STRIPE} is not available just now.")).to_be_visible()
        check_both_looks(page, "first choice with stripe away")
    finally:
        pause(clerk, shop, act="Resume", why="What it was paused for is over")
    wait_until_offered(page, again.pay_url, [way.label for way in WAYS])


def test_who_has_paid_at_the_first_provider_begins_none_at_another(shop: WholeShop, visitor: Visitor) -> None:
    shop.provider.webhook_rule("lose")
    paypal = SandboxControl(shop.sandboxes["paypal"])
    before = len(paypal.requests(method="POST", path_prefix="/v2/checkout/orders"))
    first = visitor(viewport=WIDE)
    order = shop.place_order(first)
    choose(shop, first, STRIPE)
    second = first.context.new_page()
    second.goto(f"{order.pay_url}?other=1")
    expect_heading(second, "Use another method")
    shop.provider.pay(shop.provider_page(first))  # in the other tab, and nobody has told us
    second.get_by_role("radio", name=PAYPAL).check()
    second.get_by_role("button", name="Pay", exact=False).click()
    expect_heading(second, re.compile(f"^Paid. Order {order.number}$|^Already paid at"))
    assert len(paypal.requests(method="POST", path_prefix="/v2/checkout/orders")) == before, "no order opened there"
