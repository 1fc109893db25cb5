"""Every screen of the back office as a picture: accessible, within its width, light and dark, at a desk and in a hand.

`make screenshots` runs this over all four looks and keeps the pictures; `make test` looks at two of them. A model that
is registered, and a kind of act, is looked at without being named here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Literal, NamedTuple

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, ViewportSize

from payments import staff_operations
from payments.roles import Role
from tests.backoffice.filled import Filled, fill
from tests.browser.conftest import Visitor
from tests.browser.looks import AXE, NARROW, OF_THE_LOOK, PICTURES, WIDE, take_picture
from tests.fake_provider import FakeProvider
from tests.staff import make_staff, sign_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]


class Look(NamedTuple):
    """How a page is looked at."""

    scheme: Literal["light", "dark"]
    size: ViewportSize


DJANGOS = {
    "label-title-only",  # the search box's label is a picture, in Django's own template
}
LOOKS: dict[str, Look] = {
    f"{look.scheme}-{look.size['width']}": look
    for look in (Look("light", WIDE), Look("dark", NARROW), Look("dark", WIDE), Look("light", NARROW))
}
SHOWN = list(LOOKS) if PICTURES else list(LOOKS)[:2]


@pytest.fixture
def filled(fake: FakeProvider) -> Filled:
    return fill(fake, now=timezone.now() - timedelta(hours=2))


@pytest.fixture
def everybody(live_server: Any) -> dict[str, str]:
    """Sessions by name: one person a role, and one with all of them."""
    people = {role.lower(): make_staff(role) for role in Role} | {"all": make_staff(*Role, name="all-roles")}
    return {name: sign_in(Client(), person).cookies["session"].value for name, person in people.items()}


def screens(filled: Filled) -> Iterator[tuple[str, str]]:
    """Yield the name and the path of each screen that a person with all roles can open."""
    yield "home", reverse("admin:index")
    for model, model_admin in sorted(admin.site._registry.items(), key=lambda pair: pair[0]._meta.label_lower):
        info = (model._meta.app_label, model._meta.model_name)
        yield f"{info[1]}-list", reverse("admin:{}_{}_changelist".format(*info))
        row = model._default_manager.order_by("-pk").first()
        if row is not None and model_admin.has_view_or_change_permission(_request_of_all()):
            yield f"{info[1]}-page", reverse("admin:{}_{}_change".format(*info), args=[row.pk])
    for kind in staff_operations.all_operations():
        yield f"act-{kind.name}", reverse("backoffice:act", args=[kind.name, filled.subject_of(kind)])
    yield from filled.more_screens()


def _request_of_all() -> Any:
    from django.contrib.auth import get_user_model
    from django.test import RequestFactory

    request = RequestFactory().get("/")
    request.user = get_user_model().objects.get(username="all-roles")
    return request


@pytest.mark.slow
def test_each_screen(filled: Filled, everybody: dict[str, str], visitor: Visitor, live_server: Any) -> None:
    page = open_as(visitor, live_server, everybody["all"])
    found: list[str] = []
    for name, path in screens(filled):
        answer = page.goto(f"{live_server.url}{path}")
        if answer is None or answer.status != 200:
            found.append(f"{path}: {answer and answer.status}")
            continue
        found += look_at_all(page, f"admin-{name}")
    assert not found, "\n".join(found)


def test_the_home_of_each_role(filled: Filled, everybody: dict[str, str], visitor: Visitor, live_server: Any) -> None:
    for name, session in everybody.items():
        page = open_as(visitor, live_server, session)
        page.goto(f"{live_server.url}/admin/")
        assert not look_at_all(page, f"admin-home-{name}")


def open_as(visitor: Visitor, live_server: Any, session: str) -> Page:
    page = visitor()
    page.context.add_cookies([{"name": "session", "value": session, "url": live_server.url}])
    return page


def look_at_all(page: Page, name: str) -> list[str]:
    """Return what is wrong in each look. The page is asked for once: scheme and width are for its style alone."""
    found = []
    for look in SHOWN:
        page.emulate_media(color_scheme=LOOKS[look].scheme)
        page.set_viewport_size(LOOKS[look].size)
        page.evaluate("document.getAnimations().forEach(fading => fading.finish())")
        found += look_at(page, f"{name}-{look}", rules=AXE if look == SHOWN[0] else OF_THE_LOOK)
    return found


def look_at(page: Page, name: str, *, rules: dict[str, Any]) -> list[str]:
    """Return what is wrong: findings of axe, sideways scroll, not one heading; keep a picture where they are kept."""
    found = [
        f"{page.url}: {finding['id']}: {[node['html'][:160] for node in finding['nodes'][:3]]}"
        # Without `preload`: it copies imported style sheets into inline ones, which the policy refuses, aloud.
        for finding in Axe().run(page, options={**rules, "preload": False}).response["violations"]
        if finding["id"] not in DJANGOS
    ]
    width = page.viewport_size["width"] if page.viewport_size else 0
    if (wide := page.evaluate("document.documentElement.scrollWidth")) > width:
        found.append(f"{page.url}: {wide} px wide, the window {width}")
    if (headings := page.locator("h1").count()) != 1:
        found.append(f"{page.url}: {headings} headings of the first level")
    take_picture(page, re.sub(r"[^a-z0-9-]+", "-", name))
    return found
