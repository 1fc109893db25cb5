"""A dispute is answered with its evidence pack, on the whole shop's processes: a Lead asks, Finance agrees, twice."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.looks import WIDE
from tests.browser.whole_shop.staff_sign_in import sign_in, step_up
from tests.browser.whole_shop.test_back_office import executed, new_order, reason
from tests.browser.whole_shop.test_staff_pages import DJANGOS, look_at
from tests.browser.whole_shop.whole import NEWS_MS, Placed, WholeShop

pytestmark = pytest.mark.timeout(300)


def test_a_dispute_is_answered_with_its_evidence_pack(shop: WholeShop, visitor: Visitor) -> None:
    order = new_order(shop, visitor)
    shop.trigger("paid", order)
    lead, finance = visitor(viewport=WIDE), visitor(viewport=WIDE)
    sign_in(lead, shop, "lead")
    sign_in(finance, shop, "finance")
    wait_for(lead, order_page(shop, order), "Paid at")
    shop.trigger("disputed", order)
    wait_for(lead, order_page(shop, order), "The customer's bank disputes")
    lead.get_by_role("link", name="Open the dispute").click()
    dispute = lead.url
    expect(lead.locator(".order-banner")).to_contain_text(re.compile(r"Answer within \d days? \d+ hours?, by "))
    expect(lead.get_by_text("No evidence is staged. Stage it first")).to_be_visible()
    look_at(lead, "dispute-open", known=DJANGOS)

    lead.get_by_role("link", name="Stage the evidence…").click()
    look_at(lead, "dispute-evidence-form", known=DJANGOS)
    lead.get_by_label("Tracking number").fill("JJD0099")
    lead.get_by_label("Carrier").fill("DHL")
    lead.get_by_label("Statement").fill("It was handed over at the door.")
    lead.get_by_role("button", name="Preview").click()
    expect(lead.get_by_role("region", name="Changes")).to_contain_text("It was handed over at the door.")
    look_at(lead, "dispute-evidence-preview", known=DJANGOS)
    reason(lead, shop, "lead", code="We delivered what was ordered", words="The carrier has a signature.")
    ask_and_agree(lead, finance, shop)

    wait_for(lead, dispute, "The bank has not seen it yet.")
    expect(lead.get_by_role("region", name="Evidence, text by text")).to_contain_text("JJD0099")
    look_at(lead, "dispute-staged", known=DJANGOS)
    lead.get_by_role("link", name="Submit the evidence…").click()
    reason(lead, shop, "lead", code="The evidence is complete", words="Nothing more can be had.")
    ask_and_agree(lead, finance, shop)

    wait_for(lead, dispute, "Submitted by us: the bank has it, and takes it once.")
    expect(lead.get_by_role("link", name="Submit the evidence…")).to_have_count(0)
    expect(lead.locator(".order-head")).to_contain_text("Under review")
    shop.trigger("dispute_won", order)
    wait_for(lead, dispute, "Won on ")
    expect(lead.get_by_role("region", name="Movements of money")).to_contain_text("Reinstated")
    look_at(lead, "dispute-won", known=DJANGOS)
    lead.goto(f"{shop.url}/admin/payments/dispute/")
    look_at(lead, "dispute-list", known=DJANGOS)


def order_page(shop: WholeShop, order: Placed) -> str:
    return f"{shop.url}/admin/orders/order/{order.number}/change/"


def wait_for(page: Page, url: str, words: str) -> None:
    """Reload until the page says so."""
    for _ in range(NEWS_MS // 500):
        page.goto(url)
        if page.get_by_text(words).count():
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"{words!r} never came: {page.locator('#content').inner_text()}")


def ask_and_agree(lead: Page, finance: Page, shop: WholeShop) -> None:
    """Confirm what is previewed, and let the second person agree."""
    lead.get_by_role("button", name="Ask for it").click()
    expect(lead.get_by_text("Requested: waits for a second person.")).to_be_visible()
    finance.goto(lead.url)
    step_up(finance, shop, "finance")
    finance.get_by_role("button", name="Approve and do it").click()
    executed(finance)
