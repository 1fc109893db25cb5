"""Connections that are kept between two requests to one host, while somebody says that more will follow.

Only inside `keeping_connections()`: everywhere else each request has a connection of its own. A kept connection goes on
leading to the address that was judged when it was made (addresses.py); it is used again only within IDLE_SECONDS, since
servers close idle ones, and for LIFE_SECONDS, since a name may come to mean another address.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from urllib3 import HTTPConnectionPool

IDLE_SECONDS = 1.0
LIFE_SECONDS = 60.0
MOST_A_HOST = 64

Key = tuple[str, str, int | None, bool]
"""Scheme, host, port, and whether loopback is allowed."""


@dataclass(frozen=True, slots=True)
class _Kept:
    pool: HTTPConnectionPool
    born: float
    since: float

    def is_fresh(self, now: float) -> bool:
        return now - self.since < IDLE_SECONDS and now - self.born < LIFE_SECONDS


_lock = threading.Lock()
_keepers = 0
_kept: defaultdict[Key, list[_Kept]] = defaultdict(list)


@contextmanager
def keeping_connections() -> Iterator[None]:
    """Let requests of this process, from any thread, keep their connections; close them all at the end."""
    global _keepers  # noqa: PLW0603 - the threads of a drain share it, and inherit no context
    with _lock:
        _keepers += 1
    try:
        yield
    finally:
        with _lock:
            _keepers -= 1
            left = [] if _keepers else [each.pool for kept in _kept.values() for each in kept]
            if not _keepers:
                _kept.clear()
        for pool in left:
            pool.close()


def take(key: Key) -> tuple[HTTPConnectionPool, float] | None:
    """Return a kept pool of one connection and when it was made, if there is one that may still be used."""
    if not _keepers:
        return None
    now, stale, found = time.monotonic(), [], None
    with _lock:
        kept = _kept[key]
        while kept and found is None:
            last = kept.pop()
            if last.is_fresh(now):
                found = last
            else:
                stale.append(last)
    for each in stale:
        each.pool.close()
    return (found.pool, found.born) if found else None


def give_back(key: Key, pool: HTTPConnectionPool, *, born: float) -> None:
    """Keep a pool whose answer was read whole, or close it where nobody keeps any."""
    with _lock:
        if _keepers and len(_kept[key]) < MOST_A_HOST:
            _kept[key].append(_Kept(pool, born, time.monotonic()))
            return
    pool.close()
