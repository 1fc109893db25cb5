"""The set-up: what it refuses, and that it installs only when the pins have changed. pip itself is played."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose .venv has a Python that takes note of what pip is asked for."""
    (tmp_path / "tools").mkdir()
    for name in ("Makefile", "tools/environment.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "requirements.txt").write_text("one==1\n")
    (tmp_path / "requirements-dev.txt").write_text("one==1\ntwo==2\n")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\ncase "$*" in *install*) echo "$*" >> pip.log; exit ${PIP_EXIT:-0};; esac\n')
    python.chmod(0o755)
    return tmp_path


@pytest.fixture
def make(checkout: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(target: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        return subprocess.run(
            ["make", target],
            cwd=checkout,
            env={**inherited, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def installs(checkout: Path) -> list[str]:
    log = checkout / "pip.log"
    return [line.rpartition("/")[2] for line in log.read_text().splitlines()] if log.exists() else []


def test_pins_are_installed_once_and_again_when_they_change(checkout: Path, make: Callable[..., object]) -> None:
    make("runtime")
    make("runtime")
    assert installs(checkout) == ["requirements.txt"]
    assert "--require-hashes" in (checkout / "pip.log").read_text()

    (checkout / "requirements.txt").write_text("one==2\n")
    make("runtime")
    assert installs(checkout) == ["requirements.txt", "requirements.txt"]


def test_development_includes_runtime_but_not_the_reverse(checkout: Path, make: Callable[..., object]) -> None:
    make("development")
    make("runtime")
    assert installs(checkout) == ["requirements-dev.txt"]

    (checkout / "requirements.txt").write_text("one==2\n")
    make("runtime")
    make("development")
    assert installs(checkout) == ["requirements-dev.txt", "requirements.txt"]


def test_failed_install_is_tried_again(checkout: Path, make: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert make("runtime", PIP_EXIT="1").returncode != 0
    assert not (checkout / ".venv" / "installed.json").exists()
    assert make("runtime").returncode == 0
    assert set(json.loads((checkout / ".venv" / "installed.json").read_text())) == {"runtime"}


def test_python_without_venv_is_told_the_package(
    checkout: Path, make: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    (checkout / ".venv" / "bin" / "python").unlink()
    (checkout / "ensurepip.py").write_text("raise ImportError\n")

    done = make("runtime", PYTHONPATH=str(checkout))

    assert done.returncode == 2
    assert "apt install python3-venv" in done.stderr


def test_machine_without_a_new_enough_python_is_told_so(
    checkout: Path, make: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    old = checkout / "old"
    old.mkdir()
    for name in ("python3", *(f"python3.{minor}" for minor in range(11, 15))):
        (old / name).write_text("#!/bin/sh\nexit 1\n")
        (old / name).chmod(0o755)

    done = make("runtime", PATH=f"{old}:/usr/bin:/bin")

    assert done.returncode == 2
    assert "No Python 3.11 or newer found" in done.stderr
