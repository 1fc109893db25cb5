"""Support answers "I paid but it says pending", in the whole shop with its processes: two clicks, seconds."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.looks import WIDE
from tests.browser.whole_shop.staff_sign_in import sign_in
from tests.browser.whole_shop.whole import WholeShop

pytestmark = pytest.mark.timeout(300)

FROM_SEARCH_TO_ANSWER_SECONDS = 10


def test_i_paid_but_it_says_pending(shop: WholeShop, visitor: Visitor) -> None:
    support = visitor(viewport=WIDE)
    sign_in(support, shop, "support")
    shop.provider.webhook_rule("lose")
    order, page_id = shop.start(visitor())
    shop.provider.pay(page_id)  # on another device: nobody comes back to tell us
    began = time.monotonic()
    support.get_by_role("searchbox", name="Find an order").fill(str(order.number))
    support.get_by_role("button", name="Search").click()  # one click: why
    expect(support.get_by_role("heading", level=1)).to_have_text(f"Order {order.number}")
    why = support.get_by_role("region", name="Why")
    expect(why).to_contain_text(re.compile(r"The pay page at Stripe is open, not paid yet|Paid at"))
    expect(why).to_contain_text("Next:")
    support.get_by_role("button", name="Ask the provider now").click()  # the other: the answer
    expect(support.locator(".messagelist")).to_contain_text("Stripe answered: paid")
    seconds = time.monotonic() - began
    expect(why).to_contain_text("Paid at")
    timeline = support.get_by_role("region", name="Timeline, newest first")
    expect(timeline).to_contain_text("Provider asked now by Support")
    support.get_by_text("Show the text").click()
    expect(support.get_by_role("textbox", name="Reply to the customer")).to_have_value(
        re.compile(rf"order {order.number} .*Your payment of .* reached us", re.DOTALL)
    )
    assert seconds < FROM_SEARCH_TO_ANSWER_SECONDS, seconds


def test_it_works_without_javascript(shop: WholeShop, visitor: Visitor) -> None:
    order, _ = shop.start(visitor())
    signing_in = visitor(viewport=WIDE)
    sign_in(signing_in, shop, "support")
    support = visitor(viewport=WIDE, java_script_enabled=False)
    sign_in(support, shop, "support")
    support.get_by_role("searchbox", name="Find an order").fill(f"order {order.number}")
    support.get_by_role("button", name="Search").click()
    support.get_by_text("Write a note…").click()
    support.get_by_label("What the next reader should know").fill("She will call again.")
    support.get_by_role("button", name="Keep the note").click()
    expect(support.locator(".messagelist")).to_contain_text("The note is kept.")
    support.get_by_role("link", name="People").click()
    expect(support.locator(".timeline")).to_contain_text("She will call again.")
    expect(support.locator(".timeline")).not_to_contain_text("Order placed")
