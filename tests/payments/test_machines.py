"""The state machines: every pair of states is classified, the database knows the same edges, and nothing passes by
move()."""

from __future__ import annotations

import itertools
import re
from datetime import datetime
from typing import Any

import pytest
from django.db import Error as DatabaseError
from django.db import connection, models, transaction

from orders.models import Order, Transition
from orders.states import OrderState
from orders.transitions import ForbiddenTransition, edges_of, move, move_or_record, operation
from payments.models import Dispute, PaymentAttempt, Payout, Refund
from payments.states import AttemptState, DisputeState, PayoutState, RefundState

ORDER_EDGES = {
    ("placed", "paid"): "paid",
    ("placed", "cancelled"): "cancelled",
    ("placed", "expired"): "expired",
    ("expired", "placed"): "reopened",
    ("cancelled", "placed"): "reopened",
    ("paid", "partially_refunded"): "partially_refunded",
    ("paid", "refunded"): "refunded",
    ("partially_refunded", "refunded"): "refunded",
    ("refunded", "partially_refunded"): "refund_failed",
    ("refunded", "paid"): "refund_failed",
    ("partially_refunded", "paid"): "refund_failed",
}
_LIVE = ("created", "pending", "requires_action", "authorized")
ATTEMPT_EDGES = {
    ("created", "pending"): "opened",
    ("created", "requires_action"): "action_required",
    ("created", "authorized"): "authorized",
    ("pending", "requires_action"): "action_required",
    ("requires_action", "pending"): "opened",
    ("pending", "authorized"): "authorized",
    ("requires_action", "authorized"): "authorized",
    **{(state, "paid"): "paid" for state in _LIVE},
    **{(state, "failed"): "failed" for state in _LIVE},
    **{(state, "cancelled"): "cancelled" for state in _LIVE},
    ("failed", "paid"): "late_capture",
    ("cancelled", "paid"): "late_capture",
    ("paid", "partially_refunded"): "partially_refunded",
    ("paid", "refunded"): "refunded",
    ("partially_refunded", "refunded"): "refunded",
    ("refunded", "partially_refunded"): "refund_failed",
    ("refunded", "paid"): "refund_failed",
    ("partially_refunded", "paid"): "refund_failed",
}
REFUND_EDGES = {
    ("requested", "pending"): "accepted",
    ("pending", "succeeded"): "succeeded",
    ("requested", "failed"): "failed",
    ("pending", "failed"): "failed",
    ("succeeded", "failed"): "failed",
}
PAYOUT_EDGES = {
    ("pending", "in_transit"): "sent",
    ("pending", "paid"): "paid",
    ("in_transit", "paid"): "paid",
    ("pending", "failed"): "failed",
    ("in_transit", "failed"): "failed",
    ("paid", "failed"): "failed",
    ("pending", "cancelled"): "cancelled",
    ("in_transit", "cancelled"): "cancelled",
}
DISPUTE_EDGES = {
    ("inquiry", "open"): "escalated",
    ("inquiry", "closed"): "closed",
    ("inquiry", "under_review"): "answered",
    ("open", "under_review"): "answered",
    ("open", "won"): "won",
    ("open", "lost"): "lost",
    ("under_review", "won"): "won",
    ("under_review", "lost"): "lost",
}
MACHINES = [
    (Order, OrderState, ORDER_EDGES),
    (PaymentAttempt, AttemptState, ATTEMPT_EDGES),
    (Refund, RefundState, REFUND_EDGES),
    (Payout, PayoutState, PAYOUT_EDGES),
    (Dispute, DisputeState, DISPUTE_EDGES),
]
BY_MACHINE = pytest.mark.parametrize(
    ("model", "states", "edges"), MACHINES, ids=lambda value: getattr(value, "__name__", "")
)


