"""How a test becomes one of the demo's people: `sign_in(page, shop, "support")`.

Roles by name: support, lead, finance, integrations, auditor, admin, and admin2 for what needs a second administrator.
"""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.whole_shop.whole import WholeShop


def sign_in(page: Page, shop: WholeShop, name: str) -> None:
    """Go to the back office's home as this person. Sessions are shared between tests: a code opens once in 30 s.

    A step-up is asked for once the session's sign-in is five minutes old; see `step_up`.
    """
    if cookies := shop.staff_cookies.get(name):
        page.context.clear_cookies(name="session")
        page.context.add_cookies(cookies)
        page.goto(f"{shop.url}/admin/")
        if "/admin/login/" not in page.url:
            return
    sign_in_by_form(page, shop, name)


def sign_in_by_form(page: Page, shop: WholeShop, name: str) -> None:
    """Fill in the form with a code that was not used yet, and land on the home."""
    page.goto(f"{shop.url}/admin/login/?next=/admin/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(shop.staff_password(name))
    page.get_by_label("Code").fill(shop.staff_code(name))
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_attached()
    shop.staff_cookies[name] = [
        {"name": "session", "value": str(cookie["value"]), "url": shop.url}
        for cookie in page.context.cookies(shop.url)
        if cookie.get("name") == "session"
    ]


def step_up(page: Page, shop: WholeShop, name: str) -> None:
    """Fill in password and code where the page asks for them before a dangerous act."""
    if page.get_by_label("Password").count():
        page.get_by_label("Password").fill(shop.staff_password(name))
        page.get_by_label("Code").fill(shop.staff_code(name))
