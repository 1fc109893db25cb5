"""A django-q2 cluster that outlives the sudden death of any of its processes (kernel out of memory, `kill -9`).

An idle worker waits for its next task with the queue's lock in its hands. When it is killed, nobody gets that lock
ever again: django-q2 starts another worker, which waits for it for ever, and the cluster sleeps. Lost tasks do no harm,
since they only wake workers up; so a sudden death is answered with new queues, and new processes around them.
"""

from __future__ import annotations

from multiprocessing import Event
from multiprocessing.process import BaseProcess
from typing import Any

import structlog
from django_q import cluster
from django_q.conf import Conf
from django_q.queues import Queue

_TIMED_OUT, _RECYCLED = 0, -2
"""What django-q2 notes in the timer of a worker that ended on purpose."""
GONE_SECONDS = 5

log = structlog.get_logger(__name__)


class Sentinel(cluster.Sentinel):  # type: ignore[misc]  # django-q2 is untyped
    """Guards the workers of one cluster."""

    def reincarnate(self, process: Any) -> None:
        """Replace a process that has ended; all of them, where it did not end on purpose."""
        if process not in (*self.pool, self.monitor, self.pusher):
            return  # it ended with the others
        if process in self.pool and int(process.timer.value) in (_TIMED_OUT, _RECYCLED):
            super().reincarnate(process)
            return
        log.critical("cluster_renewed", cluster=Conf.CLUSTER_NAME, process=process.name, exit_code=process.exitcode)
        self._end_all()
        self.task_queue, self.result_queue = Queue(maxsize=Conf.QUEUE_LIMIT or 0), Queue()
        self.event_out = Event()
        self.spawn_cluster()
        self.reincarnations += 1

    def _end_all(self) -> None:
        """End what is left of the processes. What they were working on is taken up when its leases end."""
        left: list[BaseProcess] = [*self.pool, self.monitor, self.pusher]
        for each in left:
            each.kill()
        for each in left:
            each.join(GONE_SECONDS)


def use_our_sentinel() -> None:
    """Let the clusters that this process starts be guarded by ours."""
    cluster.Sentinel = Sentinel
