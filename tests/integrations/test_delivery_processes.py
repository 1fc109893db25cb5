"""Deliveries with the real processes: qcluster, tick, the demo receiver, and what happens when they are killed."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from integrations.models import Delivery, DeliveryAttempt, DeliveryState, Heartbeat
from tests.integrations.deliveries import SECRET, make_destination, tell
from tests.processes import DemoReceiver, Processes, eventually, running

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with running(tmp_path) as started:
        yield started


@pytest.fixture
def receiver(processes: Processes) -> DemoReceiver:
    started = processes.receiver(secret=SECRET)
    make_destination(now=timezone.now(), address=started.url, lookup_address=f"{started.url}/received")
    return started


def delivered(row: Delivery) -> bool:
    return Delivery.objects.filter(pk=row.pk, state=DeliveryState.DELIVERED).exists()


def end_lease(row: Delivery) -> None:
    """Let the time of its dead worker's lease be over."""
    Delivery.objects.filter(pk=row.pk, state=DeliveryState.SENDING).update(
        not_before=timezone.now() - timedelta(seconds=1)
    )


def test_a_committed_fact_reaches_the_receiver(processes: Processes, receiver: DemoReceiver) -> None:
    (row,) = tell(now=timezone.now())
    assert OrmQ.objects.filter(key="deliver").count() == 1  # the nudge; the cluster comes up later

    cluster = processes.cluster("deliver")
    eventually(lambda: delivered(row))

    assert receiver.receipts() == {row.key: 1}
    assert Heartbeat.objects.filter(name="deliver").exists()
    (second,) = tell(now=timezone.now())
    eventually(lambda: delivered(second), seconds=10)
    assert cluster.stop() == 0


def test_a_cluster_without_a_name_would_work_on_nothing_and_is_refused(processes: Processes) -> None:
    nameless = processes.manage("qcluster")
    assert eventually(lambda: nameless.code) == 2
    assert "look, deliver, keep" in nameless.said()

    named = processes.start("named", [sys.executable, "manage.py", "qcluster", "-n", "keep"], LOG_LEVEL="INFO")
    eventually(lambda: "cluster_running" in named.said())


def test_a_stalled_worker_that_wakes_after_its_lease_changes_nothing(
    processes: Processes, receiver: DemoReceiver
) -> None:
    receiver.fail(mode="hang", seconds=1, keep=True, times=1)
    (row,) = tell(now=timezone.now())
    stalled = processes.cluster("deliver")
    eventually(lambda: receiver.receipts() == {row.key: 1})
    stalled.signal(signal.SIGSTOP)

    end_lease(row)
    processes.cluster("deliver")
    processes.manage("tick")
    eventually(lambda: delivered(row))
    before = Delivery.objects.filter(pk=row.pk).values().get()
    stalled.signal(signal.SIGCONT)
    eventually(lambda: "result=stale" in stalled.said())

    assert Delivery.objects.filter(pk=row.pk).values().get() == before
    assert list(row.attempts.order_by("number").values_list("outcome", flat=True)) == ["unfinished", "delivered"]
    assert receiver.receipts() == {row.key: 2}


def test_a_lost_nudge_is_made_up_for_by_tick(processes: Processes, receiver: DemoReceiver) -> None:
    (row,) = tell(now=timezone.now())
    OrmQ.objects.all().delete()
    processes.cluster("deliver")
    ticks = []
    for _ in range(2):
        ticks.append(processes.manage("tick"))
        eventually(lambda: Heartbeat.objects.filter(name="tick", pid=ticks[-1].pid).exists())

    eventually(lambda: delivered(row))

    assert receiver.receipts() == {row.key: 1}
    assert [tick.stop(seconds=10) for tick in ticks] == [0, 0]


def test_a_retry_comes_when_its_time_has_come(processes: Processes, receiver: DemoReceiver) -> None:
    receiver.fail(mode="503", times=1)
    (row,) = tell(now=timezone.now())
    processes.cluster("deliver")
    processes.manage("tick")

    eventually(lambda: delivered(row))

    assert [receipt["answer"] for receipt in receiver.report()["receipts"]] == ["503", "204"]


@pytest.mark.parametrize(("failpoint", "arrivals"), [("delivery.before_send", 1), ("delivery.after_send", 2)])
def test_a_killed_worker_costs_nothing_and_doubles_nothing(
    processes: Processes, receiver: DemoReceiver, failpoint: str, arrivals: int
) -> None:
    (row,) = tell(now=timezone.now())
    doomed = processes.cluster("deliver", FAILPOINT=f"{failpoint}:1")
    eventually(lambda: "cluster_renewed" in doomed.said())
    doomed.kill()
    assert not delivered(row)

    end_lease(row)
    processes.cluster("deliver")
    processes.manage("tick")
    eventually(lambda: delivered(row))

    # One message, under one key, however often it came.
    assert receiver.receipts() == {row.key: arrivals}
    assert list(row.attempts.order_by("number").values_list("outcome", flat=True)) == ["unfinished", "delivered"]


def test_a_receiver_that_can_only_be_asked_gets_it_once(processes: Processes, receiver: DemoReceiver) -> None:
    (row,) = tell(now=timezone.now())
    row.destination.idempotent = False
    row.destination.save()
    doomed = processes.cluster("deliver", FAILPOINT="delivery.after_send:1")
    eventually(lambda: "cluster_renewed" in doomed.said())
    doomed.kill()

    end_lease(row)
    processes.cluster("deliver")
    processes.manage("tick")
    eventually(lambda: delivered(row))

    assert receiver.receipts() == {row.key: 1}
    assert DeliveryAttempt.objects.get(delivery=row, number=2).outcome == "found"


def test_the_receiver_remembers_through_a_kill(processes: Processes, receiver: DemoReceiver) -> None:
    (row,) = tell(now=timezone.now())
    processes.cluster("deliver")
    processes.manage("tick")
    eventually(lambda: delivered(row))
    receiver.process.kill()

    again = processes.receiver(secret=SECRET, port=receiver.port)
    assert again.receipts() == {row.key: 1}
    (second,) = tell(now=timezone.now())
    eventually(lambda: delivered(second))
    assert set(again.receipts()) == {row.key, second.key}


def test_two_clusters_share_the_work_without_doubling_it(processes: Processes, receiver: DemoReceiver) -> None:
    rows = [tell(now=timezone.now())[0] for _ in range(60)]
    for _ in range(2):
        processes.cluster("deliver")
    processes.manage("tick")
    eventually(lambda: Delivery.objects.filter(state=DeliveryState.DELIVERED).count() == 60)
    assert receiver.receipts() == {row.key: 1 for row in rows}
