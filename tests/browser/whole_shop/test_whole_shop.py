"""The whole shop in a real browser: each way a payment goes, through the real processes, as a shopper sees it.

Shop, three clusters, tick, sandbox and receiver run as in the demo. Nothing here reloads a page that should learn by
itself, and nothing settles a payment but the workers and the return page.
"""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor
from tests.browser.looks import NARROW, WIDE, check_both_looks
from tests.browser.whole_shop.whole import CHALLENGED_CARD, NO_FUNDS_CARD, WholeShop, expect_heading

pytestmark = pytest.mark.timeout(300)  # the first test waits for the processes

PENDING = "We're confirming your payment"


def test_from_the_products_to_the_receipt(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    page.goto(f"{shop.url}/")
    check_both_looks(page, "products")
    page.get_by_role("link", name="Stoneware mug").click()
    check_both_looks(page, "product")
    page.get_by_label("Quantity").fill("2")
    page.get_by_role("button", name="Add to basket").click()
    expect(page.get_by_role("status")).to_have_text("It is in your basket.")
    check_both_looks(page, "basket")
    page.get_by_role("link", name="Go to checkout").click()
    check_both_looks(page, "checkout")
    page.get_by_label("E-mail address").fill("ann@example.com")
    page.get_by_role("button", name="Place the order and pay").click()
    order = shop.placed(page)
    check_both_looks(page, "ready to pay")
    shop.go_to_provider(page)
    check_both_looks(page, "provider")
    shop.pay_by_card(page)
    expect_heading(page, f"Paid. Order {order.number}")
    assert page.url == order.order_url
    receipt = page.get_by_role("region", name="Receipt")
    expect(receipt).to_contain_text(f"Order{order.number}")
    expect(receipt).to_contain_text("$36.00")
    expect(receipt).to_contain_text("a…@example.com")
    assert page.title() == f"Paid. Order {order.number} · Harbour Goods"
    check_both_looks(page, "paid")


def test_a_declined_card_then_continue_and_pay(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=NARROW)
    order, page_id = shop.start(page)
    shop.pay_by_card(page, NO_FUNDS_CARD)
    expect(page.get_by_role("alert")).to_have_text("Your card has insufficient funds.")
    check_both_looks(page, "provider declined")
    page.get_by_role("link", name="Back to the shop").click()
    expect_heading(page, "Not paid yet")
    expect(page.get_by_text("There is not enough money on this card or account.")).to_be_visible()
    check_both_looks(page, "not paid yet declined")
    page.get_by_role("button", name="Continue").click()
    assert shop.provider_page(page) == page_id
    shop.pay_by_card(page)
    expect_heading(page, f"Paid. Order {order.number}")


def test_3d_secure_failed_then_passed(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    order, _ = shop.start(page)
    shop.pay_by_card(page, CHALLENGED_CARD)
    expect_heading(page, "Confirm your payment")
    check_both_looks(page, "provider 3d secure")
    page.get_by_role("button", name="Fail authentication").click()
    expect(page.get_by_role("alert")).to_contain_text("unable to authenticate")
    page.get_by_role("link", name="Back to the shop").click()
    expect_heading(page, "Not paid yet")
    expect(page.get_by_text("Your bank could not confirm it was you.")).to_be_visible()
    page.get_by_role("button", name="Continue").click()
    shop.provider_page(page)
    shop.pay_by_card(page, CHALLENGED_CARD)
    page.get_by_role("button", name="Complete authentication").click()
    expect_heading(page, f"Paid. Order {order.number}")


def test_3d_secure_left_unfinished_is_gone_on_with(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    order, _ = shop.start(page)
    shop.pay_by_card(page, CHALLENGED_CARD)
    expect_heading(page, "Confirm your payment")
    page.goto(order.order_url)
    expect_heading(page, "Your bank needs one more step")
    check_both_looks(page, "action needed")
    page.get_by_role("button", name="Continue").click()
    expect_heading(page, "Confirm your payment")
    page.get_by_role("button", name="Complete authentication").click()
    expect_heading(page, f"Paid. Order {order.number}")


def test_a_bank_debit_turns_the_page_to_paid_by_itself(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    order, page_id = shop.start(page)
    shop.pay_by_bank_debit(page)
    expect_heading(page, PENDING)
    expect(page.get_by_text("Please don't pay again.")).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Pay|Continue|Try"))).to_have_count(0)
    check_both_looks(page, "pending")
    shop.provider.settle(page_id)
    expect_heading(page, f"Paid. Order {order.number}")


def test_a_bank_debit_that_is_returned_can_be_tried_again(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    order, page_id = shop.start(page)
    shop.pay_by_bank_debit(page)
    expect_heading(page, PENDING)
    shop.provider.settle(page_id, success=False)
    expect(page.get_by_text("No money was taken. Your basket is kept.")).to_be_visible(timeout=30_000)
    check_both_looks(page, "failed")
    page.get_by_role("button", name="Try again").click()
    assert shop.provider_page(page) != page_id
    shop.pay_by_card(page)
    expect_heading(page, f"Paid. Order {order.number}")


def test_expired_then_a_new_payment(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    order, _ = shop.start(page)
    page.get_by_role("link", name="Back to the shop").click()
    expect_heading(page, "Not paid yet")
    check_both_looks(page, "not paid yet")
    shop.trigger("expired", order)
    expect_heading(page, "This payment link expired. No money was taken.")
    check_both_looks(page, "expired")
    page.get_by_role("button", name="Start a new payment").click()
    expect_heading(page, "Your basket")
    expect(page.get_by_role("status")).to_contain_text("in a new basket, at today's prices")
    check_both_looks(page, "basket again")
    page.get_by_role("link", name="Go to checkout").click()
    page.get_by_label("E-mail address").fill("ann@example.com")
    page.get_by_role("button", name="Place the order and pay").click()
    again = shop.placed(page)
    assert again.number != order.number


def test_closed_at_the_provider_can_be_paid_anew(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    order, page_id = shop.start(page)
    page.get_by_role("link", name="Back to the shop").click()
    expect_heading(page, "Not paid yet")
    shop.expire_at_provider(page_id)
    expect_heading(page, "Ready to pay")
    expect(page.get_by_text("Your earlier try was closed. No money was taken.")).to_be_visible()
    check_both_looks(page, "ready to pay again")
    page.get_by_role("link", name="Pay", exact=True).click()
    assert shop.go_to_provider(page) != page_id
    shop.pay_by_card(page)
    expect_heading(page, f"Paid. Order {order.number}")


def test_money_that_comes_late_is_said_to_be_extra(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    order, _ = shop.start(page)
    shop.trigger("late", order)
    page.goto(order.order_url)
    expect_heading(page, "We received an extra payment")
    expect(page.get_by_text("We will return it or use it for this order, and tell you.")).to_be_visible()
    check_both_looks(page, "extra payment")


def test_two_tabs_pay_once(shop: WholeShop, visitor: Visitor) -> None:
    first = visitor(viewport=WIDE)
    order = shop.place_order(first)
    second = first.context.new_page()
    second.goto(order.pay_url)
    expect_heading(second, "Ready to pay")
    page_id = shop.go_to_provider(first)
    expect_heading(second, "Not paid yet")  # by itself: it has learnt of the other tab
    second.get_by_role("button", name="Continue").click()
    assert shop.provider_page(second) == page_id
    shop.pay_by_card(first)
    expect_heading(first, f"Paid. Order {order.number}")
    shop.pay_by_card(second)
    expect_heading(second, f"Paid. Order {order.number}")
    second.goto(order.pay_url)
    expect_heading(second, re.compile(r"Already paid at \d\d:\d\d"))
    check_both_looks(second, "already paid")
    captured = [effect.captured_minor for effect in shop.provider.effects() if effect.session == page_id]
    assert captured == [1800]


def test_back_in_the_browser_and_pay_again_is_the_same_page(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    order, page_id = shop.start(page)
    page.go_back()
    expect_heading(page, "Not paid yet")
    page.get_by_role("button", name="Continue").click()
    assert shop.provider_page(page) == page_id
    shop.pay_by_card(page)
    expect_heading(page, f"Paid. Order {order.number}")
    page.go_back()  # to the provider's page, which takes nothing any more
    expect_heading(page, "You have already paid")
    check_both_looks(page, "provider already paid")
    page.get_by_role("link", name="Back to the shop").click()
    expect_heading(page, f"Paid. Order {order.number}")


def test_paid_is_shown_though_every_webhook_is_lost(shop: WholeShop, visitor: Visitor) -> None:
    shop.provider.webhook_rule("lose")
    page = visitor(viewport=WIDE)
    order, _ = shop.start(page)
    shop.pay_by_card(page)
    expect_heading(page, f"Paid. Order {order.number}")


def test_while_the_provider_is_down_nobody_is_told_to_pay_again(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    order, page_id = shop.start(page)
    shop.provider_down_for(page_id)
    shop.pay_by_card(page)
    expect_heading(page, "We can't confirm yet. Please don't pay again.")
    expect(page.get_by_role("button", name=re.compile("Pay|Continue|Try"))).to_have_count(0)
    check_both_looks(page, "unreachable")
    shop.provider.clear_faults()
    page.get_by_role("link", name="Check again").click()
    expect_heading(page, f"Paid. Order {order.number}")


class TestWithoutJavaScript:
    """A shopper whose browser runs no scripts."""

    def test_from_the_products_to_the_receipt(self, shop: WholeShop, visitor: Visitor) -> None:
        page = visitor(java_script_enabled=False)
        order, _ = shop.start(page)
        shop.pay_by_card(page)
        expect_heading(page, f"Paid. Order {order.number}")
        expect(page.get_by_role("region", name="Receipt")).to_contain_text("$18.00")

    def test_a_pending_page_loads_itself(self, shop: WholeShop, visitor: Visitor) -> None:
        page = visitor(java_script_enabled=False)
        order, page_id = shop.start(page)
        shop.pay_by_bank_debit(page)
        expect_heading(page, PENDING)
        shop.provider.settle(page_id)
        expect_heading(page, f"Paid. Order {order.number}")
