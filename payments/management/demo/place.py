"""Where the demo keeps its things: var/demo/ with its lock, its secrets, its state and its logs."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


class DemoRuns(Exception):
    """Another process keeps this demo running. Use it, or stop it first; the message says where it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the demo's servers answer, without a slash at the end."""

    shop: str
    receiver: str
    sandboxes: Mapping[str, str]
    """By provider."""


class Place:
    """The directory of one checkout's demo. Everything in it is readable to its user alone."""

    def __init__(self, base_dir: Path) -> None:
        self.base_dir = base_dir
        self.home = base_dir / "var" / "demo"
        self.logs = self.home / "logs"
        self.sandbox_state = self.home / "sandbox"
        self.receiver_state = self.home / "receiver"
        self._running = self.home / "running.json"
        # config/env.py reads it, so that commands in another terminal meet the same sandbox.
        self._environment = self.home / "environment.json"

    def make(self) -> None:
        """Make the directories."""
        for directory in (self.home, self.logs, self.sandbox_state, self.receiver_state):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    # --- who runs it -----------------------------------------------------------------------------------------

    def take(self) -> int | None:
        """Take the demo for this process; return the lock's descriptor, or None while another has it."""
        return _lock(self.home / "demo.lock")

    def take_for_children(self) -> int | None:
        """Take the lock that the demo's processes inherit: it is free once the last of an earlier run has ended."""
        return _lock(self.home / "processes.lock")

    def is_taken(self) -> bool:
        """Say whether some process has the demo."""
        if not self.home.exists():
            return False
        descriptor = self.take()
        if descriptor is not None:
            os.close(descriptor)
        return descriptor is None

    def say_running(self, addresses: Addresses, *, pid: int, ready: bool) -> None:
        """Tell other commands where the demo is."""
        _write(self._running, {"pid": pid, "ready": ready, **asdict(addresses)})

    def say_stopped(self) -> None:
        """Take that back."""
        self._running.unlink(missing_ok=True)

    def running(self) -> Addresses | None:
        """Return where the demo answers; None unless one runs and is ready."""
        told = self._told()
        if not told.get("ready"):
            return None
        return Addresses(shop=told["shop"], receiver=told["receiver"], sandboxes=told["sandboxes"])

    def refusal(self) -> DemoRuns:
        """Return what to say to somebody who wants to start it a second time."""
        told = self._told()
        where = f" at {told['shop']}/ (process {told['pid']})" if told else ""
        stop = f", or: kill {told['pid']}" if told else ""
        return DemoRuns(f"The demo of this checkout is running already{where}. Stop it with Ctrl-C there{stop}.")

    def _told(self) -> dict[str, Any]:
        if not self.is_taken():
            return {}
        try:
            told: dict[str, Any] = json.loads(self._running.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return told

    # --- what it keeps ---------------------------------------------------------------------------------------

    def keep_environment(self, environment: Mapping[str, str]) -> None:
        """Keep the variables that make other commands part of this demo."""
        _write(self._environment, dict(environment))

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """Return the secret kept as `name`, making it first if there is none."""
        file = self.home / name
        if not file.exists():
            _write_text(file, make())
        return file.read_text(encoding="ascii")


def new_password() -> str:
    """Return a password that can be typed: four groups of five letters and digits without look-alikes."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"  # pragma: allowlist secret
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))


def _lock(file: Path) -> int | None:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _write(file: Path, content: dict[str, Any]) -> None:
    _write_text(file, json.dumps(content, indent=1) + "\n")


def _write_text(file: Path, text: str) -> None:
    """Write a whole file or nothing, readable to us alone."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    draft.replace(file)
