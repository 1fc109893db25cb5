"""32 at once, on PostgreSQL, each in its own connection: one refund, never more than was taken.

REFUND_ROUNDS rounds of each (10 unless the environment says otherwise; the project's measure is 1,000).
"""

from __future__ import annotations

import os
import uuid
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection

from payments import actions, staff_operations
from payments.models import LedgerTransaction, ProviderCall, Refund, StaffAction
from payments.models.action import ActionState
from payments.refunds.requests import CannotRefund
from payments.roles import Role
from payments.settlement import look
from payments.staff_operations import NotPossible
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.payments.test_at_once import AT_ONCE, at_once
from tests.staff import make_staff
from tests.world import World

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(7200)]

ROUNDS = int(os.environ.get("REFUND_ROUNDS", "10"))


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.REFUND_LIMITS = {"EUR": 1_000_000}


def paid(fake: FakeProvider, now: datetime) -> World:
    """Return a world of its own with a paid order of 20.00 EUR."""
    world = World(provider=fake, order=make_order(now=now), now=now)
    world.press_pay()
    fake.pay(list(fake.payments.values())[-1])
    look(world.attempt.pk, clock=world.clock, actor="test")
    return world


def _request(asked: dict[str, Any], _: int) -> StaffAction:
    return actions.request(**asked)


def _refund(world: World, amount_minor: int | None, _: int) -> Refund:
    return world.refund(amount_minor)


def _is_refunded(world: World) -> bool:
    return bool(world.order.state == "refunded")


def one_effect(world: World) -> None:
    """Exactly one refund of the whole: one row, one call, made once at the provider, posted once."""
    world.sweep_until(partial(_is_refunded, world), limit_minutes=10)  # a busy machine breaks a wait off
    refund = Refund.objects.get(order_id=world.order_id)
    assert (refund.state, refund.amount_minor, world.order.state) == ("succeeded", 2000, "refunded")
    assert ProviderCall.objects.filter(refund=refund).count() == 1
    assert LedgerTransaction.objects.filter(cause_kind="refund", cause_id=refund.pk).count() == 1
    payment = next(
        payment for payment in world.provider.payments.values() if payment.request.reference == world.attempt.reference
    )
    assert len(payment.refunds) == 1


def failed(answers: list[Any], *expected: type[Exception]) -> list[Exception]:
    """Return what was raised, having checked that it is a refusal, or a wait that a busy machine broke off."""
    raised = [answer for answer in answers if isinstance(answer, Exception)]
    others = [error for error in raised if not isinstance(error, (*expected, OperationalError))]
    assert others == []
    return raised


def test_one_persons_form_sent_32_times(fake: FakeProvider, now: datetime, transactional_db: None) -> None:
    lead = make_staff(Role.LEAD)
    operation = staff_operations.get("refund")
    for _ in range(ROUNDS):
        world = paid(fake, now)
        parameters = operation.parameters_for(world.order_id)
        asked = {
            "uid": uuid.uuid4(), "operation": operation, "subject_id": world.order_id, "parameters": parameters,
            "fingerprint": operation.preview(world.order_id, parameters, at=now).fingerprint,
            "reason_code": "customer_asked", "reason": "Asked for on the phone.", "user": lead, "via": "admin",
            "clock": world.clock,
        }  # fmt: skip
        answers = at_once(partial(_request, asked))
        raised = failed(answers)
        assert len({answer.pk for answer in answers if answer not in raised}) <= 1
        one_effect(world)


def test_32_refunds_of_all_that_is_left(fake: FakeProvider, now: datetime, transactional_db: None) -> None:
    for _ in range(ROUNDS):
        world = paid(fake, now)
        answers = at_once(partial(_refund, world, None))
        assert len(failed(answers, CannotRefund)) >= AT_ONCE - 1
        one_effect(world)


def test_32_refunds_of_a_tenth_each_take_what_was_captured(
    fake: FakeProvider, now: datetime, transactional_db: None
) -> None:
    for _ in range(ROUNDS):
        world = paid(fake, now)
        failed(at_once(partial(_refund, world, 200)), CannotRefund)
        world.sweep_until(partial(_is_refunded, world), limit_minutes=10)
        refunds = Refund.objects.filter(order_id=world.order_id)
        assert sorted(refunds.values_list("state", "amount_minor")) == [("succeeded", 200)] * 10
        assert world.order.state == "refunded"


def test_two_people_at_once_where_either_alone_would_be_right(
    fake: FakeProvider, now: datetime, transactional_db: None
) -> None:
    people = [make_staff(Role.LEAD), make_staff(Role.LEAD)]
    operation = staff_operations.get("refund")
    for _ in range(ROUNDS):
        world = paid(fake, now)
        parameters = operation.parameters_for(world.order_id)
        fingerprint = operation.preview(world.order_id, parameters, at=now).fingerprint

        def ask(number: int, world: World = world, parameters: Any = parameters, seen: str = fingerprint) -> Any:
            return actions.request(
                uid=uuid.uuid4(), operation=operation, subject_id=world.order_id, parameters=parameters,
                fingerprint=seen, reason_code="customer_asked", reason="Asked for on the phone.",
                user=people[number % 2], via="admin", clock=world.clock,
            )  # fmt: skip

        answers = at_once(ask, count=2)
        raised = failed(answers, NotPossible)
        done = [each for each in answers if each not in raised and each.state == ActionState.EXECUTED]
        assert len(done) <= 1
        one_effect(world)
        assert Refund.objects.filter(order_id=world.order_id).count() == 1
    assert connection.is_usable()
