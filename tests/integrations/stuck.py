"""A task that nothing but SIGKILL ends: run by the real workers of test_clusters.py."""

from __future__ import annotations

import signal
import time
from typing import Any


def sleep_deaf(seconds: float, **_: Any) -> None:
    """Sleep, and hear neither an alarm nor SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM})
    time.sleep(seconds)
