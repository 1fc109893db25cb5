"""Named places where a test may stop this process, to show that nothing is lost or doubled there (docs/faults.md).

Inert unless ENVIRONMENT is `test` and the environment names a failpoint. Two ways to arm one:

- `FAILPOINT=name:n`: this process kills itself on its own n-th pass. One that its parent starts again does so again.
- `FAILPOINT_DIR=directory`: `arm()` puts a file there, for a running process; it fires once, in whichever of the
  processes with that directory comes by for the n-th time, and leaves word of it for `fired()`.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

_ARMED, _FIRED = ".armed-", ".fired-"

_passes: dict[str, int] = {}


def failpoint(name: str) -> None:
    """Kill this process with SIGKILL on the n-th pass, where the environment asks for it and ENVIRONMENT is `test`."""
    if os.environ.get("ENVIRONMENT") != "test":
        return
    if directory := os.environ.get("FAILPOINT_DIR"):
        _pass_armed(Path(directory), name)
    if wanted := os.environ.get("FAILPOINT"):
        _pass_wanted(wanted, name)


def arm(
    directory: Path, name: str, *, passes: int = 1, signal_number: int = signal.SIGKILL, whole_group: bool = False
) -> None:
    """Let the `passes`-th pass of `name` send its process this signal (SIGSTOP stalls it), or its whole process
    group."""
    draft = directory / f"{name}.draft"
    draft.write_text(f"{int(signal_number)} {'group' if whole_group else 'process'}")
    draft.rename(directory / f"{name}{_ARMED}{passes}")


def fired(directory: Path) -> dict[str, int]:
    """Return what has fired since `disarm()`: process ids by failpoint."""
    found = (each.name.partition(_FIRED) for each in directory.iterdir() if _FIRED in each.name)
    return {name: int(pid) for name, _, pid in found}


def disarm(directory: Path) -> None:
    """Forget what is armed and what has fired."""
    for each in directory.iterdir():
        each.unlink(missing_ok=True)


def _pass_wanted(wanted: str, name: str) -> None:
    wanted_name, _, count = wanted.partition(":")
    if wanted_name != name:
        return
    _passes[name] = _passes.get(name, 0) + 1
    if _passes[name] == int(count or "1"):
        os.kill(os.getpid(), signal.SIGKILL)


def _pass_armed(directory: Path, name: str) -> None:
    """Count this pass down. Renaming lets exactly one process have each pass, and exactly one the last."""
    for each in directory.glob(f"{name}{_ARMED}*"):
        left = int(each.name.rpartition("-")[2]) - 1
        becomes = f"{name}{_ARMED}{left}" if left else f"{name}{_FIRED}{os.getpid()}"
        try:
            number, whom = each.read_text().split()
            each.rename(directory / becomes)
        except FileNotFoundError:  # another process had this pass: it is as if we had come first
            return
        if not left:
            send = os.killpg if whom == "group" else os.kill
            send(os.getpgrp() if whom == "group" else os.getpid(), int(number))
