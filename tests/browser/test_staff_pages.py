"""What staff and programmers open: the admin, and the API's description, under the same policy as the shop."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.looks import AXE, NARROW, WIDE, take_picture
from tests.browser.whole import WholeShop

pytestmark = pytest.mark.timeout(300)


def grave_findings(page: Page) -> list[str]:
    """Return axe's serious and critical findings, in words."""
    found = Axe().run(page, options=AXE).response["violations"]
    return [
        f"{finding['id']}: {finding['help']} ({len(finding['nodes'])}): {finding['nodes'][0]['html'][:200]}"
        for finding in found
        if finding["impact"] in ("serious", "critical")
    ]


def look_at(page: Page, name: str) -> None:
    """Nothing grave, no sideways scroll, on a telephone and on a desk."""
    for size in (NARROW, WIDE):
        page.set_viewport_size(size)
        take_picture(page, f"{name}-{size['width']}")
        print(name, size["width"], page.evaluate("document.documentElement.scrollWidth"), grave_findings(page))


def test_the_admin_from_signing_in_to_an_order(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    page.goto(f"{shop.url}/admin/")
    look_at(page, "admin sign in")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(shop.admin_password)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Site administration")
    look_at(page, "admin home")
    page.locator("a[href='/admin/orders/order/']").first.click()
    look_at(page, "admin orders")
    page.get_by_role("link", name="1001").click()
    look_at(page, "admin order")


def test_the_api_docs_show_every_operation(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    page.goto(f"{shop.url}/api/docs/")
    expect(page.get_by_text(re.compile("Orders and payments")).first).to_be_visible()
    look_at(page, "api docs")
