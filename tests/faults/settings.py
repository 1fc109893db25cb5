"""The settings of the processes that the fault tests kill: as always, with the times of times.py."""

from __future__ import annotations

import os

os.environ["ENVIRONMENT"] = "test"

from config import databases, queue
from tests.faults import times

queue.LOOK_SECONDS = times.LOOK_SECONDS
queue.TASK_SECONDS = times.TASK_SECONDS
queue.LEASE_SECONDS = times.LEASE_SECONDS
queue.QUEUE_RETRY_SECONDS = times.QUEUE_RETRY_SECONDS
queue.DRAIN_SECONDS = times.DRAIN_SECONDS
queue.DELIVERY_SEND_SECONDS = times.DELIVERY_SEND_SECONDS
queue.DELIVERY_LOOKUP_SECONDS = times.DELIVERY_LOOKUP_SECONDS
queue.BREAKER_COOLDOWN_SECONDS = queue.BREAKER_COOLDOWN_MAX_SECONDS = times.BREAKER_COOLDOWN_SECONDS
queue.DELIVERY_BACKOFF_SECONDS = times.DELIVERY_BACKOFF_SECONDS
databases.APP_LOCK_TIMEOUT_MS = times.LOCK_SECONDS * 1000
databases.APP_IDLE_IN_TRANSACTION_MS = times.IDLE_IN_TRANSACTION_SECONDS * 1000

from config.settings import *  # noqa: E402, F403
