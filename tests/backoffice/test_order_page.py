"""The page of an order and its simple acts: who sees and may what, what is said, and what never leaves."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from html import unescape

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from integrations import delivery
from integrations.connectors.contract import Verdict
from integrations.contract import Unavailable
from integrations.models import Delivery
from orders.models import Order
from payments.asking import ASK_EVERY_SECONDS
from payments.models import AuditRecord, Note, PaymentAttempt, StaffAction
from payments.models.case import CaseKind
from payments.roles import Area, Role, Verb, who_may
from tests.backoffice.people import client_of, signed_in
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.integrations.deliveries import make_mailbox
from tests.staff import make_staff
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_asked_before() -> None:
    cache.clear()


@pytest.fixture
def world(fake: FakeProvider) -> World:
    """An order placed now, since the pages read the real clock, with the pay page open."""
    now = timezone.now()
    world = World(provider=fake, order=make_order(now=now), now=now)
    world.press_pay()
    return world


def url(order: Order, **query: str) -> str:
    return reverse("admin:orders_order_change", args=[order.pk], query=query or None)


def text_of(client: Client, order: Order, **query: str) -> str:
    answer = client.get(url(order, **query))
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def plain(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@pytest.mark.parametrize("role", list(Role))
def test_every_role_sees_the_order_masked(world: World, role: Role) -> None:
    page = text_of(signed_in(role), world.order)
    assert "s•••@example.com" in page
    assert "shopper@example.com" not in page
    assert "https://pay.test/" not in page  # whoever holds the pay page's address can pay in the shopper's place
    assert f"Order {world.order.number}" in page
    assert "The pay page at Stripe is open, not paid yet" in page
    assert "TEST" in page


def test_nobody_else_sees_it(world: World, client: Client) -> None:
    assert client.get(url(world.order)).status_code == 302
    assert client_of(make_staff()).get(url(world.order)).status_code in (302, 403)


def test_it_is_read_only(world: World) -> None:
    assert signed_in(Role.LEAD).post(url(world.order), {"state": "paid"}).status_code == 405
    assert signed_in(Role.LEAD).get(reverse("admin:orders_order_change", args=[999_999])).status_code == 404


def test_each_act_is_offered_or_says_why_not(world: World) -> None:
    page = plain(text_of(signed_in(Role.AUDITOR), world.order))
    assert f"Your roles do not let you do asking the provider now. {who_may(Verb.DO, Area.ASK_PROVIDER)}" in page
    assert "Your roles do not let you do notes and mails." in page
    assert "Your roles do not let you cancel" in page
    assert "Reveal the e-mail address…" in page
    page = text_of(signed_in(Role.SUPPORT), world.order)
    assert reverse("backoffice:ask", args=[world.order_id]) in page
    assert reverse("backoffice:note", args=[world.order_id]) in page
    assert "Your roles do not let you reveal the e-mail address." in plain(page)


def test_an_order_that_nobody_began_to_pay_cannot_be_asked_about(order: Order) -> None:
    page = text_of(signed_in(Role.SUPPORT), order)
    assert "No payment has reached a provider yet: there is nothing to ask about." in page


def test_the_timeline_with_its_filters(world: World) -> None:
    client = signed_in(Role.SUPPORT)
    everything = text_of(client, world.order)
    assert "Payment attempt at Stripe: 20.00 EUR" in everything
    assert "Order placed: 20.00 EUR" in everything
    messages = text_of(client, world.order, show="messages")
    assert "Order placed: 20.00 EUR" not in messages
    assert 'aria-current="true">Messages' in messages
    for odd in ({"show": "x' onload="}, {"before": "x"}, {"cid": "\x00<script>"}):
        assert "<script>" not in client.get(url(world.order, **odd)).content.decode()


def test_hostile_fields_are_escaped(world: World) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    PaymentAttempt.objects.update(look_error=hostile, look_failures=1, intent_id=hostile, decline_code=hostile[:90])
    Order.objects.update(email=f'"{hostile}"@example.com')
    Note.objects.create(order=world.order, author=make_staff(), text=hostile, at=world.now)
    page = signed_in(Role.LEAD).get(url(world.order)).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_rows_link_only_to_pages_this_person_may_open(world: World, fake: FakeProvider) -> None:
    fake.pay(fake.the_payment(), amount_minor=1)
    world.wait(minutes=1)
    world.work()
    case = world.order.cases.get(kind=CaseKind.AMOUNT_MISMATCH)
    link = reverse("admin:payments_case_change", args=[case.pk])
    assert link in text_of(signed_in(Role.FINANCE), world.order)
    assert link not in text_of(signed_in(Role.SUPPORT), world.order)
    assert f"Case {case.pk}" in text_of(signed_in(Role.SUPPORT), world.order)


# --- notes -----------------------------------------------------------------------------------------------------


def test_a_note_is_kept_and_shown(world: World) -> None:
    client = client_of(make_staff(Role.SUPPORT, name="ann"))
    form = {"uid": str(uuid.uuid4()), "text": "She will call again."}
    address = reverse("backoffice:note", args=[world.order_id])
    client.post(address, form)
    page = plain(client.post(address, form, follow=True).content.decode())
    assert "The note is kept." in page
    assert page.count("She will call again.") == 1
    assert "by ann" in page


def test_a_note_needs_role_words_and_a_whole_form(world: World) -> None:
    address = reverse("backoffice:note", args=[world.order_id])
    form = {"uid": str(uuid.uuid4()), "text": "x"}
    assert signed_in(Role.ADMIN).post(address, form).status_code == 403
    support = signed_in(Role.SUPPORT)
    assert support.get(address).status_code == 405
    assert "This form was not complete" in support.post(address, {"text": "x"}, follow=True).content.decode()
    assert "Write what the next" in support.post(address, {**form, "text": " "}, follow=True).content.decode()
    assert Client(enforce_csrf_checks=True).post(address, form).status_code == 403
    assert not Note.objects.exists()


# --- mails -----------------------------------------------------------------------------------------------------


def test_a_mail_is_sent_again_from_the_page(world: World, fake: FakeProvider) -> None:
    make_mailbox(now=world.now)
    client = signed_in(Role.SUPPORT)
    assert "No mail to the shopper was ever due for this order." in text_of(client, world.order)
    fake.pay(fake.the_payment())
    world.wait(minutes=1)
    world.work()
    for claimed in delivery.claim(now=world.now, limit=9):
        delivery.mark(claimed, Verdict(delivered=True), now=world.now)
    address = reverse("backoffice:resend", args=[world.order_id])
    page = text_of(client, world.order)
    assert address in page
    chosen = re.search(r'<option value="(\d+)">', page)
    assert chosen
    form = {"delivery": chosen[1], "reason": "She never got it."}
    assert signed_in(Role.AUDITOR).post(address, form).status_code == 403
    assert "Say in a few words why" in client.post(address, {"delivery": "x"}, follow=True).content.decode()
    assert "The mail is sent once more." in client.post(address, form, follow=True).content.decode()
    assert Delivery.objects.filter(repeats__isnull=False).count() == 1


# --- ask the provider ------------------------------------------------------------------------------------------


def ask(client: Client, world: World) -> str:
    answer = client.post(reverse("backoffice:ask", args=[world.order_id]), follow=True)
    found = re.search(r'<ul class="messagelist">(.*?)</ul>', unescape(answer.content.decode()), re.DOTALL)
    return plain(found[1]) if found else f"{answer.status_code}"


def test_asking_settles_what_the_provider_says(world: World, fake: FakeProvider) -> None:
    fake.pay(fake.the_payment())
    ann = make_staff(Role.SUPPORT)
    assert ask(client_of(ann), world) == "Stripe answered: paid. The order is now paid."
    record = AuditRecord.objects.get(event="provider_asked")
    assert (record.actor, record.subject_kind, record.subject_id) == (f"user:{ann.pk}", "order", world.order_id)
    assert world.attempt.state == "paid"


def test_asking_tells_of_no_news_and_of_no_answer(world: World, fake: FakeProvider) -> None:
    client = signed_in(Role.INTEGRATIONS)
    assert ask(client, world) == "Stripe answered: pending, its page is open, as before."
    cache.clear()
    fake.fail_next = [Unavailable("no answer in time")]
    assert ask(client, world).startswith("Stripe did not answer: unavailable: no answer in time. We ask again at ")


def test_asking_again_at_once_is_refused_whoever_asks(world: World, fake: FakeProvider) -> None:
    ask(signed_in(Role.SUPPORT), world)
    calls = len(fake.calls)
    assert ask(signed_in(Role.LEAD), world) == f"Somebody asked a moment ago. Ask again in {ASK_EVERY_SECONDS} seconds."
    assert len(fake.calls) == calls


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.ADMIN])
def test_who_may_not_ask(world: World, fake: FakeProvider, role: Role) -> None:
    calls = len(fake.calls)
    assert ask(signed_in(role), world) == "403"
    assert signed_in(Role.SUPPORT).get(reverse("backoffice:ask", args=[world.order_id])).status_code == 405
    assert len(fake.calls) == calls
    assert not AuditRecord.objects.filter(event="provider_asked").exists()


# --- reveal ----------------------------------------------------------------------------------------------------


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found
    return found[1]


@pytest.mark.usefixtures("recent_step_up")
@pytest.mark.django_db(transaction=True)
def test_an_address_is_revealed_once_to_whoever_asked(world: World) -> None:
    lea = make_staff(Role.LEAD)
    client, other = client_of(lea), signed_in(Role.LEAD)
    act = reverse("backoffice:act", args=["reveal_person", world.order_id])
    page = client.get(act).content.decode()
    assert "s•••@example.com" in page
    form = {
        "stage": "confirm", "uid": hidden(page, "uid"), "fingerprint": hidden(page, "fingerprint"),
        "reason_code": "reach_customer", "reason": "The parcel came back to us.",
    }  # fmt: skip
    done = client.post(act, form, follow=True).content.decode()
    action = StaffAction.objects.get()
    person = reverse("backoffice:person", args=[action.pk])
    assert person in done
    assert "shopper@example.com" not in done
    assert other.get(person).status_code == other.post(person).status_code == 403
    assert "shopper@example.com" not in client.get(person).content.decode()
    shown = client.post(person)
    assert "shopper@example.com" in shown.content.decode()
    assert "no-store" in shown.headers["Cache-Control"]
    again = client.post(person, follow=True).content.decode()
    assert "It is shown once" in again
    assert "shopper@example.com" not in again
    records = AuditRecord.objects.filter(event="revealed").order_by("pk")
    assert [record.details["shown"] for record in records] == [False, True]
    assert {record.actor for record in records} == {f"user:{lea.pk}"}
    assert "shopper@example.com" not in str(StaffAction.objects.values().get())
    assert "shopper@example.com" not in str(list(AuditRecord.objects.values()))


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.FINANCE, Role.ADMIN])
def test_who_may_not_reveal(world: World, role: Role) -> None:
    act = reverse("backoffice:act", args=["reveal_person", world.order_id])
    assert signed_in(role).get(act).status_code == 403


# --- search ----------------------------------------------------------------------------------------------------


def search(client: Client, typed: str) -> str:
    """Return where one finding leads, or the page's text."""
    answer = client.get(reverse("backoffice:search"), {"q": typed})
    return answer.headers.get("Location") or plain(unescape(answer.content.decode()))


