"""Named places where a test may kill this process, to show that nothing is lost or doubled there."""

from __future__ import annotations

import os
import signal

_passes: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Kill this process with SIGKILL on the n-th pass, where `FAILPOINT=name:n` asks for it and ENVIRONMENT is
    `test`."""
    wanted = os.environ.get("FAILPOINT")
    if not wanted or os.environ.get("ENVIRONMENT") != "test":
        return
    wanted_name, _, count = wanted.partition(":")
    if wanted_name != name:
        return
    _passes[name] = _passes.get(name, 0) + 1
    if _passes[name] == int(count or "1"):
        os.kill(os.getpid(), signal.SIGKILL)
