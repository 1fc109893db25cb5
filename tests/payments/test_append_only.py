"""UPDATE, DELETE and TRUNCATE are refused on audit, ledger, transitions and facts: by role, and by trigger."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.db import DatabaseError, connection, connections, transaction

from orders.models import Order
from orders.transitions import move
from payments.grants import APPEND_ONLY

pytestmark = pytest.mark.django_db

BEFORE_ROW_UPDATE_OR_DELETE = 1 + 2 + 8 + 16  # pg_trigger.tgtype: row, before, delete, update
BEFORE_TRUNCATE = 2 + 32
VERBS = ["UPDATE {} SET id = id", "DELETE FROM {}", "TRUNCATE {}"]


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("verb", VERBS)
def test_the_applications_role_cannot_rewrite(table: str, verb: str) -> None:
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(verb.format(table))


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_a_trigger_refuses_whoever_has_the_right(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tgtype FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE tgrelid = %s::regclass AND proname = 'shop_refuse_change' AND tgenabled = 'O'",
            [table],
        )
        assert {row[0] for row in cursor.fetchall()} == {BEFORE_ROW_UPDATE_OR_DELETE, BEFORE_TRUNCATE}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", VERBS[:2])
def test_not_even_the_owner_rewrites_a_transition(verb: str, order: Order, now: datetime) -> None:
    with transaction.atomic():
        move(order, "cancelled", actor="t", cause="t", at=now)
    with (
        pytest.raises(DatabaseError, match="orders_transition is append-only"),
        connections["owner"].cursor() as cursor,
    ):
        cursor.execute(verb.format("orders_transition"))
