"""People in a real browser: one invited and let in by a link, a strong role given by two, a token collected."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from payments.people import mfa
from tests.browser.conftest import Visitor
from tests.browser.looks import WIDE
from tests.browser.whole_shop.staff_sign_in import sign_in
from tests.browser.whole_shop.test_staff_pages import look_at
from tests.browser.whole_shop.whole import WholeShop

pytestmark = pytest.mark.timeout(300)

PASSWORD = "a long passphrase of hers"


@pytest.fixture
def admin(shop: WholeShop, visitor: Visitor) -> Page:
    """An administrator at the list of people."""
    page = visitor(viewport=WIDE)
    sign_in(page, shop, "admin")
    page.goto(f"{shop.url}/admin/auth/user/")
    return page


def preview(page: Page) -> None:
    page.get_by_role("button", name="Preview").click()


def confirm(page: Page, button: str) -> None:
    page.get_by_label("Reason").select_option(index=1)
    page.get_by_label("In your words").fill("Agreed with the team on Monday.")
    page.get_by_role("button", name=button).click()


def invited(admin: Page, name: str) -> str:
    """Invite somebody as Support; return the link."""
    look_at(admin, "people", known={"label-title-only"})
    admin.get_by_role("link", name="Invite a person").click()
    admin.get_by_label("Username").fill(name)
    admin.get_by_label("Name:", exact=True).fill("Somebody New")
    admin.get_by_label("E-mail address").fill(f"{name}@example.com")
    admin.get_by_label("Support").check()
    look_at(admin, "invite", known=set())
    preview(admin)
    confirm(admin, "Invite a person")
    admin.get_by_role("link", name="Make the link of the invitation").click()
    admin.get_by_role("button", name="Link of the invitation").click()
    link = admin.locator(".people-secret").inner_text()
    look_at(admin, "invitation link", known=set())
    return link


def enrolled(page: Page, link: str) -> tuple[bytes, str]:
    """Follow the link, set a password, enrol; return the authenticator's key and the code that is used up."""
    page.goto(link)
    picture = page.get_by_role("img", name="QR code of the key below")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    look_at(page, "invitation", known=set())
    key = base64.b32decode(page.locator(".people-secret").inner_text().replace(" ", ""))
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("The same again").fill(PASSWORD)
    code = mfa.code_at(key, datetime.now(UTC))
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your account is ready")
    expect(page.locator(".people-codes li")).to_have_count(10)
    look_at(page, "backup codes", known=set())
    return key, code


def signed_in(page: Page, name: str, key: bytes, used: str) -> None:
    """Sign in, with a code that was not used yet."""
    page.get_by_role("link", name="Sign in").click()
    while (code := mfa.code_at(key, datetime.now(UTC))) == used:
        time.sleep(1)
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_label("Code").fill(code)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_attached()


def test_invited_let_in_and_given_a_strong_role_by_two(shop: WholeShop, visitor: Visitor, admin: Page) -> None:
    link = invited(admin, "nora")
    nora = visitor(viewport=WIDE)
    signed_in(nora, "nora", *enrolled(nora, link))
    admin.goto(f"{shop.url}/admin/auth/user/")
    admin.get_by_role("link", name="nora", exact=True).click()
    look_at(admin, "person", known=set())
    admin.get_by_role("link", name="Change roles").click()
    admin.get_by_label("Lead").check()
    preview(admin)
    expect(admin.get_by_text("A second person decides.")).to_be_visible()
    confirm(admin, "Ask for it")
    expect(admin.get_by_role("button", name="Approve and do it")).to_have_count(0)
    second = visitor(viewport=WIDE)
    sign_in(second, shop, "admin2")
    second.goto(admin.url)
    second.get_by_role("button", name="Approve and do it").click()
    expect(second.get_by_role("heading", name="Executed")).to_be_visible()
    nora.goto(f"{shop.url}/admin/account/")
    expect(nora.get_by_text("Your account was changed. Please sign in again.")).to_be_visible()


def test_a_token_is_issued_by_one_and_collected_by_another(shop: WholeShop, visitor: Visitor, admin: Page) -> None:
    admin.get_by_role("link", name="support", exact=True).click()
    admin.get_by_role("link", name="Issue a token").click()
    admin.get_by_label("Name:", exact=True).fill("nightly import")
    admin.get_by_label("refunds:request").check()
    preview(admin)
    confirm(admin, "Issue a token")
    owner = visitor(viewport=WIDE)
    sign_in(owner, shop, "support")
    owner.goto(f"{shop.url}/admin/account/")
    look_at(owner, "account", known=set())
    owner.get_by_role("link", name="Collect nightly import").click()
    owner.get_by_role("button", name="Collect a token").click()
    secret = owner.locator(".people-secret").inner_text()
    look_at(owner, "token", known=set())
    told = owner.request.get(f"{shop.url}/api/v1/staff/me/", headers={"Authorization": f"Bearer {secret}"})
    assert (told.status, told.json()["user"], told.json()["may"]) == (200, "support", ["refunds:request"])
