"""How a process starts: what is imported then stays to its end, so nobody looks for garbage in it, then or later.

Python's collector would do both again and again: a sixth of a command's start, and pauses in each server.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_for_good() -> Iterator[None]:
    """Keep what the block makes until the process ends (gc.freeze); the collector rests meanwhile."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
