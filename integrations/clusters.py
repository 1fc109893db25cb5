"""A django-q2 cluster that outlives the sudden death of any of its processes (kernel out of memory, `kill -9`).

An idle worker waits for its next task with the queue's lock in its hands. Killed there, nobody ever gets that lock
again: django-q2 starts another worker, which waits for it for ever, and the cluster sleeps. Each of the other locks
that its processes share (results, counters, a worker's timer, the stop event) can be lost in the same way. Lost tasks
do no harm, since they only wake workers up; so a sudden death is answered with new queues and processes around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing import Event
from multiprocessing.process import BaseProcess
from time import sleep
from typing import Any

import structlog
from django_q import cluster
from django_q.brokers import Broker
from django_q.conf import Conf
from django_q.pusher import pusher
from django_q.queues import Queue

GONE_SECONDS = 5
LOCK_SECONDS = 1
"""The most a guard waits for a worker's timer: a living worker holds it only while it hands a result over."""
LAST_WORDS_SECONDS = 2
"""What a worker that gave up its task in time has to end by itself."""
BROKER_AWAY_SECONDS = 1

log = structlog.get_logger(__name__)


class Sentinel(cluster.Sentinel):  # type: ignore[misc]  # django-q2 is untyped
    """Guards the workers of one cluster, and never waits for a lock that a dead process may hold."""

    def guard(self) -> None:
        """Look after the processes until the cluster is told to stop."""
        self.start_event.set()
        log.info("cluster_running", cluster=Conf.CLUSTER_NAME)
        while True:
            for process in (*self.pool, self.monitor, self.pusher):
                if not process.is_alive() or self._time_is_up(process):
                    self.reincarnate(process)
            if self.stop_event.wait(Conf.GUARD_CYCLE):
                break
        self.stop()

    def reincarnate(self, process: Any) -> None:
        """Replace a process that has ended, or whose time is up; all of them where it did not end by itself.

        One that ended by itself, by an exception too, has let go of whatever it held.
        """
        if process not in (*self.pool, self.monitor, self.pusher):
            return  # it went with the others, a moment ago
        process.join(LAST_WORDS_SECONDS)
        if process.exitcode is not None and process.exitcode >= 0:
            super().reincarnate(process)
            return
        log.critical("cluster_renewed", cluster=Conf.CLUSTER_NAME, process=process.name, exit_code=process.exitcode)
        self._end_all()
        self.task_queue, self.result_queue = Queue(maxsize=Conf.QUEUE_LIMIT or 0), Queue()
        self.event_out = Event()
        self.spawn_cluster()
        self.reincarnations += 1

    def spawn_pusher(self) -> BaseProcess:
        """Start the process that takes tasks from the broker."""
        started: BaseProcess = self.spawn_process(_push, self.task_queue, self.event_out, self.broker)
        return started

    def _time_is_up(self, process: Any) -> bool:
        """Count the time of a worker's task down; say whether it is over."""
        if process not in self.pool or not process.timer.get_lock().acquire(timeout=LOCK_SECONDS):
            return False
        try:
            left = process.timer.get_obj()
            if left.value > 0:
                left.value = max(0, left.value - Conf.GUARD_CYCLE)
            return bool(left.value == 0)
        finally:
            process.timer.get_lock().release()

    def _end_all(self) -> None:
        """End what is left of the processes. What they were working on is taken up when its leases end."""
        left: Sequence[BaseProcess] = (*self.pool, self.monitor, self.pusher)
        for each in left:
            each.kill()
        for each in left:
            each.join(GONE_SECONDS)


def use_our_sentinel() -> None:
    """Let the clusters that this process starts be guarded by ours."""
    cluster.Sentinel = Sentinel


def _push(task_queue: Any, event: Any, broker: Broker) -> None:
    pusher(task_queue, event, _PatientBroker(broker))


class _PatientBroker:
    """A broker that has no task while its database is away. django-q2's pusher would sleep for 10 s, and end."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)

    def dequeue(self) -> Any:
        """Return the next tasks; None where there are none, or where nobody answers."""
        try:
            return self._broker.dequeue()
        except Exception:  # whatever the broker, it is asked again
            log.warning("broker_away", cluster=Conf.CLUSTER_NAME, exc_info=True)
            sleep(BROKER_AWAY_SECONDS)
            return None
