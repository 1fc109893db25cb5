"""The settings of the processes that the fault tests kill: as always, with shorter times in the same relations."""

from __future__ import annotations

import os

os.environ["ENVIRONMENT"] = "test"

from config import queue

queue.LOOK_SECONDS = 4
queue.TASK_SECONDS = 7
queue.LEASE_SECONDS = 8
queue.QUEUE_RETRY_SECONDS = 20
queue.DRAIN_SECONDS = 4
queue.DELIVERY_SEND_SECONDS = 2
queue.DELIVERY_LOOKUP_SECONDS = 1
queue.BREAKER_COOLDOWN_SECONDS = queue.BREAKER_COOLDOWN_MAX_SECONDS = 1
queue.DELIVERY_BACKOFF_SECONDS = (1,) * len(queue.DELIVERY_BACKOFF_SECONDS)

assert queue.LOOK_SECONDS < queue.TASK_SECONDS < queue.LEASE_SECONDS < queue.QUEUE_RETRY_SECONDS
assert queue.DRAIN_SECONDS + queue.DELIVERY_SEND_SECONDS < queue.TASK_SECONDS

from config.settings import *  # noqa: E402, F403
