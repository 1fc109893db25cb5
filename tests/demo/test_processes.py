"""The supervisor over real processes: starts, restarts, stops in waves, and leaves nothing behind."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from payments.management.demo import processes
from payments.management.demo.processes import Program, Supervisor

ROOT = Path(__file__).resolve().parents[2]
SLEEP = "import time; time.sleep(60)"
# Says in a file of its name when it was asked to stop.
TELLS = """
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path(sys.argv[1]).write_text(str(time.monotonic_ns()))
    time.sleep(0.2)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
"""
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import signal, time; signal.signal(15, 1); time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""
PARENT = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
time.sleep(60)
"""


def program(name: str, code: str, *arguments: str, wave: int = 0, **environment: str) -> Program:
    """Return a program of a few lines of Python."""
    return Program(
        name=name,
        command=(sys.executable, "-c", code, *arguments),
        environment={"PATH": os.environ["PATH"], **environment},
        wave=wave,
    )


def wait_for(condition: Callable[[], object], *, seconds: float = 30) -> None:
    """Wait until `condition()` holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Say whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    made = Supervisor(directory=tmp_path, logs=tmp_path)
    yield made
    made.stop(hurry=lambda: True)


def test_a_program_runs_in_its_directory_with_its_environment_alone(supervisor: Supervisor, tmp_path: Path) -> None:
    told = "import os; print(os.getcwd(), os.environ.get('GREETING'), os.environ.get('DJANGO_SETTINGS_MODULE'))"
    supervisor.start(program("one", told, GREETING="hello"))
    wait_for(supervisor.ended)
    assert supervisor.tail("one") == f"{tmp_path} hello None"
    assert [(ended.name, ended.how) for ended in supervisor.ended()] == [("one", "exit code 0")]
    assert supervisor.log_of("one").stat().st_mode & 0o077 == 0, "logs hold mails: for this user alone"


def test_one_that_dies_is_started_again_and_its_orphans_are_not_left(supervisor: Supervisor) -> None:
    supervisor.start(program("one", PARENT))
    wait_for(lambda: supervisor.tail("one"))
    first, orphan = supervisor.pids()["one"], int(supervisor.tail("one"))
    os.kill(first, signal.SIGKILL)
    notices: list[str] = []

    def runs_again() -> bool:
        supervisor.watch(notice=notices.append)
        return supervisor.pids().get("one", first) != first

    wait_for(runs_again)
    assert not lives(orphan)
    assert "one ended (killed by SIGKILL)" in notices[0]
    assert notices[1:] == ["one runs again."]


def test_one_that_keeps_dying_is_started_more_and_more_slowly(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "RESTART_PAUSES_SECONDS", (0, 0, 3))
    supervisor.start(program("one", "raise SystemExit(7)"))
    notices: list[str] = []

    def twice() -> bool:
        supervisor.watch(notice=notices.append)
        return sum("ended" in notice for notice in notices) == 2

    wait_for(twice)
    assert "exit code 7" in notices[0]
    assert "again now" in notices[0]
    assert "again in 3 s" in notices[-1]


def test_the_highest_wave_ends_before_the_next_is_asked(supervisor: Supervisor, tmp_path: Path) -> None:
    for name, wave in (("base", 0), ("worker", 1), ("web", 2)):
        supervisor.start(program(name, TELLS, str(tmp_path / name), wave=wave))
        wait_for(lambda name=name: supervisor.tail(name))  # type: ignore[misc]
    assert supervisor.stop() == []
    asked = {name: int((tmp_path / name).read_text()) for name in ("web", "worker", "base")}
    assert asked["web"] + 200_000_000 <= asked["worker"] <= asked["base"] - 200_000_000


def test_one_that_does_not_listen_is_killed_with_all_its_children(
    supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "KILL_AFTER_SECONDS", 1)
    supervisor.start(program("stubborn", STUBBORN))
    supervisor.start(program("meek", SLEEP))
    wait_for(lambda: supervisor.tail("stubborn"))
    child, leader = int(supervisor.tail("stubborn")), supervisor.pids()["stubborn"]
    assert supervisor.stop() == ["stubborn"]
    wait_for(lambda: not lives(child) and not lives(leader))


def test_in_a_hurry_nobody_is_waited_for(supervisor: Supervisor) -> None:
    supervisor.start(program("stubborn", STUBBORN))
    wait_for(lambda: supervisor.tail("stubborn"))
    started = time.monotonic()
    supervisor.stop(hurry=lambda: True)
    assert time.monotonic() - started < processes.KILL_AFTER_SECONDS / 2


def test_an_inherited_lock_is_free_only_when_the_last_child_has_ended(tmp_path: Path) -> None:
    def lock() -> int | None:
        descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    held = lock()
    assert held is not None
    supervisor = Supervisor(directory=tmp_path, logs=tmp_path, inherited=(held,))
    supervisor.start(program("one", SLEEP))
    os.close(held)
    assert lock() is None
    supervisor.stop()
    freed = lock()
    assert freed is not None
    os.close(freed)


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_children_stop_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from payments.management.demo.processes import Program, Supervisor
home = Path({str(tmp_path)!r})
supervisor = Supervisor(directory=home, logs=home)
supervisor.start(Program(name="one", command=(sys.executable, "-c", {SLEEP!r}), environment={{}}))
print(supervisor.pids()["one"], flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert lives(child)
    parent.kill()
    parent.communicate()
    wait_for(lambda: not lives(child))


def test_a_log_that_has_grown_large_is_set_aside(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "LOG_KEPT_BYTES", 3)
    (tmp_path / "one.log").write_text("long")
    supervisor.start(program("one", "print('new')"))
    wait_for(supervisor.ended)
    assert supervisor.tail("one") == "new"
    assert (tmp_path / "one.log.1").read_text() == "long"
