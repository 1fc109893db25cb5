"""The settings of the processes that the fault tests kill: as always, with shorter times in the same relations."""

from __future__ import annotations

import os

os.environ["ENVIRONMENT"] = "test"

from config import databases, queue

queue.LOOK_SECONDS = 4
queue.TASK_SECONDS = 7
queue.LEASE_SECONDS = 8
queue.QUEUE_RETRY_SECONDS = 20
queue.DRAIN_SECONDS = 4
queue.DELIVERY_SEND_SECONDS = 2
queue.DELIVERY_BACKOFF_SECONDS = (1, 1, 1, 1, 1, 1, 1, 1, 1)

databases.APP_LOCK_TIMEOUT_MS = 3_000
databases.APP_IDLE_IN_TRANSACTION_MS = 6_000

assert queue.LOOK_SECONDS < queue.TASK_SECONDS < queue.LEASE_SECONDS < queue.QUEUE_RETRY_SECONDS
assert queue.DRAIN_SECONDS + queue.DELIVERY_SEND_SECONDS < queue.TASK_SECONDS
# A transaction that stands still is ended before the lease of its worker's rows is.
assert databases.APP_IDLE_IN_TRANSACTION_MS < queue.LEASE_SECONDS * 1000

from config.settings import *  # noqa: E402, F403
