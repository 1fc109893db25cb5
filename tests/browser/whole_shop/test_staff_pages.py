"""What staff and programmers open: the admin, and the API's description, under the same policy as the shop."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.looks import AXE, NARROW, WIDE, check_width, take_picture
from tests.browser.whole_shop.staff_sign_in import sign_in_by_form
from tests.browser.whole_shop.whole import WholeShop

pytestmark = pytest.mark.timeout(300)

# Serious ones in other people's markup, each of which we would have to fork a template or a bundle for. Not ours.
DJANGOS = {
    "label-title-only",  # the search box's label is a picture
}
SWAGGER_UIS = {
    "color-contrast",  # its "OAS 3.0" stamp
    "nested-interactive",  # its folded operations
    "target-size",  # the paths in them
    "select-name",  # its lists of examples
}


def look_at(page: Page, name: str, *, known: set[str]) -> None:
    """No sideways scroll at both widths, and no serious or critical finding of axe but the known ones."""
    for size in (NARROW, WIDE):
        page.set_viewport_size(size)
        check_width(page)
        take_picture(page, f"{name}-{size['width']}")
    grave = {
        finding["id"]: [node["html"][:200] for node in finding["nodes"]]
        # Without `preload`: it copies imported style sheets into inline ones, which the policy refuses, aloud.
        for finding in Axe().run(page, options={**AXE, "preload": False}).response["violations"]
        if finding["impact"] in ("serious", "critical") and finding["id"] not in known
    }
    assert not grave, f"{page.url}: {grave}"


def test_the_admin_from_signing_in_to_an_order(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    page.goto(f"{shop.url}/admin/")
    look_at(page, "admin sign in", known=set())
    page.get_by_label("Username").fill("auditor")
    page.get_by_label("Password").fill(shop.staff_password("auditor"))
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("Name, password and code do not go together")
    look_at(page, "admin sign in refused", known=set())
    sign_in_by_form(page, shop, "auditor")
    expect(page.get_by_role("heading", level=1)).to_have_text("Site administration")
    look_at(page, "admin home", known=set())
    page.locator("a[href='/admin/orders/order/']").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Select order to view")
    expect(page.locator("tr", has_text="1001").locator(".field-state_word")).to_have_text("Paid")
    look_at(page, "admin orders", known=DJANGOS)
    page.get_by_role("link", name="1001").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Order 1001")
    expect(page.get_by_role("region", name="Why")).to_contain_text("Paid")
    look_at(page, "admin order", known=set())


def test_the_api_docs_show_every_operation(shop: WholeShop, visitor: Visitor) -> None:
    page = visitor(viewport=WIDE)
    schema = page.request.get(f"{shop.url}/api/schema/?format=json").json()
    operations = sum(len(methods) for methods in schema["paths"].values())
    assert operations > 4, "refunds are among them"
    page.goto(f"{shop.url}/api/docs/")
    expect(page.locator(".opblock-summary")).to_have_count(operations)
    page.locator(".opblock-post .opblock-summary").first.click()
    expect(page.get_by_text("Idempotency-Key").first).to_be_visible()
    look_at(page, "api docs", known=SWAGGER_UIS)
