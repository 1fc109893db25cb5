"""Each sent call and pending payment has a deadline: a miss makes us look now; what no look can tell is an alert."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from integrations.contract import Unavailable
from orders.models import Order
from payments import expected, sweeping
from payments.models import PaymentAttempt, ProviderCall
from payments.models.case import CaseKind
from payments.monitoring import alerts
from payments.settlement import look
from tests.fake_provider import FakeProvider
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(fake: FakeProvider, order: Order, now: datetime) -> World:
    return World(provider=fake, order=order, now=now)


def raised(at: datetime) -> list[tuple[str, int]]:
    return [
        (each.finding.subject_kind, each.finding.subject_id)
        for each in alerts.raised(at)
        if each.rule.kind == CaseKind.EXPECTED_MISSED
    ]


def test_a_call_without_an_answer_makes_us_look_then_is_told(shop: World, settings: Any) -> None:
    settings.EXPECT_START_SECONDS = 120
    shop.provider.lose_answer_once = True
    shop.press_pay()
    call = ProviderCall.objects.get()
    PaymentAttempt.objects.update(next_look_at=shop.now + timedelta(hours=1))
    shop.wait(seconds=119)
    assert expected.look_at_overdue(shop.now) == 0
    shop.wait(seconds=1)
    assert expected.look_at_overdue(shop.now) == 1
    assert shop.attempt.next_look_at == shop.now
    assert raised(shop.now) == [], "the look comes first"
    shop.wait(minutes=2)
    assert raised(shop.now) == [("call", call.pk)]
    shop.work()
    assert raised(shop.now) == [], "the same call under its key was answered"


def test_each_kind_has_its_deadline(shop: World, settings: Any) -> None:
    settings.EXPECT_START_SECONDS, settings.EXPECT_CLOSE_SECONDS, settings.EXPECT_MONEY_SECONDS = 60, 600, 300
    assert [expected.seconds_for(kind) for kind in ("start", "close", "release", "capture", "refund")] == [
        60, 600, 600, 300, 300,
    ]  # fmt: skip
    shop.press_pay()
    attempt = shop.attempt
    for operation, kind in (("close", "closes_page"), ("capture", "moves_money")):
        ProviderCall.objects.create(
            attempt=attempt, operation=operation, kind=kind, request={}, created_at=shop.now, first_sent_at=shop.now,
            state="unknown",
        )  # fmt: skip
    late = [
        sorted(call.operation for call in expected.overdue_calls(shop.now + timedelta(seconds=seconds)))
        for seconds in (299, 300, 600)
    ]
    assert late == [[], ["capture"], ["capture", "close"]]


def test_a_payment_of_which_nothing_is_heard(shop: World, settings: Any) -> None:
    settings.EXPECT_PENDING_SECONDS = 2700
    shop.press_pay()
    look(shop.attempt.pk, clock=shop.clock, actor="test")
    PaymentAttempt.objects.update(next_look_at=shop.now + timedelta(days=1))
    shop.wait(seconds=2699)
    assert expected.look_at_overdue(shop.now) == 0
    shop.wait(seconds=1)
    assert expected.look_at_overdue(shop.now) == 1
    shop.provider.fail_next = [Unavailable("503")]
    look(shop.attempt.pk, clock=shop.clock, actor="test")
    assert raised(shop.now) == [("attempt", shop.attempt.pk)]
    assert expected.look_at_overdue(shop.now) == 0, "its next look has its own time"
    look(shop.attempt.pk, clock=shop.clock, actor="test")
    assert raised(shop.now) == []


@pytest.mark.parametrize("fails", ["the provider", "we ourselves"])
def test_a_payment_with_money_that_no_look_can_settle_is_told(shop: World, fails: str) -> None:
    shop.press_pay()
    payment = shop.provider.the_payment()
    shop.provider.pay(payment)
    look(shop.attempt.pk, clock=shop.clock, actor="test")
    shop.provider.dispute(payment)
    look(shop.attempt.pk, clock=shop.clock, actor="test")

    def fail() -> None:
        if fails == "the provider":
            shop.provider.fail_next = [Unavailable("told a refund whose amount can be none")]
            look(shop.attempt.pk, clock=shop.clock, actor="test")
        else:
            sweeping.put_off(shop.attempt.pk, at=shop.now, why="IntegrityError")

    for _ in range(expected.FAILED_LOOKS - 1):
        fail()
    assert raised(shop.now) == []
    fail()
    assert raised(shop.now) == [("attempt", shop.attempt.pk)]
    look(shop.attempt.pk, clock=shop.clock, actor="test")
    assert raised(shop.now) == []


def test_a_payment_under_way_is_told_once(shop: World, settings: Any) -> None:
    settings.EXPECT_PENDING_SECONDS = 2700
    shop.press_pay()
    look(shop.attempt.pk, clock=shop.clock, actor="test")
    shop.wait(hours=1)
    for _ in range(expected.FAILED_LOOKS):
        shop.provider.fail_next = [Unavailable("503")]
        look(shop.attempt.pk, clock=shop.clock, actor="test")
    assert raised(shop.now) == [("attempt", shop.attempt.pk)]


def test_what_has_stopped_for_a_case_is_not_expected(shop: World) -> None:
    shop.press_pay()
    look(shop.attempt.pk, clock=shop.clock, actor="test")
    PaymentAttempt.objects.update(next_look_at=None)
    shop.wait(days=1)
    assert expected.look_at_overdue(shop.now) == 0
