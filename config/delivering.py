"""The figures of the way out, read from the environment: how often, how long, how many at once, when to leave alone.

Relations between them are system checks (payments/checks.py, E030): each figure alone is only held to its range here.
"""

from __future__ import annotations

from dataclasses import dataclass

from config import queue
from config.readers import Reader

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryEnv:
    """Durations in seconds. What each means: config/variables.py."""

    backoff_seconds: tuple[int, ...]
    horizon_seconds: int
    send_seconds: int
    lookup_seconds: int
    retry_after_max_seconds: int
    threads: int
    threads_a_receiver: int
    ahead: int
    refused_tries: int
    unfinished_tries: int
    order_recheck_seconds: int
    breaker_failures: int
    breaker_cooldown_seconds: int
    breaker_cooldown_max_seconds: int
    breaker_case_after_seconds: int


def delivery_env(read: Reader) -> DeliveryEnv:
    """Return the figures; what is out of its range is noted in `read` and answered by its default."""
    return DeliveryEnv(
        backoff_seconds=read.integers("DELIVERY_BACKOFF_SECONDS", queue.DELIVERY_BACKOFF_SECONDS, low=1, high=2 * DAY),
        horizon_seconds=read.integer("DELIVERY_HORIZON_SECONDS", queue.DELIVERY_HORIZON_SECONDS, low=60, high=30 * DAY),
        send_seconds=read.integer("DELIVERY_SEND_SECONDS", queue.DELIVERY_SEND_SECONDS, low=1, high=9),
        lookup_seconds=read.integer("DELIVERY_LOOKUP_SECONDS", queue.DELIVERY_LOOKUP_SECONDS, low=1, high=8),
        retry_after_max_seconds=read.integer("DELIVERY_RETRY_AFTER_MAX_SECONDS", 6 * HOUR, low=1, high=2 * DAY),
        threads=read.integer("DELIVERY_THREADS", queue.DELIVERY_THREADS, low=1, high=256),
        threads_a_receiver=read.integer(
            "DELIVERY_THREADS_A_RECEIVER", queue.DELIVERY_THREADS_A_RECEIVER, low=1, high=64
        ),
        ahead=read.integer("DELIVERY_AHEAD", 28, low=0, high=256),
        refused_tries=read.integer("DELIVERY_REFUSED_TRIES", 8, low=1, high=1000),
        unfinished_tries=read.integer("DELIVERY_UNFINISHED_TRIES", 5, low=2, high=100),
        order_recheck_seconds=read.integer("DELIVERY_ORDER_RECHECK_SECONDS", 30, low=1, high=HOUR),
        breaker_failures=read.integer("BREAKER_FAILURES", 5, low=1, high=1000),
        breaker_cooldown_seconds=read.integer(
            "BREAKER_COOLDOWN_SECONDS", queue.BREAKER_COOLDOWN_SECONDS, low=1, high=HOUR
        ),
        breaker_cooldown_max_seconds=read.integer(
            "BREAKER_COOLDOWN_MAX_SECONDS", queue.BREAKER_COOLDOWN_MAX_SECONDS, low=1, high=DAY
        ),
        breaker_case_after_seconds=read.integer("BREAKER_CASE_AFTER_SECONDS", 15 * 60, low=0, high=7 * DAY),
    )
