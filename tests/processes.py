"""Starts the real processes against the test database, and ends them, children and all."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

from django.db import connections

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS = 40


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a process that works on the test database, in the same roles as the test."""
    return {
        **os.environ,
        "ENVIRONMENT": "test",
        "DATABASE_URL": _url("default"),
        "DATABASE_OWNER_URL": _url("owner"),
        "PYTHONUNBUFFERED": "1",
        **more,
    }


def eventually(true: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS, every: float = 0.05) -> Any:
    """Wait until `true()` is, and return it. Raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(every)
    return found


def children_of(pid: int) -> list[int]:
    """Return the ids of a process's living children."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(each) for each in listed.split()]


class Process:
    """One process in a session of its own, so that its children end with it."""

    def __init__(self, command: Sequence[str], *, log: Path, env: dict[str, str]) -> None:
        self.log = log
        self._file: IO[bytes] = log.open("ab")
        self._popen = subprocess.Popen(
            command,
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def code(self) -> int | None:
        return self._popen.poll()

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def signal(self, number: int) -> None:
        """Send a signal to it and its children."""
        os.killpg(self._popen.pid, number)

    def stop(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """Ask it to end (SIGTERM), and return its exit code."""
        self._popen.terminate()
        try:
            return self._popen.wait(timeout=seconds)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it and its children at once (SIGKILL)."""
        with suppress(ProcessLookupError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait(timeout=PATIENCE_SECONDS)
        self._file.close()


class Processes:
    """Those one test started."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._started: list[Process] = []

    def start(self, name: str, command: Sequence[str], **env: str) -> Process:
        process = Process(command, log=self.directory / f"{name}.log", env=environment(**env))
        self._started.append(process)
        return process

    def manage(self, *arguments: str, **env: str) -> Process:
        """Start `manage.py …`."""
        return self.start(arguments[0], [sys.executable, "manage.py", *arguments], **env)

    def cluster(self, name: str, **env: str) -> Process:
        """Start the workers of one cluster."""
        return self.start(f"qcluster-{name}", [sys.executable, "manage.py", "qcluster"], Q_CLUSTER_NAME=name, **env)

    def receiver(self, *, secret: str, name: str = "receiver", port: int = 0) -> DemoReceiver:
        """Start the demo receiver; returns once it listens. The same `name` keeps its state."""
        log = self.directory / f"{name}-{len(self._started)}.log"
        command = [sys.executable, "-m", "integrations.sandbox.receiver", "--port", str(port)]
        process = Process(
            [*command, "--state-dir", str(self.directory / name), "--secret", secret], log=log, env=environment()
        )
        self._started.append(process)
        return DemoReceiver(process)

    def kill(self) -> None:
        for process in reversed(self._started):
            process.kill()


class DemoReceiver:
    """A running `python -m integrations.sandbox.receiver`."""

    def __init__(self, process: Process) -> None:
        self.process = process
        line = eventually(lambda: process.said() or process.code is not None)
        assert line is not True, "the receiver did not start"
        self.url: str = json.loads(process.said())["url"]

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def report(self) -> dict[str, Any]:
        """Everything it received."""
        with urlopen(f"{self.url}/received", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def receipts(self) -> dict[str, int]:
        """How often each message came, by key."""
        return {message["id"]: message["receipts"] for message in self.report()["messages"]}

    def fail(self, **fault: Any) -> None:
        """Let it fail; see its docstring."""
        with urlopen(Request(f"{self.url}/control", data=json.dumps(fault).encode()), timeout=10):
            pass


@contextmanager
def running(directory: Path) -> Iterator[Processes]:
    """Give the processes of one test, and end them all with it."""
    processes = Processes(directory)
    try:
        yield processes
    finally:
        processes.kill()


def _url(alias: str) -> str:
    parts = connections[alias].settings_dict
    query = urlencode({"host": parts["HOST"], "port": parts["PORT"]})
    return f"postgresql://{quote(parts['USER'])}:{quote(parts['PASSWORD'])}@/{quote(parts['NAME'])}?{query}"
