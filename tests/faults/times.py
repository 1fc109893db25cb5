"""The times of the processes that the fault tests kill, in seconds: shorter than in production, in the same relations.

Apart from settings.py, so that a test may read them without changing the settings it runs under itself.
"""

from __future__ import annotations

from datetime import timedelta

LOOK_SECONDS = 4
TASK_SECONDS = 5
LEASE_SECONDS = 6
QUEUE_RETRY_SECONDS = 20
DRAIN_SECONDS = 2
DELIVERY_SEND_SECONDS = 2
DELIVERY_LOOKUP_SECONDS = 1
DELIVERY_BACKOFF_SECONDS = (1, 1, 1, 1, 1, 1, 1, 1, 1)
BREAKER_COOLDOWN_SECONDS = 1
IDLE_IN_TRANSACTION_SECONDS = 5
LOCK_SECONDS = 3
PROVIDER_SECONDS = 3
"""A provider that has not answered by then is not waited for."""
A_PROVIDERS_LAG = timedelta(minutes=5)
"""More than any provider's `lookup_settles_after_seconds`: so much passes at once where a test lets time pass."""

assert LOOK_SECONDS < TASK_SECONDS < LEASE_SECONDS < QUEUE_RETRY_SECONDS
assert DRAIN_SECONDS + DELIVERY_SEND_SECONDS < TASK_SECONDS
# A transaction that stands still is ended before the lease of its worker's rows is.
assert IDLE_IN_TRANSACTION_SECONDS < LEASE_SECONDS
