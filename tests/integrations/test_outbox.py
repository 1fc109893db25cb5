"""A fact and its deliveries are written in the transaction that makes it true, or not at all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from integrations import breaker, correlation, outbox, wakeups
from integrations.facts import Fact
from integrations.models import Delivery, OutboxEvent
from tests.integrations.deliveries import make_destination, make_mailbox, tell

pytestmark = pytest.mark.django_db


def test_a_fact_goes_to_each_active_destination_that_wants_it(now: datetime) -> None:
    wants = make_destination(now=now, facts=[Fact.ORDER_PAID.value, Fact.REFUND_FAILED.value])
    mailbox = make_mailbox(now=now, facts=[Fact.ORDER_PAID.value])
    paused = make_destination(now=now)
    breaker.pause(breaker.Subject(destination_id=paused.pk), actor="user:7", reason="maintenance", now=now)
    make_destination(now=now, facts=[Fact.ORDER_PLACED.value])
    make_destination(now=now, active=False)

    deliveries = tell(now=now, fact=Fact.ORDER_PAID)

    assert [delivery.destination for delivery in deliveries] == [wants, mailbox, paused]
    assert {delivery.state for delivery in deliveries} == {"queued"}
    assert len({delivery.key for delivery in deliveries}) == 3


def test_the_row_says_what_happened_to_whom_and_under_which_correlation_id(now: datetime) -> None:
    with correlation.bind("req-7"), transaction.atomic():
        event = outbox.record("order.expired", subject_kind="order", subject_id=7, payload={"number": 7}, now=now)

    event.refresh_from_db()
    assert (event.fact, event.subject_kind, event.subject_id) == ("order.expired", "order", 7)
    assert (event.payload, event.correlation_id, event.created_at) == ({"number": 7}, "req-7", now)


def test_a_fact_that_is_not_on_the_list_is_refused(now: datetime) -> None:
    with pytest.raises(ValueError, match="order\\.shipped"):
        outbox.record("order.shipped", subject_kind="order", subject_id=1, payload={}, now=now)


def test_the_database_knows_the_same_list(now: datetime) -> None:
    with pytest.raises(IntegrityError, match="outbox_fact_known"):
        OutboxEvent.objects.create(fact="order.shipped", subject_kind="order", subject_id=1, payload={}, created_at=now)


@pytest.mark.parametrize(
    "payload",
    [
        {"total": 19.99},
        {"lines": [{"quantity": 1.0}]},
        {"at": datetime(2026, 11, 21)},  # noqa: DTZ001
        {"name": "nul \x00"},
        {"name": "lone \ud800"},
        {7: "seven"},
    ],
)
def test_a_payload_is_plain_json_without_floats(now: datetime, payload: dict[Any, Any]) -> None:
    with pytest.raises(ValueError, match="payload"):
        outbox.record("order.paid", subject_kind="order", subject_id=1, payload=payload, now=now)


def test_the_workers_are_woken_after_the_commit(
    now: datetime, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(wakeups, "_nudge_now", lambda cluster, _: woken.append(cluster))
    with django_capture_on_commit_callbacks(execute=True):
        tell(now=now)
        assert woken == []
    assert woken == ["deliver"]


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_it_refuses(now: datetime) -> None:
    with pytest.raises(outbox.OutsideTransaction):
        outbox.record("order.paid", subject_kind="order", subject_id=1, payload={}, now=now)


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_was_never_told(now: datetime) -> None:
    make_destination(now=now)

    class Trouble(Exception):
        pass

    def trouble() -> None:
        with transaction.atomic():
            outbox.record("order.paid", subject_kind="order", subject_id=1, payload={}, now=now)
            raise Trouble

    with pytest.raises(Trouble):
        trouble()
    assert not OutboxEvent.objects.exists()
    assert not Delivery.objects.exists()
