"""Fault 27: a receiver is away for 72 hours while facts go on. The clock is moved; the receiver's record is the judge.

OUTAGE_FACTS sets how many facts are told meanwhile (FAULTS.md asks for 10,000).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.db.models import Max

from integrations import delivery
from integrations.models import Delivery, DeliveryState
from integrations.sandbox.receiver import Receiver
from tests.integrations.deliveries import SECRET, make_destination, tell
from tests.processes import DemoReceiver

FACTS = int(os.environ.get("OUTAGE_FACTS", "100"))
OUTAGE = timedelta(hours=72)
STEP = timedelta(minutes=30)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.timeout(1800)]


class ReceiverHere(DemoReceiver):
    """The demo receiver in this process, so that its clock is moved with ours: signatures carry the time."""

    def __init__(self, server: Receiver) -> None:
        self.url, self._store = server.url, server.store

    def report(self) -> dict[str, Any]:
        return self._store.report()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[DemoReceiver]:
    server = Receiver(port=0, state_dir=tmp_path, secrets=[SECRET])
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    serving.start()
    yield ReceiverHere(server)
    server.shutdown()
    serving.join()
    server.server_close()
    server.store.close()


def drain_all(at: datetime) -> None:
    """Drain as the woken workers do, until nothing is due at this moment."""
    with time_machine.travel(at):
        while delivery.has_due(at) and delivery.drain(clock=lambda: at) != delivery.Drained():
            pass


@pytest.mark.parametrize("ordered", [False, True], ids=["loose", "ordered"])
def test_what_was_told_through_72_hours_arrives_once_each(now: datetime, receiver: DemoReceiver, ordered: bool) -> None:
    make_destination(now=now, address=receiver.url, lookup_address=f"{receiver.url}/received", ordered=ordered)
    receiver.fail(mode="503")
    steps = OUTAGE // STEP
    at, told = now, 0
    for step in range(steps):
        at = now + step * STEP
        while told < FACTS * (step + 1) // steps:
            tell(now=at)
            told += 1
        drain_all(at)
    assert not Delivery.objects.exclude(state=DeliveryState.QUEUED).exists(), "one was given up, or came through"
    tries = Delivery.objects.aggregate(most=Max("tries"))["most"]
    assert receiver.report()["messages"] == []

    receiver.fail(mode="ok")
    until = at + breaker_pause() + timedelta(hours=8)
    while at < until and Delivery.objects.exclude(state=DeliveryState.DELIVERED).exists():
        at += STEP
        drain_all(at)

    rows = Delivery.objects.values_list("key", "state")
    assert {state for _, state in rows} == {DeliveryState.DELIVERED}
    assert receiver.receipts() == {key: 1 for key, _ in rows}
    assert len(rows) == FACTS
    print(f"{FACTS} facts through 72 h: once each, {at - now - OUTAGE} after its end; most tries of one: {tries}")


def breaker_pause() -> timedelta:
    """The longest time a breaker waits between two probes."""
    return timedelta(seconds=settings.BREAKER_COOLDOWN_MAX_SECONDS)
