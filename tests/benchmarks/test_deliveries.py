"""`make bench`: deliveries a second to a receiver that takes 5 ms, beside one queue task a delivery; and what a dead
receiver costs the others.

The real processes: the cluster `deliver` with its default workers, `tick`, and receivers in processes of their own.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.tasks import async_task

from integrations import heartbeat, outbox
from integrations.facts import Fact
from integrations.models import Breaker, Delivery, DeliveryState, Destination
from integrations.wakeups import nudge
from tests.benchmarks.figures import Figure, figure, missed, print_table
from tests.integrations.deliveries import ORDER, make_destination
from tests.processes import ROOT, Process, eventually, running

pytestmark = [pytest.mark.bench, pytest.mark.django_db(transaction=True), pytest.mark.timeout(900)]

ROUNDS = 5
DELIVERIES = 3_000
TASKS = 300
DEAD_BACKLOG = 300
PATIENCE_SECONDS = 180
PARTS = ("workers", "database", "receiver")
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass
class Receiver:
    """A running tests/benchmarks/quick_receiver.py."""

    process: subprocess.Popen[str]
    url: str

    @property
    def report(self) -> dict[str, Any]:
        with urlopen(f"{self.url}/report", timeout=10) as answer:
            told: dict[str, Any] = json.load(answer)
        return told


@contextmanager
def receiving(*, milliseconds: float) -> Iterator[Receiver]:
    """Run a receiver; `milliseconds` < 0: it never answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.quick_receiver", "--milliseconds", str(milliseconds)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        yield Receiver(process, json.loads(process.stdout.readline())["url"])
        process.communicate(timeout=10)


@dataclass
class Stand:
    """The workers as they are by default, and tick."""

    cluster: Process
    tick: Process


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with running(tmp_path) as processes:
        began = timezone.now()
        started = Stand(processes.cluster("deliver"), processes.manage("tick"))
        eventually(lambda: (beat := heartbeat.last_beat("deliver")) is not None and beat >= began)
        yield started