def _declared(model: type[models.Model]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for edge in edges_of(model):
        found.setdefault((edge.source, edge.target), set()).add(edge.event)
    return found


@BY_MACHINE
def test_every_pair_of_states_is_an_edge_or_is_not(model: Any, states: Any, edges: dict[tuple[str, str], str]) -> None:
    """A new state fails here until each of its pairs is decided."""
    declared = _declared(model)
    for pair in itertools.product(states.values, repeat=2):
        assert declared.get(pair, set()) == ({edges[pair]} if pair in edges else set()), pair


@BY_MACHINE
def test_no_edge_takes_any_state_as_its_source(model: Any, states: Any, edges: Any) -> None:
    """django-fsm's default source is `*`: an edge nobody listed."""
    assert {edge.source for edge in edges_of(model)} <= set(states.values)


@BY_MACHINE
@pytest.mark.django_db
def test_the_database_knows_the_same_edges(model: Any, states: Any, edges: dict[tuple[str, str], str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_triggerdef(oid) FROM pg_trigger"
            " WHERE tgrelid = %s::regclass AND tgname LIKE '%%_state_on_%%'",
            [model._meta.db_table],
        )
        definitions = [row[0] for row in cursor.fetchall()]
    assert len(definitions) == 2
    for definition in definitions:
        found = re.search(r"shop_guard_state\('(\w+)', '(\w+)', '([^']*)'\)", definition)
        assert found is not None
        assert found[1] == model.SUBJECT_KIND
        assert found[2] == states.values[0]
        assert {tuple(edge.split(">")) for edge in found[3].split()} == set(edges)


@pytest.mark.django_db
class TestTheDoor:
    def test_update_past_it_is_refused_by_the_database(self, order: Order) -> None:
        with pytest.raises(DatabaseError, match="outside move"), transaction.atomic():
            Order.objects.filter(pk=order.pk).update(state="expired")

    def test_an_edge_that_does_not_exist_is_refused_even_with_a_row(self, order: Order, now: datetime) -> None:
        with pytest.raises(DatabaseError, match="no edge"), transaction.atomic():
            Order.objects.filter(pk=order.pk).update(state="refunded")

    def test_nothing_is_born_in_another_state(self, now: datetime) -> None:
        with pytest.raises(DatabaseError, match="must be placed"), transaction.atomic():
            Order.objects.create(
                state="paid", currency="EUR", total_minor=1, email="a@example.com", placed_at=now, expires_at=now
            )

    def test_paid_without_a_capture_cannot_commit(self, order: Order, now: datetime) -> None:
        with pytest.raises(DatabaseError, match="does not agree with its applied capture"), transaction.atomic():
            move(order, "paid", actor="test", cause="test", at=now)
            connection.check_constraints()

    def test_move_writes_one_row_for_each_step(self, order: Order, now: datetime) -> None:
        move(order, "cancelled", actor="user:1", cause="test", at=now)
        move(order, "reopened", actor="user:2", cause="test", at=now)
        rows = Transition.objects.filter(subject_kind="order", subject_id=order.pk)
        assert [(row.sequence, row.from_state, row.to_state, row.event, row.actor) for row in rows] == [
            (1, "placed", "cancelled", "cancelled", "user:1"),
            (2, "cancelled", "placed", "reopened", "user:2"),
        ]

    def test_a_refusal_inside_settlement_is_a_row_too(self, order: Order, now: datetime) -> None:
        row = move_or_record(order, "refunded", actor="worker", cause="look:1", at=now)
        assert (row.forbidden, row.from_state, row.to_state, row.event) == (True, "placed", "", "refunded")
        assert Order.objects.get(pk=order.pk).state == "placed"

    def test_a_refused_operation_leaves_only_its_forbidden_row(self, order: Order, now: datetime) -> None:
        with pytest.raises(ForbiddenTransition, match="is placed: “refunded” is not possible now"), operation():
            Order.objects.filter(pk=order.pk).update(locale="de_DE")
            move(order, "refunded", actor="user:1", cause="test", at=now)
        assert Order.objects.get(pk=order.pk).locale == "en_US"
        assert [row.forbidden for row in Transition.objects.filter(subject_id=order.pk)] == [True]
