"""The timeline of an order: whole, in order, paged without loss, filtered without contradiction, and without mail
addresses."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.core.cache import cache
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from integrations import correlation, dead_letters, delivery
from integrations.connectors.contract import Verdict
from integrations.contract import DeclineReason
from integrations.facts import Fact
from integrations.failure import Failure
from integrations.models import Delivery
from orders.models import Order
from orders.transitions import move_or_record
from payments import actions, approvals, notes, staff_operations
from payments.audit import recording as audit
from payments.audit.events import Event
from payments.models import PaymentAttempt, ProviderEvent
from payments.roles import Role
from payments.timeline import SOURCES, Chip, Entry, Position, timeline_of
from payments.timeline.entry import clean
from tests.fake_provider import FakeProvider
from tests.integrations.deliveries import make_destination, make_mailbox
from tests.staff import make_staff
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    return World(provider=fake, order=order, now=now)


@pytest.fixture
def story(world: World) -> World:
    """An order that was declined, paid twice, told to a mailbox and a dead receiver, noted, and asked about."""
    make_mailbox(now=world.now, name="Mail")
    make_destination(now=world.now, name="CRM", facts=[Fact.ORDER_PAID.value])
    world.press_pay()
    payment = world.provider.the_payment()
    world.wait(minutes=1)
    world.provider.refuse_card(payment, DeclineReason.INSUFFICIENT_FUNDS)
    with correlation.bind("declined-notice-0001"):
        world.tell(payment, "payment_intent.payment_failed")
    world.work()
    world.wait(minutes=1)
    world.provider.pay(payment)
    with correlation.bind("paid-notice-00000001"):
        world.tell(payment)
    world.work()
    world.wait(minutes=1)
    for claimed in delivery.claim(now=world.now, limit=9):
        is_mail = claimed.delivery.destination.kind == "mail"
        verdict = Verdict(delivered=True) if is_mail else Verdict(failure=Failure.PERMANENT, hopeless=True)
        delivery.mark(claimed, verdict, now=world.now)
    world.wait(minutes=1)
    world.provider.pay(payment)
    world.tell(payment)
    world.work()
    world.wait(minutes=1)
    ann = make_staff(Role.SUPPORT, name="ann")
    notes.add(order=world.order, user=ann, text="She called.\nTwice.", uid=uuid.uuid4(), at=world.now)
    audit.record(Event.PROVIDER_ASKED, actor=ann, subject_kind="order", subject_id=world.order_id, at=world.now)
    dead_letters.redeliver(Delivery.objects.all(), actor=f"user:{ann.pk}", reason="mended", now=world.now)
    move_again(world)
    return world


def move_again(world: World) -> None:
    """Try a step that is not allowed."""
    with transaction.atomic():
        attempt = PaymentAttempt.objects.select_for_update().get(pk=world.attempt.pk)
        move_or_record(attempt, "failed", actor="worker:inbox", cause="look:9", at=world.now)


def whole(world: World, **options: object) -> list[Entry]:
    return list(timeline_of(world.order, size=1000, **options).entries)  # type: ignore[arg-type]


def kinds(entries: list[Entry]) -> list[str]:
    return [entry.kind for entry in entries]


def test_it_tells_the_whole_story_newest_first(story: World) -> None:
    told = whole(story)
    assert {
        *("order", "attempt", "call", "page_given", "look", "capture", "transition", "event", "fact", "try", "replay"),
        *("case", "note", "audit"),
    } == set(kinds(told))
    assert all(newer.at >= older.at for newer, older in pairwise(told))
    assert kinds(told)[-2:] == ["attempt", "order"] or kinds(told)[-1] == "order"
    titles = [entry.title for entry in told]
    for title in (
        "Order placed: 20.00 EUR",
        "Payment attempt at Stripe: 20.00 EUR",
        "Our call to Stripe: open the provider's page",
        "The shopper was sent to the pay page at Stripe",
        "Stripe told us: payment_intent.payment_failed",
        "We asked Stripe, which said: paid",
        "Stripe took 20.00 EUR for us",
        "Order: placed → paid",
        "Fact order.paid",
        "Mail “order.paid”: confirmed",
        "CRM told of order.paid: not confirmed",
        "Queued again: order.paid to CRM",
        "Note",
        "Provider asked now",
    ):
        assert title in titles, title


def test_what_moved_stands_above_the_look_that_moved_it(story: World) -> None:
    told = kinds(whole(story))
    paid = next(index for index, entry in enumerate(whole(story)) if entry.title == "Order: placed → paid")
    assert told.index("look", paid) > paid
    assert told.index("capture", paid) < told.index("look", paid)


def test_each_kind_of_row_has_one_source() -> None:
    assert len({source.kind for source in SOURCES}) == len(SOURCES) == 23


@pytest.mark.parametrize("size", [1, 2, 7])
def test_pages_lose_and_double_nothing(story: World, size: int) -> None:
    pages: list[Entry] = []
    before: Position | None = None
    for _ in range(200):
        page = timeline_of(story.order, size=size, before=before)
        assert len(page.entries) == size or page.older is None
        pages += page.entries
        before = page.older
        if before is None:
            break
        before = Position.read(str(before))
        assert before is not None
    assert pages == whole(story)


@pytest.mark.parametrize(
    "text", ["", "x", "2026-99-21T12:00:00.000000+00:00~1~1", "0000-01-01T00:00:00.000000+00:00~1~1", "~~"]
)
def test_a_position_that_is_none_is_the_newest_page(text: str) -> None:
    assert Position.read(text) is None


def test_the_filters_agree_with_what_is_shown(story: World) -> None:
    told = whole(story)
    problems = whole(story, chip=Chip.PROBLEMS)
    assert problems == [entry for entry in told if entry.problem]
    assert {"case", "try", "capture", "transition"} <= set(kinds(problems))
    assert {entry.kind for entry in whole(story, chip=Chip.MESSAGES)} == {"event", "fact", "try", "replay"}
    assert {"note", "audit", "replay", "case"} == set(kinds(whole(story, chip=Chip.PEOPLE)))
    every_chip = {id_of(entry) for chip in list(Chip)[1:] for entry in whole(story, chip=chip)}
    assert every_chip == {id_of(entry) for entry in told}


def id_of(entry: Entry) -> tuple[str, int]:
    return entry.kind, entry.pk


def test_one_correlation_id_tells_one_story(story: World) -> None:
    told = whole(story, correlation_id="paid-notice-00000001")
    assert {entry.correlation_id for entry in told} == {"paid-notice-00000001"}
    assert {"event", "look", "capture", "transition", "fact", "try"} <= set(kinds(told))
    assert whole(story, correlation_id="nothing-of-this-name") == []


def test_a_forbidden_step_names_from_to_and_rule(story: World) -> None:
    (forbidden,) = [entry for entry in whole(story) if "forbidden" in entry.tags]
    assert forbidden.title == f"Forbidden for attempt {story.attempt.pk}: paid → failed"
    assert dict(forbidden.details)["Rule"] == (
        "“failed” leads from authorized, created, pending, requires action only; it was paid. Nothing moved."
    )


def test_people_are_named(story: World) -> None:
    page = timeline_of(story.order, size=1000)
    note = next(entry for entry in page.entries if entry.kind == "note")
    assert (page.actor_of(note), note.text) == ("ann", "She called.\nTwice.")
    assert {page.actor_of(entry) for entry in page.entries if entry.kind == "replay"} == {"ann"}
    assert "worker:inbox" in {page.actor_of(entry) for entry in page.entries}


def test_dangerous_acts_and_their_approval(world: World) -> None:
    lead, finance = make_staff(Role.LEAD, name="lea"), make_staff(Role.FINANCE, name="fin")
    kind = staff_operations.get("cancel_unpaid_order")
    preview = kind.preview(world.order_id, {}, at=world.now)
    action = actions.request(
        uid=uuid.uuid4(),
        operation=kind,
        subject_id=world.order_id,
        parameters={},
        fingerprint=preview.fingerprint,
        reason_code=next(iter(kind.reasons)),
        reason="The customer wrote to us.",
        user=lead,
        via="admin",
        clock=world.clock,
    )
    world.wait(minutes=1)
    approvals.decide(action_id=action.pk, approve=True, note="Seen.", user=finance, clock=world.clock)
    people = timeline_of(world.order, chip=Chip.PEOPLE)
    assert [entry.kind for entry in people.entries] == ["transition", "approval", "action"]
    _, approval, asked = people.entries
    assert (people.actor_of(approval), people.actor_of(asked)) == ("fin", "lea")
    assert approval.text == "Seen."
    assert dict(asked.details)["In words"] == "The customer wrote to us."


def test_nothing_shows_an_address_of_the_shopper(story: World) -> None:
    cache.clear()
    assert "shopper@example.com" not in repr(whole(story))
    assert story.order.token not in repr(whole(story))


def test_what_comes_from_outside_stays_in_its_line() -> None:
    assert clean("a\r\nb\u202egnp.exe") == "a\\r\\nb\\u202egnp.exe"


def test_a_long_history_costs_what_a_short_one_does(story: World) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            timeline_of(story.order)
        return len(seen)

    before = queries()
    ProviderEvent.objects.bulk_create(
        ProviderEvent(
            provider="stripe", event_id=f"evt_more_{number}", type="charge.updated", mode="test", state="processed",
            provider_created_at=story.now, received_at=story.now + timedelta(seconds=number), body_sealed=b"",
            body_sha256="", attempt=story.attempt,
        )
        for number in range(300)
    )  # fmt: skip
    assert queries() <= before <= 29
    page = timeline_of(story.order)
    assert len(page.entries) == 50
    assert page.older is not None
