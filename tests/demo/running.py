"""A demo as its users start it: a copy of the checkout, the real processes, an embedded database of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from payments.management.demo.place import Addresses, Place

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("config", "integrations", "orders", "payments", "static", "templates")
READY_SECONDS = 90  # on a machine that does other things as well
NOT_OURS = ("ENVIRONMENT", "DATABASE_URL", "DATABASE_OWNER_URL", "DJANGO_SETTINGS_MODULE", "FAILPOINT")


def copy_checkout(copy: Path) -> None:
    """Copy what runs into `copy`, with nothing in var/ yet. Its path must be short: a socket's address holds it.

    What Python has compiled goes along: a dozen processes begin at once, and each would compile it all.
    """
    for part in PARTS:
        half_written = shutil.ignore_patterns("*.pyc.*")
        shutil.copytree(ROOT / part, copy / part, ignore=half_written)
    shutil.copy(ROOT / "manage.py", copy)


def environment() -> dict[str, str]:
    """What a newcomer's shell has: nothing of ours."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("STRIPE_")}
    return {name: value for name, value in plain.items() if name not in NOT_OURS}


def manage(checkout: Path, *line: str) -> tuple[int, str, str]:
    """Run a command in the copy; return its exit code, stdout and stderr."""
    done = subprocess.run(
        [sys.executable, "manage.py", *line],
        cwd=checkout,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def told(checkout: Path, *line: str) -> dict[str, Any]:
    """Run a command that succeeds and return the one JSON line it printed."""
    code, printed, wrong = manage(checkout, *line)
    assert code == 0, printed + wrong
    report: dict[str, Any] = json.loads(printed)
    return report


def processes_of(checkout: Path) -> list[str]:
    """The command lines of whatever runs in the copy, its database aside."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == checkout:
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it ended meanwhile, or is somebody else's
    return found


def wait_until_none_runs(checkout: Path, seconds: float = 15) -> None:
    """Wait until all processes of the copy have ended. Raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while left := processes_of(checkout):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


class Running:
    """A demo that runs in the copy."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.output = checkout / "demo.out"
        with self.output.open("w") as out:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo"], cwd=checkout, env=environment(), stdout=out, stderr=out
            )
        self.addresses = self._wait()

    def said(self) -> str:
        return self.output.read_text()

    def end(self, how: signal.Signals) -> int:
        """Send it a signal and return its exit code."""
        self.process.send_signal(how)
        return self.process.wait(timeout=60)

    def _wait(self) -> Addresses:
        deadline = time.monotonic() + READY_SECONDS
        while (addresses := Place(self.checkout).running()) is None:
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)
        return addresses
