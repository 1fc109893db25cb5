"""Which ports a demo takes. Two that begin at one moment never choose the same, though nobody listens there yet: the
second one's shoppers would otherwise order in the first one's shop.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

from integrations.sandbox.loopback import free_port


class Ports:
    """The ports of one demo. `claims`: locks on the usual ones, to be held for as long as it runs."""

    def __init__(self) -> None:
        self.claims: list[int] = []

    def choose(self, usual: int) -> int:
        """Return the usual port, or a free one where somebody listens there or another demo has claimed it."""
        claim = _claim(usual)
        if claim is None:
            return free_port(0)
        self.claims.append(claim)
        return free_port(usual)


def _claim(port: int) -> int | None:
    """Lock a file that all demos on this machine know; None where another one, or another user, has it."""
    file = Path(tempfile.gettempdir()) / f"shop-payments-demo-port-{port}.lock"
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
