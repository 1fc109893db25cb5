"""Looks that cross: one with the higher number was answered first and settled last. What it was told is older."""

from __future__ import annotations

from datetime import datetime

import pytest

from integrations.contract import PaymentSnapshot, UnknownObject
from orders.models import Order
from payments import settlement
from payments.models import Dispute
from payments.settlement import LookResult, Outcome, look
from tests.fake_provider import FakeProvider, Payment
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    return World(provider=fake, order=order, now=now)


@pytest.fixture
def payment(world: World) -> Payment:
    world.press_pay()
    return world.provider.the_payment()


class Asked:
    """A look that has its number, and is answered and settled when the test says."""

    def __init__(self, world: World) -> None:
        self._world, self._begun = world, settlement._begin(world.attempt.pk)
        self._said: PaymentSnapshot | None = None

    def is_answered(self) -> None:
        self._said = self._world.provider.fetch(self._world.attempt.ids)

    def finds_nothing(self) -> LookResult:
        return settlement._not_told(
            self._world.attempt.pk, UnknownObject("none"), begun=self._begun, at=self._world.now, actor="test"
        )

    def settles(self) -> LookResult:
        assert self._said is not None
        return settlement.settle(
            self._world.attempt.pk, begun=self._begun, snapshot=self._said, hints=[], at=self._world.now, actor="test"
        )


def both_begin(world: World) -> tuple[Asked, Asked]:
    return Asked(world), Asked(world)


def test_a_payment_is_not_contradicted_by_what_was_said_before_it(world: World, payment: Payment) -> None:
    first, second = both_begin(world)
    second.is_answered()
    world.provider.pay(payment)
    first.is_answered()
    assert first.settles().outcome is Outcome.SETTLED
    assert second.settles().outcome is Outcome.OVERTAKEN
    assert (world.order.state, world.forbidden(), world.cases()) == ("paid", 0, [])


def test_a_refund_is_not_contradicted_by_what_was_said_before_it_succeeded(world: World, payment: Payment) -> None:
    world.provider.pay(payment)
    look(world.attempt.pk, clock=world.clock, actor="test")
    world.provider.refund_status = "pending"
    refund = world.refund(500)
    first, second = both_begin(world)
    second.is_answered()
    world.provider.decide_refund(refund.refund_id, "succeeded")
    first.is_answered()
    first.settles()
    assert second.settles().outcome is Outcome.OVERTAKEN
    assert (world.refund_states(), world.forbidden(), world.cases()) == (["succeeded"], 0, [])


def test_a_refund_that_failed_stays_failed(world: World, payment: Payment) -> None:
    world.provider.pay(payment)
    look(world.attempt.pk, clock=world.clock, actor="test")
    refund = world.refund(500)
    first, second = both_begin(world)
    second.is_answered()
    world.provider.decide_refund(refund.refund_id, "failed")
    first.is_answered()
    first.settles()
    assert second.settles().outcome is Outcome.OVERTAKEN
    assert (world.refund_states(), world.forbidden(), world.cases()) == (["failed"], 0, ["refund_failed"])


def test_evidence_that_was_submitted_stays_submitted(world: World, payment: Payment) -> None:
    world.provider.pay(payment)
    dispute_id = world.provider.dispute(payment)
    look(world.attempt.pk, clock=world.clock, actor="test")
    first, second = both_begin(world)
    second.is_answered()
    world.provider.change(dispute_id, status="under_review", evidence_submitted=True)
    first.is_answered()
    first.settles()
    assert second.settles().outcome is Outcome.OVERTAKEN
    dispute = Dispute.objects.get()
    assert (dispute.state, dispute.evidence_submitted_at is not None, world.forbidden()) == ("under_review", True, 0)


def test_that_nothing_was_there_says_nothing_once_a_payment_was_seen(world: World, payment: Payment) -> None:
    """Where money moves by a call of ours, there is nothing to be found before it."""
    first, second = both_begin(world)
    world.provider.pay(payment)
    first.is_answered()
    first.settles()
    assert second.finds_nothing().outcome is Outcome.OVERTAKEN
    assert (world.attempt.look_failures, world.cases()) == (0, [])
    assert Asked(world).finds_nothing().outcome is Outcome.UNREACHABLE, "asked anew, it is an answer"
    assert world.cases() == ["unknown_object"]


def test_looks_of_an_open_page_need_not_be_repeated(world: World, payment: Payment) -> None:
    """A burst of events before there is any money costs one question an event."""
    first, second = both_begin(world)
    second.is_answered()
    first.is_answered()
    assert first.settles().outcome is Outcome.SETTLED
    assert second.settles().outcome is Outcome.SETTLED


def test_news_is_taken_from_either(world: World, payment: Payment) -> None:
    """The one that settles last was answered last, too: it tells of the payment, and of all that we hold."""
    first, second = both_begin(world)
    first.is_answered()
    world.provider.pay(payment)
    second.is_answered()
    first.settles()
    assert second.settles().outcome is Outcome.SETTLED
    assert world.order.state == "paid"
