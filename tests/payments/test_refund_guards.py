"""What the database itself refuses of refunds, whoever writes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import Error as DatabaseError
from django.db import connection, transaction

from orders.models import Order
from orders.transitions import move
from payments.calls import preparing
from payments.models import Capture, LedgerTransaction, Refund
from payments.models.call import Operation
from payments.refunds.postings import post_refund
from payments.settlement import look
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def capture(fake: FakeProvider, order: Order, now: datetime) -> Capture:
    """Twenty euro that pay the order."""
    return paid(World(provider=fake, order=order, now=now))


def paid(world: World) -> Capture:
    world.press_pay()
    world.provider.pay(list(world.provider.payments.values())[-1])
    look(world.attempt.pk, clock=world.clock, actor="test")
    return Capture.objects.get(order_id=world.order_id)


def write(capture: Capture, amount_minor: int, **changes: Any) -> Refund:
    told: dict[str, Any] = {
        "capture": capture,
        "attempt": capture.attempt,
        "order": capture.order,
        "provider": capture.provider,
        "account": capture.account,
        "amount_minor": amount_minor,
        "currency": capture.currency,
        "made_by": "ours",
        "requested_at": capture.created_at,
    }
    return Refund.objects.create(**{**told, **changes})


def test_ours_beyond_what_is_left_is_refused(capture: Capture) -> None:
    write(capture, 1500)
    with pytest.raises(DatabaseError, match="501 more is too much"), transaction.atomic():
        write(capture, 501)
    write(capture, 500)


def test_what_failed_is_there_again(capture: Capture, now: datetime) -> None:
    move(write(capture, 2000), "failed", actor="test", cause="test", at=now)
    write(capture, 2000)


def test_theirs_is_recorded_whatever_it_takes(capture: Capture) -> None:
    write(capture, 2000)
    write(capture, 2000, made_by="theirs", refund_id="re_theirs")
    with pytest.raises(DatabaseError, match="is too much"), transaction.atomic():
        write(capture, 1)


def test_theirs_without_the_providers_id_is_refused(capture: Capture) -> None:
    with pytest.raises(DatabaseError, match="refund_of_theirs_has_id"), transaction.atomic():
        write(capture, 1, made_by="theirs")


def test_one_id_of_the_provider_is_one_row(capture: Capture) -> None:
    write(capture, 1, refund_id="re_1")
    with pytest.raises(DatabaseError, match="refund_once"), transaction.atomic():
        write(capture, 1, refund_id="re_1")


@pytest.mark.parametrize("changes", [{"currency": "USD"}, {"account": "acct_other"}, {"provider": "paypal"}])
def test_it_is_the_captures_own(capture: Capture, changes: dict[str, str]) -> None:
    with pytest.raises(DatabaseError, match="are the capture's"), transaction.atomic():
        write(capture, 1, **changes)


def test_another_orders_refund_cannot_take_this_capture(capture: Capture, now: datetime) -> None:
    with pytest.raises(DatabaseError, match="are the capture's"), transaction.atomic():
        write(capture, 1, order=make_order(now=now))


@pytest.mark.parametrize("changes", [{"amount_minor": 2}, {"made_by": "theirs"}, {"refund_id": "re_other"}])
def test_what_it_is_never_changes(capture: Capture, changes: dict[str, Any]) -> None:
    refund = write(capture, 1, refund_id="re_1")
    with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
        Refund.objects.filter(pk=refund.pk).update(**changes)


def test_it_is_never_deleted(capture: Capture) -> None:
    refund = write(capture, 1)
    with pytest.raises(DatabaseError, match="never deleted"), transaction.atomic():
        refund.delete()


def test_one_that_succeeded_without_its_posting_cannot_commit(capture: Capture, now: datetime) -> None:
    refund = write(capture, 1, refund_id="re_1")
    move(refund, "accepted", actor="test", cause="test", at=now)
    with pytest.raises(DatabaseError, match="has no ledger posting"), transaction.atomic():
        move(refund, "succeeded", actor="test", cause="test", at=now)
        connection.check_constraints()


def test_one_that_failed_after_all_without_its_reversal_cannot_commit(capture: Capture, now: datetime) -> None:
    refund = write(capture, 2000, refund_id="re_1")
    move(refund, "accepted", actor="test", cause="test", at=now)
    post_refund(refund, at=now)
    move(refund, "succeeded", actor="test", cause="test", at=now)
    connection.check_constraints()
    assert LedgerTransaction.objects.filter(cause_kind="refund").count() == 1
    with pytest.raises(DatabaseError, match="posting is not reversed"), transaction.atomic():
        move(refund, "failed", actor="test", cause="test", at=now)
        connection.check_constraints()


def test_a_call_of_a_refund_names_it(capture: Capture, now: datetime) -> None:
    with pytest.raises(DatabaseError, match="call_of_a_refund_names_it"), transaction.atomic():
        preparing.prepare(capture.attempt, Operation.REFUND, {}, at=now)