def test_deliveries_a_second(stand: Stand) -> None:
    before = os.getloadavg()
    rates, tasks = [], []
    busy: dict[str, list[float]] = {part: [] for part in PARTS}
    with receiving(milliseconds=5) as receiver:
        make_destination(now=timezone.now(), name="5 ms", address=f"{receiver.url}/", facts=[Fact.ORDER_PAID.value])
        _deliver(DELIVERIES // 10)  # both workers have connected and imported all
        for _ in range(ROUNDS):
            used = _cpu_seconds(stand, receiver)
            rates.append(DELIVERIES / _deliver(DELIVERIES))
            for part, seconds in _cpu_seconds(stand, receiver).items():
                busy[part].append((seconds - used[part]) * 1000 / DELIVERIES)
            tasks.append(TASKS / _deliver_by_tasks(TASKS, stand))
        told = receiver.report
    assert told["messages"] == Delivery.objects.count()
    assert told["most"] == 1, "nothing came twice"
    figures = [
        figure("deliveries to a 5 ms receiver", rates, " /s", at_least=500),
        figure("  one queue task a delivery instead", tasks, " /s"),
        Figure("  times as many", statistics.median(rates) / statistics.median(tasks)),
        *(figure(f"  processor time a delivery: {part}", busy[part], " ms") for part in PARTS),
    ]
    print_table(figures, before=before)
    assert not missed(figures), f"missed: {'; '.join(missed(figures))}"


def test_a_dead_receiver_slows_the_others_by_5_percent_at_most(stand: Stand) -> None:
    before = os.getloadavg()
    alone, beside = [], []
    with receiving(milliseconds=5) as receiver, receiving(milliseconds=-1) as dead:
        make_destination(now=timezone.now(), name="5 ms", address=f"{receiver.url}/", facts=[Fact.ORDER_PAID.value])
        hangs = make_destination(
            now=timezone.now(), name="dead", address=f"{dead.url}/", facts=[Fact.ORDER_EXPIRED.value], active=False
        )
        _deliver(DELIVERIES // 10)
        for _ in range(ROUNDS):
            alone.append(DELIVERIES / _deliver(DELIVERIES))
            with _dying(hangs):
                beside.append(DELIVERIES / _deliver(DELIVERIES))
        assert dead.report["arrivals"] > 0, "the dead one was tried"
    ratios = [with_dead / without for with_dead, without in zip(beside, alone, strict=True)]
    figures = [
        figure("deliveries beside a dead receiver ÷ without", ratios, at_least=0.95),
        figure("  without", alone, " /s"),
        figure("  beside it", beside, " /s"),
    ]
    print_table(figures, before=before)
    assert not missed(figures), f"missed: {'; '.join(missed(figures))}"


# --- what is done --------------------------------------------------------------------------------------------


def _deliver(count: int) -> float:
    """Queue facts for receivers that are not open yet; open them; return the seconds until all are delivered."""
    _shut("5 ms")
    _record(count, fact=Fact.ORDER_PAID)
    began = time.monotonic()
    _open("5 ms")
    nudge("deliver")
    _await_delivered("5 ms")
    return time.monotonic() - began


def _deliver_by_tasks(count: int, stand: Stand) -> float:
    """The same with a queue task for each, on the same workers; queueing them does not count."""
    _shut("5 ms")
    _record(count, fact=Fact.ORDER_PAID)
    stand.tick.signal(signal.SIGSTOP)  # its nudges would let a drain take them all
    try:
        eventually(lambda: not OrmQ.objects.filter(key="deliver").exists())
        _open("5 ms")
        broker, destination = get_broker("deliver"), Destination.objects.get(name="5 ms").pk
        with transaction.atomic():
            for _ in range(count):
                async_task("tests.benchmarks.one_task.deliver_one", broker=broker, destination=destination)
        began = time.monotonic()
        _await_delivered("5 ms")
        return time.monotonic() - began
    finally:
        stand.tick.signal(signal.SIGCONT)


@contextmanager
def _dying(hangs: Destination) -> Iterator[None]:
    """Let a receiver that never answers have a backlog, and a breaker that knows nothing of it yet."""
    Breaker.objects.filter(destination=hangs).delete()
    Destination.objects.filter(pk=hangs.pk).update(active=True)
    _record(DEAD_BACKLOG, fact=Fact.ORDER_EXPIRED)
    try:
        yield
    finally:
        Destination.objects.filter(pk=hangs.pk).update(active=False)


def _record(count: int, *, fact: Fact) -> None:
    Destination.objects.filter(name="5 ms").update(active=True)
    for first in range(0, count, 200):
        with transaction.atomic():
            for number in range(first, min(first + 200, count)):
                outbox.record(fact, subject_kind="order", subject_id=number, payload=ORDER, now=timezone.now())


def _shut(name: str) -> None:
    """Pause it, in the database's way: its deliveries are queued, and nobody takes them."""
    whose = Destination.objects.get(name=name)
    Breaker.objects.update_or_create(
        destination=whose, defaults={"state": "paused", "since": timezone.now(), "actor": "bench", "reason": "queueing"}
    )


def _open(name: str) -> None:
    Breaker.objects.filter(destination__name=name).delete()


def _await_delivered(name: str) -> None:
    left = Delivery.objects.filter(destination__name=name).exclude(state=DeliveryState.DELIVERED)
    eventually(lambda: not left.exists(), seconds=PATIENCE_SECONDS, every=0.02)


# --- what it costs -------------------------------------------------------------------------------------------


def _cpu_seconds(stand: Stand, receiver: Receiver) -> dict[str, float]:
    """Return what each of PARTS has used of the processors so far."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        backends = [row[0] for row in cursor.fetchall()]
    whose = {"workers": _family(stand.cluster.pid), "database": backends, "receiver": [receiver.process.pid]}
    return {part: sum(_used_by(pid) for pid in pids) for part, pids in whose.items()}


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [int(child) for child in children.read_text().split()] if children.exists() else []
    return [pid, *(each for child in found for each in _family(child))]


def _used_by(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
