"""Keeps a set of programs running: starts them, restarts one that dies, stops them all and leaves nothing behind.

Each program has a session of its own, so that Ctrl-C in the terminal reaches the supervisor alone and a program's own
children can be ended with it. On Linux the programs are told to stop when the supervisor is killed (prctl(2),
PR_SET_PDEATHSIG); that signal belongs to the thread that started them, so start and watch from one thread that stays.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

KILL_AFTER_SECONDS = 10
RESTART_PAUSES_SECONDS = (0, 1, 2, 5, 10)
"""How long to wait before a restart: first when it had grown old, then after 1, 2 … young deaths in a row."""
YOUNG_SECONDS = 10
LOG_KEPT_BYTES = 5_000_000
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run. Those of a higher `wave` are stopped before those of a lower one."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    wave: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that ended by itself. `how` is a few words: its exit code or the signal that killed it."""

    name: str
    how: str


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes]
    started_at: float
    died_young: int = 0
    restart_at: float | None = None  # set while it is dead and waits for its restart


class Supervisor:
    """Runs programs in `directory`, their output in `logs`/<name>.log. Use it from one thread only.

    `inherited`: descriptors that every program, and every child of theirs, holds open until it ends.
    """

    def __init__(self, *, directory: Path, logs: Path, inherited: tuple[int, ...] = ()) -> None:
        self._directory, self._logs, self._inherited = directory, logs, inherited
        self._children: dict[str, _Child] = {}

    def start(self, program: Program) -> None:
        """Start a program. Raises OSError if its command cannot be run."""
        self._children[program.name] = _Child(program, self._spawn(program), time.monotonic())

    def pids(self) -> dict[str, int]:
        """Return the process ids of what lives, by name."""
        return {name: child.process.pid for name, child in self._children.items() if child.process.poll() is None}

    def ended(self) -> list[Ended]:
        """Return the programs that have ended and are not started again."""
        return [
            Ended(name, _how(child.process.returncode))
            for name, child in self._children.items()
            if child.process.poll() is not None
        ]

    def watch(self, *, notice: Callable[[str], None]) -> None:
        """Look once at every program, start those again that have died, and tell of it."""
        now = time.monotonic()
        for name, child in self._children.items():
            if child.restart_at is None and child.process.poll() is not None:
                self._bury(child, now=now, notice=notice)
            if child.restart_at is not None and now >= child.restart_at:
                child.process, child.started_at, child.restart_at = self._spawn(child.program), now, None
                notice(f"{name} runs again.")

    def stop(self, *, hurry: Callable[[], bool] = lambda: False) -> list[str]:
        """Stop everything, the highest wave first; return the names of those that had to be killed.

        Each wave is asked to end (SIGTERM to its leaders, which end their own children) and killed, with all that is
        left of its process groups, KILL_AFTER_SECONDS later, or at once when `hurry()`.
        """
        killed: list[str] = []
        for wave in sorted({child.program.wave for child in self._children.values()}, reverse=True):
            killed += self._stop([child for child in self._children.values() if child.program.wave == wave], hurry)
        self._children.clear()
        return killed

    def tail(self, name: str, lines: int = 15) -> str:
        """Return the end of a program's log."""
        with self.log_of(name).open(encoding="utf-8", errors="replace") as log:
            return "".join(deque(log, maxlen=lines)).rstrip()

    def log_of(self, name: str) -> Path:
        """Return the file that a program's output goes to."""
        return self._logs / f"{name}.log"

    def _spawn(self, program: Program) -> subprocess.Popen[bytes]:
        with self._open_log(program.name) as log:
            return subprocess.Popen(
                program.command,
                cwd=self._directory,
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self._inherited,
                preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509  one system call; this process has no other thread
            )

    def _open_log(self, name: str) -> IO[bytes]:
        file = self.log_of(name)
        if file.exists() and file.stat().st_size > LOG_KEPT_BYTES:
            file.replace(file.with_suffix(".log.1"))
        return os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")

    def _bury(self, child: _Child, *, now: float, notice: Callable[[str], None]) -> None:
        _kill_group(child.process.pid)  # its own children may have outlived it
        child.died_young = child.died_young + 1 if now - child.started_at < YOUNG_SECONDS else 0
        pause = RESTART_PAUSES_SECONDS[min(child.died_young, len(RESTART_PAUSES_SECONDS) - 1)]
        child.restart_at = now + pause
        name, when = child.program.name, f"in {pause} s" if pause else "now"
        notice(f"{name} ended ({_how(child.process.returncode)}); it is started again {when}. See {self.log_of(name)}")

    def _stop(self, children: list[_Child], hurry: Callable[[], bool]) -> list[str]:
        for child in children:
            if child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + KILL_AFTER_SECONDS
        while _any_lives(children) and time.monotonic() < deadline and not hurry():
            time.sleep(0.05)
        killed = []
        for child in children:
            if child.process.poll() is None:
                killed.append(child.program.name)
            _kill_group(child.process.pid)
            child.process.wait()
        return killed


def _any_lives(children: Iterable[_Child]) -> bool:
    return any(child.process.poll() is None for child in children)


def _kill_group(leader: int) -> None:
    """Kill what is left of a process group; its number is not given out again while a member lives."""
    # Nothing may be left (macOS answers EPERM where only zombies are).
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _end_with(parent: int) -> Callable[[], None]:
    """Return what a new process runs before its program: it shall be told to stop when `parent` dies."""

    def prepare() -> None:
        if _libc is None:
            return
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return prepare


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
