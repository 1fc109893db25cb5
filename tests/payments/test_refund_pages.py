"""What shoppers and staff read of refunds: pages, receipt, timeline, why, search; from real rows."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.urls import reverse

from orders.models import Order
from payments import finding, searching
from payments.models import Capture
from payments.refunds.arrival import ARRIVES_WITHIN
from payments.settlement import look
from payments.shop.order_view import version_of, view_of
from payments.shop.pages import page_for, receipt_for
from payments.situation import situation_of
from payments.timeline import timeline_of
from payments.why import why
from tests.fake_provider import FakeProvider, Payment
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    fake.pay(fake.the_payment())
    look(world.attempt.pk, clock=world.clock, actor="test")
    return world


@pytest.fixture
def payment(world: World) -> Payment:
    return world.provider.the_payment()


def read(world: World) -> tuple[str, str]:
    """Return the heading and all text of the shopper's page."""
    page = page_for(view_of(world.order, now=world.now))
    return page.heading, " ".join(page.text)


class TestTheShopper:
    def test_part_of_it(self, world: World) -> None:
        before = version_of(world.order)
        world.refund(500)
        heading, text = read(world)
        assert heading == "Part of your payment was refunded"
        arrives = world.now + ARRIVES_WITHIN
        assert "We sent back €5.00 of €20.00." in text
        assert "€5.00 on 21 November 2026, 12:00 UTC." in text
        assert f"It arrives by {arrives.day} {arrives:%B %Y}." in text
        assert ("Returned to you", "€5.00") in receipt_for(view_of(world.order, now=world.now))
        assert version_of(world.order) != before, "the page in an open tab reloads itself"

    def test_all_of_it_in_two(self, world: World) -> None:
        world.refund(500)
        world.refund()
        heading, text = read(world)
        assert heading == "Your payment was refunded"
        assert "€5.00 on" in text
        assert "€15.00 on" in text

    def test_one_that_failed_was_never_sent(self, world: World) -> None:
        refund = world.refund()
        world.provider.decide_refund(refund.refund_id, "failed")
        look(world.attempt.pk, clock=world.clock, actor="test")
        assert read(world)[0] == f"Paid. Order {world.order.number}"

    def test_a_duplicate_that_went_back(self, world: World, payment: Payment) -> None:
        extra = world.provider.pay(payment)
        look(world.attempt.pk, clock=world.clock, actor="test")
        assert read(world)[0] == "We received an extra payment"
        world.refund(capture=Capture.objects.get(capture_id=extra.capture_id))
        heading, text = read(world)
        assert heading == f"Paid. Order {world.order.number}"
        assert "We sent an extra payment back: €20.00 on" in text

    def test_of_late_money_it_never_says_that_no_money_was_taken(
        self, fake: FakeProvider, order: Order, now: datetime
    ) -> None:
        world = World(provider=fake, order=order, now=now)
        world.press_pay()
        world.wait(minutes=61)
        world.work()
        fake.pay(fake.the_payment())
        look(world.attempt.pk, clock=world.clock, actor="test")
        world.refund()
        heading, text = read(world)
        assert heading == "This payment link expired."
        assert "We sent an extra payment back" in text
        assert world.cases() == [], "the case of late money is mended"


class TestStaff:
    def test_why_while_it_is_on_its_way(self, world: World) -> None:
        world.provider.refund_status = "pending"
        world.refund(500)
        answer = why(situation_of(world.order, at=world.now))
        assert answer.rule == "refund_on_its_way"
        assert answer.next_at == world.attempt.next_look_at

    def test_why_when_it_failed(self, world: World) -> None:
        refund = world.refund(500)
        world.provider.decide_refund(refund.refund_id, "failed", why="lost_or_stolen_card")
        look(world.attempt.pk, clock=world.clock, actor="test")
        assert why(situation_of(world.order, at=world.now)).rule == "refund_failed"

    def test_the_timeline_tells_of_it_and_of_each_step(self, world: World) -> None:
        world.refund(500)
        kinds = [entry.kind for entry in timeline_of(world.order).entries]
        titles = [entry.title for entry in timeline_of(world.order).entries]
        assert "refund" in kinds
        assert "We asked Stripe to give 5.00 EUR back" in titles
        assert any("pending → succeeded" in title for title in titles)

    def test_it_is_found_by_either_name(self, world: World) -> None:
        refund = world.refund(500)
        for word in (refund.refund_id, refund.reference, f"refund {refund.pk}"):
            found = finding.find(searching.question_of(word, today=world.now.date()))
            assert [order.pk for order, _ in found.orders] == [world.order_id], word

    def test_its_page_has_an_address(self, world: World) -> None:
        assert reverse("admin:payments_refund_change", args=[world.refund(500).pk])
