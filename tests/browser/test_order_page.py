"""An order's page in a real browser: accessible in every situation, within its width, with and without JavaScript."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from integrations import correlation, delivery
from integrations.connectors.contract import Verdict
from integrations.contract import DeclineReason, Unavailable
from integrations.facts import Fact
from integrations.failure import Failure
from payments import notes
from payments.roles import Role
from tests.browser.conftest import Visitor
from tests.browser.looks import AXE, NARROW, PICTURES, WIDE, check_width, take_picture
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.integrations.deliveries import make_destination, make_mailbox
from tests.staff import make_staff, sign_in
from tests.world import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

LOOKS = [
    pytest.param({"color_scheme": scheme, "viewport": size}, id=f"{scheme}-{size['width']}")
    for scheme in ("light", "dark")
    for size in (WIDE, NARROW)
]


@pytest.fixture
def story(fake: FakeProvider) -> World:
    """An order that was declined, then paid, and paid once more; told to a mailbox and to a CRM that is dead."""
    now = timezone.now()
    world = World(provider=fake, order=make_order(now=now, price_minor=2100), now=now)
    make_mailbox(now=now, name="Mail to shoppers")
    make_destination(now=now, name="CRM", facts=[Fact.ORDER_PAID.value])
    world.press_pay()
    payment = fake.the_payment()
    fake.refuse_card(payment, DeclineReason.INSUFFICIENT_FUNDS)
    world.wait(seconds=70)
    with correlation.bind(""):
        world.tell(payment, "payment_intent.payment_failed")
    world.work()
    fake.fail_next = [Unavailable("no answer in time")]
    world.wait(minutes=2)
    world.work()
    fake.pay(payment)
    world.wait(minutes=2)
    with correlation.bind(""):
        world.tell(payment, "checkout.session.completed")
    world.work()
    for claimed in delivery.claim(now=world.now, limit=9):
        mail = claimed.delivery.destination.kind == "mail"
        verdict = Verdict(delivered=True) if mail else Verdict(failure=Failure.PERMANENT, hopeless=True, detail="Gone.")
        delivery.mark(claimed, verdict, now=world.now)
    fake.pay(payment)
    world.tell(payment, "charge.succeeded")
    world.work()
    ann = make_staff(Role.SUPPORT, name="ann")
    notes.add(order=world.order, user=ann, text="She called.\nShe paid twice.", uid=uuid.uuid4(), at=world.now)
    return world


def open_as(page: Page, live_server: Any, role: Role, path: str) -> None:
    """Go to a page of the back office as a person of this role."""
    client = sign_in(Client(), make_staff(role))
    value = client.cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": value, "url": live_server.url}])
    page.goto(f"{live_server.url}{path}")


def url_of(world: World) -> str:
    return reverse("admin:orders_order_change", args=[world.order_id])


def check(page: Page, name: str, look: dict[str, Any]) -> None:
    """No finding of axe at all, no sideways scroll, one heading of the first level."""
    from axe_playwright_python.sync_playwright import Axe

    check_width(page)
    take_picture(page, f"{name} {look['color_scheme']} {look['viewport']['width']}")
    found = Axe().run(page, options={**AXE, "preload": False})
    assert found.violations_count == 0, f"{page.url}: {found.generate_report()}"
    assert page.locator("h1").count() == 1


@pytest.mark.parametrize("look", LOOKS if PICTURES else LOOKS[::3])
def test_the_page_the_search_and_the_attempt(
    look: dict[str, Any], story: World, visitor: Visitor, live_server: Any
) -> None:
    page = visitor(**look)
    open_as(page, live_server, Role.LEAD, url_of(story))
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Order {story.order.number}")
    check(page, "order", look)
    for summary in page.locator("summary").all():
        summary.click()
    check(page, "order unfolded", look)
    page.goto(f"{live_server.url}{url_of(story)}?show=problems")
    check(page, "order problems", look)
    page.goto(f"{live_server.url}{reverse('backoffice:search')}?q=nothing")
    check(page, "search nothing", look)
    make_order(now=story.now)
    page.goto(f"{live_server.url}{reverse('backoffice:search')}?q=shopper@example.com")
    check(page, "search", look)
    page.goto(f"{live_server.url}{reverse('admin:payments_paymentattempt_change', args=[story.attempt.pk])}")
    check(page, "attempt", look)


@pytest.mark.parametrize("look", LOOKS[:1])
def test_who_may_little_reads_why(look: dict[str, Any], story: World, visitor: Visitor, live_server: Any) -> None:
    page = visitor(**look)
    open_as(page, live_server, Role.AUDITOR, url_of(story))
    expect(page.get_by_role("button", name="Ask the provider now")).to_be_disabled()
    check(page, "order as an auditor", look)
