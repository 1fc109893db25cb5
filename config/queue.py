"""The queue's settings: django-q2 with the clusters `look`, `deliver` and `keep`, and the times that belong together.

The queue only wakes workers up; what is to be done stands in our rows. A cluster runs as

    python manage.py qcluster -n deliver

or with the name in Q_CLUSTER_NAME (payments/management/commands/qcluster.py).
"""

from __future__ import annotations

from typing import Any

LOOK_SECONDS = 15
"""The most one look at a provider may take, network and all."""
TASK_SECONDS = 30
"""After this a task is stopped, with its worker."""
LEASE_SECONDS = 45
"""A claimed row belongs to its worker for this long; then another may take it."""
QUEUE_RETRY_SECONDS = 120
"""After this the queue hands out again a task that nobody acknowledged."""
DRAIN_SECONDS = 20
"""A drain claims no more rows after this."""
DELIVERY_SEND_SECONDS = 8
"""The most one try of a delivery may take on the network, look-up included. A default, as are those below."""
DELIVERY_LOOKUP_SECONDS = 3
"""The part of it that asking the receiver whether it has the message already may take."""

# A task must never be handed out again, nor its rows taken, while it may still work.
if not LOOK_SECONDS < TASK_SECONDS < LEASE_SECONDS < QUEUE_RETRY_SECONDS:
    raise AssertionError("look < task < lease < queue retry must hold")
if not DRAIN_SECONDS + DELIVERY_SEND_SECONDS < TASK_SECONDS:
    raise AssertionError("a delivery claimed at the end of a drain must end within the task")

CLUSTERS = ("look", "deliver", "keep")
WAKEUP_TASKS = {
    "look": "payments.tasks.drain_looks",
    "deliver": "integrations.tasks.drain_deliveries",
    "keep": "payments.tasks.keep_house",
}

HOUR = 3600
DELIVERY_BACKOFF_SECONDS: tuple[int, ...] = (5, 30, 2 * 60, 10 * 60, 30 * 60, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR)
"""The longest wait after the 1st, 2nd … failed try, the last one repeated; each wait is drawn between 1 s and it."""
DELIVERY_HORIZON_SECONDS = 80 * HOUR
"""A delivery is tried for at least this long before it is given up as exceeded, however the waits were drawn."""
DELIVERY_THREADS = 16
DELIVERY_THREADS_A_RECEIVER = 4
"""So that a receiver that hangs leaves most of the threads to the others."""
BREAKER_COOLDOWN_SECONDS = 15
BREAKER_COOLDOWN_MAX_SECONDS = 5 * 60
"""Doubled at each opening in a row, up to this: so late is the return of a provider or receiver noticed at most."""


def q_cluster(*, redis_url: str = "") -> dict[str, Any]:
    """Return Q_CLUSTER: broker in PostgreSQL, or in Redis when `redis_url` is given (it loses tasks: harmless here).

    One task at a time and next to no prefetch, since `retry` counts from the dequeue; no success is saved, since
    pruning them locks rows; failed tasks are acknowledged, since `tick` wakes again whatever is still due.
    """
    broker: dict[str, Any] = {"redis": redis_url} if redis_url else {"orm": "default"}
    return {
        **broker,
        "name": "shop",
        "label": "Queue",
        "workers": 2,
        "timeout": TASK_SECONDS,
        "retry": QUEUE_RETRY_SECONDS,
        "max_attempts": 1,
        "ack_failures": True,
        "bulk": 1,
        "queue_limit": 2,
        "save_limit": -1,
        "catch_up": False,
        "scheduler": False,
        "log_level": "WARNING",
        # No such cache: its statistics would be written twice a second. Liveness is our own heartbeat row.
        "cache": "statistics of the queue are not kept",
        "ALT_CLUSTERS": {"look": {"workers": 2}, "deliver": {"workers": 2}, "keep": {"workers": 1}},
    }
