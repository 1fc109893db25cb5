"""What the database refuses of money, whatever code asks for it."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import Error as DatabaseError
from django.db import connection, transaction

from orders import operations
from orders.models import Order
from payments.grants import APPEND_ONLY, missing_tables
from payments.models import Capture, LedgerEntry, LedgerTransaction, PaymentAttempt
from tests.world import World

pytestmark = pytest.mark.django_db


def _post(*amounts: int, now: datetime, cause: int = 1) -> None:
    posting = LedgerTransaction.objects.create(cause_kind="test", cause_id=cause, currency="EUR", at=now)
    for amount in amounts:
        LedgerEntry.objects.create(transaction=posting, account="sales", amount_minor=amount)
    connection.check_constraints()


@pytest.mark.parametrize("amounts", [(), (100,), (100, -99), (100, -50, -49)])
def test_entries_that_do_not_sum_to_zero_cannot_commit(amounts: tuple[int, ...], now: datetime) -> None:
    with pytest.raises(DatabaseError, match="not to zero"), transaction.atomic():
        _post(*amounts, now=now)


def test_a_balanced_posting_commits_once_a_cause(now: datetime) -> None:
    _post(100, -60, -40, now=now)
    with pytest.raises(DatabaseError, match="ledger_once_a_cause"), transaction.atomic():
        _post(100, -100, now=now)


@pytest.mark.parametrize("posted", [None, 1999])
def test_a_capture_without_a_posting_of_its_amount_cannot_commit(
    order: Order, now: datetime, posted: int | None
) -> None:
    attempt = PaymentAttempt.objects.create(
        order=order, provider="stripe", amount_minor=2000, currency="EUR", created_at=now, mode="test"
    )
    with pytest.raises(DatabaseError, match="no ledger posting"), transaction.atomic():
        capture = Capture.objects.create(
            attempt=attempt,
            order=order,
            provider="stripe",
            account="acct",
            capture_id="ch_1",
            amount_minor=2000,
            currency="EUR",
            disposition="unapplied",
            captured_at=now,
            created_at=now,
        )
        if posted is not None:
            posting = LedgerTransaction.objects.create(
                cause_kind="capture", cause_id=capture.pk, currency="EUR", at=now
            )
            for account, amount_minor in (("clearing:stripe", posted), ("unapplied", -posted)):
                LedgerEntry.objects.create(transaction=posting, account=account, amount_minor=amount_minor)
        connection.check_constraints()


class TestACapture:
    @pytest.fixture
    def capture(self, world: World) -> Capture:
        world.press_pay()
        world.provider.pay(world.provider.the_payment())
        world.tell(world.provider.the_payment())
        world.work()
        return Capture.objects.get()

    @pytest.fixture
    def world(self, fake: object, order: Order, now: datetime) -> World:
        return World(provider=fake, order=order, now=now)  # type: ignore[arg-type]

    @pytest.mark.parametrize("change", [{"amount_minor": 1}, {"currency": "USD"}, {"capture_id": "ch_x"}])
    def test_is_never_changed(self, capture: Capture, change: dict[str, object]) -> None:
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic():
            Capture.objects.filter(pk=capture.pk).update(**change)

    def test_is_never_deleted(self, capture: Capture) -> None:
        with pytest.raises(DatabaseError, match="never deleted"), transaction.atomic():
            Capture.objects.filter(pk=capture.pk).delete()

    def test_cannot_be_taken_from_a_paid_order(self, capture: Capture) -> None:
        with pytest.raises(DatabaseError, match="does not agree"), transaction.atomic():
            Capture.objects.filter(pk=capture.pk).update(disposition="unapplied")
            connection.check_constraints()


def test_each_append_only_name_is_a_table() -> None:
    assert missing_tables() == []
    assert "orders_transition" in APPEND_ONLY


def test_a_state_does_not_ride_on_an_older_step_of_the_same_transaction(order: Order, now: datetime) -> None:
    with pytest.raises(DatabaseError, match="outside move"), transaction.atomic():
        operations.expire(order, at=now, cause="test", actor="test")
        operations.reopen(order, at=now, cause="test", actor="test")
        Order.objects.filter(pk=order.pk).update(state="expired")
