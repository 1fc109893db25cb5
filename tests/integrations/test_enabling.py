"""A receiver that is disabled misses facts; enabled again, it may be told of them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from django.db import connections, transaction

from integrations import delivery, outbox, receivers
from integrations.facts import Fact
from integrations.models import Delivery, Destination
from integrations.receivers import ReceiverRefused
from tests.integrations.deliveries import ORDER, ScriptedConnector, connecting, make_destination, tell

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def test_what_it_missed_is_told_in_the_order_in_which_it_happened(now: datetime) -> None:
    crm = make_destination(now=now, name="CRM", facts=[Fact.ORDER_PLACED, Fact.ORDER_PAID])
    make_destination(now=now, name="ERP")
    [waited, _] = tell(now=now, fact=Fact.ORDER_PLACED)
    receivers.disable(crm.pk, reason="it is being moved", now=now)
    for fact in (Fact.ORDER_PLACED, Fact.ORDER_PAID, Fact.ORDER_EXPIRED):
        tell(now=now + HOUR, fact=fact)
    assert receivers.missed(Destination.objects.get(pk=crm.pk)).count == 2

    assert receivers.enable(crm.pk, catch_up=True, now=now + 2 * HOUR) == 2

    own = Delivery.objects.filter(destination=crm).order_by("pk")
    assert list(own.values_list("event__fact", flat=True)) == ["order.placed", "order.placed", "order.paid"]
    assert len(set(own.values_list("key", flat=True))) == 3
    assert all(key.startswith("msg_") and len(key) == 36 for key in own.values_list("key", flat=True))
    assert {row.ordering_key for row in own} == {"order:1042"}
    with connecting(ScriptedConnector()) as connector:
        delivery.drain(clock=lambda: now + 2 * HOUR)
    assert {row.key for row in own} < set(connector.sent)
    assert waited in own


def test_without_catching_up_only_what_waited_is_told(now: datetime) -> None:
    crm = make_destination(now=now, name="CRM")
    receivers.disable(crm.pk, reason="it is being moved", now=now)
    tell(now=now + HOUR)
    assert receivers.enable(crm.pk, catch_up=False, now=now + 2 * HOUR) == 0
    enabled = Destination.objects.get(pk=crm.pk)
    assert (enabled.active, enabled.disabled_at, enabled.disabled_reason) == (True, None, "")
    assert receivers.missed(enabled).count == 0
    assert not Delivery.objects.exists()


def test_what_does_not_stand_as_it_must_is_refused_in_a_sentence(now: datetime) -> None:
    crm = make_destination(now=now, name="CRM")
    with pytest.raises(ReceiverRefused, match="CRM is not disabled"):
        receivers.enable(crm.pk, catch_up=True, now=now)
    with pytest.raises(ReceiverRefused, match="Say why"):
        receivers.disable(crm.pk, reason=" ", now=now)
    receivers.disable(crm.pk, reason="x", now=now)
    with pytest.raises(ReceiverRefused, match="disabled already"):
        receivers.disable(crm.pk, reason="x", now=now)


@pytest.mark.django_db(transaction=True)
def test_a_fact_whose_transaction_is_open_while_it_is_enabled_is_not_missed(now: datetime) -> None:
    """The recording transaction saw it disabled; enabling waits for its end, and finds the fact."""
    crm = make_destination(now=now, name="CRM")
    receivers.disable(crm.pk, reason="it is being moved", now=now)
    recorded, go_on = threading.Event(), threading.Event()

    def record_slowly() -> None:
        try:
            with transaction.atomic():
                outbox.record("order.paid", subject_kind="order", subject_id=1042, payload=ORDER, now=now + HOUR)
                recorded.set()
                go_on.wait(10)
        finally:
            connections.close_all()

    def enable() -> int:
        try:
            return receivers.enable(crm.pk, catch_up=True, now=now + HOUR)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(2) as pool:
        recording = pool.submit(record_slowly)
        assert recorded.wait(10)
        enabling = pool.submit(enable)
        time.sleep(0.5)  # long enough for it to end, where it does not wait
        go_on.set()
        recording.result(10)
        assert enabling.result(10) == 1
    assert Delivery.objects.filter(destination=crm).count() == 1


def test_a_fact_that_was_dated_before_it_was_disabled_and_recorded_after_is_not_missed(now: datetime) -> None:
    """Whoever records took the time before the transaction, or has another clock."""
    crm = make_destination(now=now - 2 * HOUR, name="CRM")
    receivers.disable(crm.pk, reason="it is being moved", now=now)
    tell(now=now - timedelta(seconds=5))
    assert receivers.enable(crm.pk, catch_up=True, now=now + HOUR) == 1


def test_a_receiver_made_lately_is_not_told_of_what_was_before_it(now: datetime) -> None:
    tell(now=now - timedelta(seconds=5))
    crm = make_destination(now=now, name="CRM")
    receivers.disable(crm.pk, reason="it was set up wrongly", now=now)
    assert receivers.enable(crm.pk, catch_up=True, now=now + HOUR) == 0