def test_one_finding_is_the_answer(world: World) -> None:
    client = signed_in(Role.SUPPORT)
    for typed in (str(world.order.number), world.attempt.reference, "SHOPPER@example.com", "20.00 EUR today"):
        assert search(client, typed) == url(world.order)


def test_several_findings_are_listed_masked(world: World, now: datetime) -> None:
    make_order(now=world.now)
    page = search(signed_in(Role.SUPPORT), "shopper@example.com")
    assert "2 orders found for shopper@example.com" in page
    assert page.count("s•••@example.com") == 2


def test_nothing_found_is_explained_and_escaped(world: World) -> None:
    client = signed_in(Role.SUPPORT)
    answer = client.get(reverse("backoffice:search"), {"q": "<script>alert(1)</script>"}).content.decode()
    assert "<script>alert" not in answer
    assert "What can be searched for" in answer
    assert "Type something to search for." in search(client, "")


def test_a_finding_that_this_person_may_not_open(world: World, fake: FakeProvider) -> None:
    from django.db import transaction

    from payments.cases.opening import open_case

    with transaction.atomic():
        case = open_case(
            CaseKind.AMOUNT_MISMATCH, subject_kind="attempt", subject_id=1, ours="a", theirs="b", suggested_fix="c",
            at=world.now,
        )  # fmt: skip
    assert "your roles do not let you open it" in search(signed_in(Role.SUPPORT), f"case {case.pk}")
    assert search(signed_in(Role.LEAD), f"case {case.pk}") == reverse("admin:payments_case_change", args=[case.pk])


def test_only_who_sees_orders_may_search(client: Client) -> None:
    assert client.get(reverse("backoffice:search"), {"q": "1001"}).status_code == 302
    assert client_of(make_staff()).get(reverse("backoffice:search"), {"q": "1001"}).status_code in (302, 403)


def test_the_box_stands_on_every_page(world: World) -> None:
    client = signed_in(Role.SUPPORT)
    for address in (reverse("admin:index"), reverse("admin:orders_order_changelist"), url(world.order)):
        assert 'role="search"' in client.get(address).content.decode()


def test_the_list_of_orders_masks_addresses(world: World) -> None:
    page = signed_in(Role.SUPPORT).get(reverse("admin:orders_order_changelist")).content.decode()
    assert "s•••@example.com" in page
    assert "shopper@example.com" not in page
