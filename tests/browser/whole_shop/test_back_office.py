"""The back office by role, on the whole shop's processes: a dead CRM's letters, and a correction that takes two."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.looks import WIDE
from tests.browser.whole_shop.staff_sign_in import sign_in, step_up
from tests.browser.whole_shop.whole import NEWS_MS, Placed, WholeShop

pytestmark = pytest.mark.timeout(300)
RECEIVER = "Demo receiver"


def reason(page: Page, shop: WholeShop, name: str, *, code: str, words: str) -> None:
    """Fill in why, and the step-up where it is asked for."""
    page.get_by_label("Reason").select_option(label=code)
    page.get_by_label("In your words").fill(words)
    step_up(page, shop, name)


def executed(page: Page) -> None:
    """The act's own page says that it was done."""
    heading = page.get_by_role("heading", level=2).first
    assert heading.inner_text() == "Executed: done as the preview said.", page.locator("#content").inner_text()


def new_order(shop: WholeShop, visitor: Visitor) -> Placed:
    return shop.place_order(visitor(viewport=WIDE))


def test_a_dead_receivers_letters_go_out_again_one_first(shop: WholeShop, visitor: Visitor) -> None:
    first, second = new_order(shop, visitor), new_order(shop, visitor)
    page = visitor(viewport=WIDE)
    sign_in(page, shop, "integrations")
    shop.trigger("receiver_gone", first)
    try:
        shop.trigger("paid", first)
        wait_for_dead_letters(page, shop, 1)
        enable(page, shop)  # too soon: it is still gone
        shop.trigger("paid", second)
        wait_for_dead_letters(page, shop, 2)
    finally:
        shop.receiver_answers_again()
    enable(page, shop)
    page.goto(f"{shop.url}/admin/dead-letters/")
    page.get_by_role("link", name="Replay one first…").first.click()
    page.get_by_role("button", name="Preview").click()
    reason(page, shop, "integrations", code="The receiver is mended", words="Their release was taken back.")
    page.get_by_role("button", name="Replay one first").click()
    executed(page)
    wait_for_canary(page, shop)
    page.get_by_role("link", name=re.compile("^Replay all")).first.click()
    page.get_by_role("button", name="Preview").click()
    reason(page, shop, "integrations", code="The receiver is mended", words="The first one has arrived.")
    page.get_by_role("button", name="Replay all that match").click()
    executed(page)
    page.goto(f"{shop.url}/admin/dead-letters/")
    expect(page.get_by_text("No dead letter.")).to_be_visible()


def wait_for_dead_letters(page: Page, shop: WholeShop, count: int) -> None:
    """Reload until so many letters are dead; the receiver is disabled by its 410."""
    for _ in range(NEWS_MS // 500):
        page.goto(f"{shop.url}/admin/dead-letters/")
        if page.get_by_role("heading", name=re.compile(f"^{count} for ")).count():
            return
        page.wait_for_timeout(500)
    raise AssertionError("no letter died")


def enable(page: Page, shop: WholeShop) -> None:
    """Take the disabled receiver into use again, and tell it what it missed."""
    page.goto(f"{shop.url}/admin/integrations/destination/")
    page.get_by_role("link", name=RECEIVER).click()
    page.get_by_role("link", name="Enable the receiver…").click()
    page.get_by_label("Also tell it what it missed").check()
    page.get_by_role("button", name="Preview").click()
    reason(page, shop, "integrations", code="It is mended", words="Their release was taken back.")
    page.get_by_role("button", name="Enable the receiver").click()
    executed(page)


def wait_for_canary(page: Page, shop: WholeShop) -> None:
    for _ in range(NEWS_MS // 500):
        page.goto(f"{shop.url}/admin/dead-letters/")
        if page.get_by_text(re.compile("^delivered:")).count() or page.get_by_text("No dead letter.").count():
            return
        page.wait_for_timeout(500)
    raise AssertionError("the one that went first did not arrive")


def test_a_correction_takes_two_and_is_seen_by_the_auditor(shop: WholeShop, visitor: Visitor) -> None:
    order = new_order(shop, visitor)
    shop.trigger("late", order)
    lead, finance, auditor = (visitor(viewport=WIDE) for _ in range(3))
    sign_in(lead, shop, "lead")
    ask_to_reopen(lead, shop, order)
    act = lead.url
    expect(lead.get_by_text("You asked for this yourself. A second person must decide.")).to_be_visible()
    expect(lead.get_by_role("button", name="Approve and do it")).to_have_count(0)
    sign_in(finance, shop, "finance")
    finance.goto(act)
    finance.get_by_label("Note").fill("The money is there.")
    step_up(finance, shop, "finance")
    finance.get_by_role("button", name="Approve and do it").click()
    executed(finance)
    finance.goto(f"{shop.url}/admin/orders/order/{order.number}/change/")
    expect(finance.get_by_text("They still want the lamp.").first).to_be_visible()
    sign_in(auditor, shop, "auditor")
    auditor.goto(f"{shop.url}/admin/payments/staffaction/")
    row = auditor.locator("tr", has_text=str(order.number))
    expect(row.first).to_contain_text("Reopen and apply the late money")
    expect(row.first).to_contain_text("Executed")


def ask_to_reopen(page: Page, shop: WholeShop, order: Placed) -> None:
    """Wait until the late money is seen, and ask for it to be applied."""
    for _ in range(NEWS_MS // 500):
        page.goto(f"{shop.url}/admin/act/reopen_with_late_money/{order.number}/")
        if page.get_by_label("Reason").count():
            break
        page.wait_for_timeout(500)
    reason(page, shop, "lead", code="The customer still wants the order", words="They still want the lamp.")
    page.get_by_role("button", name="Ask for it").click()
    expect(page.get_by_text("Requested: waits for a second person.")).to_be_visible()
