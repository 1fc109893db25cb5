"""Clusters of real workers go on when any of their processes dies, hangs, or loses the database."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.utils import timezone
from django_q import cluster
from django_q.brokers import get_broker
from django_q.tasks import async_task

from integrations import clusters
from integrations.models import Delivery, DeliveryState
from tests.integrations.deliveries import SECRET, make_destination, tell
from tests.processes import Process, Processes, children_of, eventually, running

RENEWED_SECONDS = 5
"""A cluster is at work again this long after one of its processes died; lease + 5 s is the promise."""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with running(tmp_path) as started:
        receiver = started.receiver(secret=SECRET)
        make_destination(now=timezone.now(), address=receiver.url, lookup_address=f"{receiver.url}/received")
        yield started


def delivers(*, seconds: float = RENEWED_SECONDS) -> None:
    (row,) = tell(now=timezone.now())
    eventually(lambda: Delivery.objects.filter(pk=row.pk, state=DeliveryState.DELIVERED).exists(), seconds=seconds)


def parts_of(running_cluster: Process) -> list[int]:
    """Return the ids of a cluster's workers, then its monitor's, then its pusher's."""
    (sentinel,) = eventually(lambda: children_of(running_cluster.pid))
    found = eventually(lambda: len(parts := children_of(sentinel)) == 4 and parts)
    return sorted(found)


def all_new(running_cluster: Process, before: list[int]) -> bool:
    return not set(before) & set(parts_of(running_cluster))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_whichever_process_of_an_idle_cluster_is_killed_it_works_again(processes: Processes) -> None:
    """An idle worker dies with the queue's lock in its hands, which stopped django-q2's own cluster for ever."""
    started = processes.cluster("deliver")
    delivers(seconds=40)
    for number in range(4):
        before = parts_of(started)
        os.kill(before[number], signal.SIGKILL)
        eventually(partial(all_new, started, before), seconds=RENEWED_SECONDS)
        delivers()
    assert started.said().count("cluster_renewed") == 4
    assert started.stop() == 0


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("task", ["time.sleep", "tests.integrations.stuck.sleep_deaf"])
def test_a_task_that_never_ends_does_not_stop_its_cluster(processes: Processes, task: str) -> None:
    """One that can be interrupted costs its worker, one that cannot costs all processes; the cluster goes on."""
    started = processes.cluster("deliver")
    delivers(seconds=40)
    before = parts_of(started)
    for _ in range(2):  # one for each worker
        async_task(task, 600, timeout=1, broker=get_broker("deliver"), cluster="deliver")
    eventually(lambda: not set(before[:2]) & set(children_of(children_of(started.pid)[0])), seconds=15)
    delivers()
    assert ("cluster_renewed" in started.said()) == ("deaf" in task)


def test_a_guard_does_not_wait_for_a_lock_that_a_dead_worker_took_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "LOCK_SECONDS", 0.05)
    timer = cluster.Value("f", 10)
    sentinel = object.__new__(clusters.Sentinel)
    dead = SimpleNamespace(timer=timer)
    sentinel.pool = [dead]
    holder = cluster.get_mp_context().Process(target=timer.get_lock().acquire)
    holder.start()
    holder.join()
    began = time.monotonic()
    assert not sentinel._time_is_up(dead)
    assert time.monotonic() - began < 1


def test_time_is_up_when_it_is_counted_down() -> None:
    sentinel = object.__new__(clusters.Sentinel)
    busy, idle = (SimpleNamespace(timer=cluster.Value("f", value)) for value in (1, -1))
    sentinel.pool = [busy, idle]
    assert [sentinel._time_is_up(busy) for _ in range(2)] == [False, True]
    assert not sentinel._time_is_up(idle)
    assert idle.timer.value == -1


def test_a_broker_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "BROKER_AWAY_SECONDS", 0)
    answers: Iterator[list[str] | ConnectionError] = iter([ConnectionError("gone"), ["a task"]])

    def dequeue() -> list[str]:
        answer = next(answers)
        if isinstance(answer, ConnectionError):
            raise answer
        return answer

    broker = clusters._PatientBroker(SimpleNamespace(dequeue=dequeue, list_key="deliver"))
    assert broker.dequeue() is None
    assert broker.dequeue() == ["a task"]
    assert broker.list_key == "deliver"
