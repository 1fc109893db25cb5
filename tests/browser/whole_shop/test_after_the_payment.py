"""After the payment, by role, on the whole shop's processes: refunds, a dispute that is answered, payouts explained."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.looks import WIDE
from tests.browser.whole_shop.staff_sign_in import sign_in, step_up
from tests.browser.whole_shop.test_back_office import executed, reason
from tests.browser.whole_shop.whole import NEWS_MS, Placed, WholeShop, expect_heading

pytestmark = pytest.mark.timeout(300)

DEAR = "Wool blanket"
"""A product above REFUND_LIMITS."""


def paid_order(shop: WholeShop, visitor: Visitor, *, product: str = "Stoneware mug") -> tuple[Placed, Page]:
    """A shopper's paid order, and their page with it."""
    shopper = visitor(viewport=WIDE)
    order, _ = shop.start(shopper, product=product)
    shop.pay_by_card(shopper)
    expect_heading(shopper, re.compile("^Paid"))
    return order, shopper


def order_page(page: Page, shop: WholeShop, order: Placed) -> None:
    page.goto(f"{shop.url}/admin/orders/order/{order.number}/change/")


def reload_until(page: Page, words: str | re.Pattern[str]) -> None:
    """Reload until the page says it: workers find out by themselves."""
    for _ in range(NEWS_MS // 500):
        page.reload()
        if page.get_by_text(words).count():
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"the page never said {words}")


def ask_for_refund(page: Page, shop: WholeShop, order: Placed, *, amount: str, words: str) -> None:
    """Go from the order's page to the refund's preview, and say why."""
    order_page(page, shop, order)
    page.get_by_role("link", name="Refund…", exact=True).click()
    page.get_by_label("Amount").fill(amount)
    page.get_by_role("button", name="Preview").click()
    reason(page, shop, "lead", code="The customer asked for it", words=words)


def test_a_lead_refunds_a_part_and_the_shopper_sees_it(shop: WholeShop, visitor: Visitor) -> None:
    order, shopper = paid_order(shop, visitor)
    lead = visitor(viewport=WIDE)
    sign_in(lead, shop, "lead")
    ask_for_refund(lead, shop, order, amount="5.00", words="One handle was chipped.")
    lead.get_by_role("button", name="Refund").click()
    executed(lead)
    order_page(lead, shop, order)
    reload_until(lead, "Partially refunded")
    expect(lead.get_by_text("One handle was chipped.").first).to_be_visible()
    shopper.goto(order.order_url)
    expect_heading(shopper, "Part of your payment was refunded")
    expect(shopper.get_by_text("5.00").first).to_be_visible()


def test_above_the_limit_finance_approves_and_support_can_only_ask(shop: WholeShop, visitor: Visitor) -> None:
    order, shopper = paid_order(shop, visitor, product=DEAR)
    lead, finance = visitor(viewport=WIDE), visitor(viewport=WIDE)
    sign_in(lead, shop, "lead")
    order_page(lead, shop, order)
    lead.get_by_role("link", name="Refund…", exact=True).click()
    lead.get_by_role("button", name="Preview").click()  # all that is left
    reason(lead, shop, "lead", code="We cannot deliver", words="The last ones were broken in the warehouse.")
    lead.get_by_role("button", name="Ask for it").click()
    expect(lead.get_by_text("Requested: waits for a second person.")).to_be_visible()
    expect(lead.get_by_role("button", name="Approve and do it")).to_have_count(0)
    act = lead.url
    sign_in(finance, shop, "finance")
    finance.goto(act)
    finance.get_by_label("Note").fill("The warehouse confirms it.")
    step_up(finance, shop, "finance")
    finance.get_by_role("button", name="Approve and do it").click()
    executed(finance)
    order_page(finance, shop, order)
    reload_until(finance, "Refunded")
    shopper.goto(order.order_url)
    expect_heading(shopper, re.compile("refunded", re.IGNORECASE))


def test_a_dispute_is_answered_with_its_evidence_pack(shop: WholeShop, visitor: Visitor) -> None:
    order, shopper = paid_order(shop, visitor)
    shop.trigger("disputed", order)
    lead, finance = visitor(viewport=WIDE), visitor(viewport=WIDE)
    sign_in(lead, shop, "lead")
    sign_in(finance, shop, "finance")
    order_page(lead, shop, order)
    reload_until(lead, re.compile("[Dd]isputed"))
    lead.goto(f"{shop.url}/admin/payments/dispute/")
    lead.locator("tr", has_text=str(order.number)).get_by_role("link").first.click()
    dispute = lead.url
    expect(lead.get_by_text(re.compile("^Answer within")).first).to_be_visible()
    lead.get_by_role("link", name="Stage the evidence…").click()
    lead.get_by_label("Carrier").fill("Post")
    lead.get_by_label("Tracking number").fill("RR123456785DE")
    lead.get_by_label("Statement").fill("It was delivered on Monday and signed for.")
    lead.get_by_role("button", name="Preview").click()
    reason(lead, shop, "lead", code="We delivered what was ordered", words="The carrier has the signature.")
    lead.get_by_role("button", name="Ask for it").click()
    approve(finance, shop, lead.url)
    lead.goto(dispute)
    expect(lead.get_by_text("It was delivered on Monday and signed for.").first).to_be_visible()
    lead.get_by_role("link", name="Submit the evidence…").click()
    reason(lead, shop, "lead", code="The evidence is complete", words="Nothing is missing any more.")
    lead.get_by_role("button", name="Ask for it").click()
    approve(finance, shop, lead.url)
    lead.goto(dispute)
    reload_until(lead, "Submitted by us: the bank has it, and takes it once.")
    expect(lead.get_by_role("link", name="Submit the evidence…")).to_have_count(0)
    shop.trigger("dispute_won", order)
    reload_until(lead, re.compile("^Won"))
    shopper.goto(order.order_url)


def approve(page: Page, shop: WholeShop, act: str) -> None:
    """Agree as Finance to what somebody asked for."""
    page.goto(act)
    page.get_by_label("Note").fill("I have read it.")
    step_up(page, shop, "finance")
    page.get_by_role("button", name="Approve and do it").click()
    executed(page)


def test_a_payout_is_explained_and_one_that_is_not_has_its_case(shop: WholeShop, visitor: Visitor) -> None:
    order, _ = paid_order(shop, visitor)
    finance = visitor(viewport=WIDE)
    sign_in(finance, shop, "finance")
    shop.trigger("payout", order)
    open_newest_payout(finance, shop, after=0)
    reload_until(finance, "Explained to the cent")
    expect(finance.get_by_role("link", name=str(order.number)).first).to_be_visible()
    shop.trigger("payout_unexplained", order)
    open_newest_payout(finance, shop, after=1)
    reload_until(finance, re.compile("is not explained$"))
    finance.get_by_role("link", name=re.compile(r"^Case \d+")).click()
    expect(finance.get_by_text("A payout is not explained to the cent").first).to_be_visible()


def open_newest_payout(page: Page, shop: WholeShop, *, after: int) -> None:
    """Wait until the list has more than `after` payouts, and open the newest."""
    for _ in range(NEWS_MS // 500):
        page.goto(f"{shop.url}/admin/payments/payout/")
        links = page.locator("#result_list th a")
        if links.count() > after:
            links.first.click()
            return
        page.wait_for_timeout(500)
    raise AssertionError("no payout came")
