"""One world for all fault tests of a session: to bring it up takes longer than a history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import oracle
from tests.faults.world import World

DEFECTS = ("event_failed", "sweep_failed", "call_crashed", "return_look_failed", "adapter_defect", "delivery_defect")
"""What the service logs of an error that it did not expect."""


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The running service. At the end its books must be right."""
    world = World(tmp_path_factory.mktemp("world"))
    try:
        world.start()
        yield world
        assert oracle.books(world) == []
    finally:
        world.stop()


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """The running service, whole, with nothing armed. It must not have met with what it did not expect."""
    sizes = {log: log.stat().st_size for log in shared_world.logs()}
    shared_world.calm_down()
    yield shared_world
    shared_world.calm_down()
    found = "\n".join(_defects(log, since=sizes.get(log, 0)) for log in shared_world.logs())
    assert not found.strip(), found


def _defects(log: Path, *, since: int) -> str:
    """Return what a log tells of unexpected errors, each with its traceback, which is indented."""
    with log.open("rb") as stream:
        stream.seek(since)
        lines = stream.read().decode("utf-8", "replace").splitlines()
    found, shown = [], False
    for line in lines:
        shown = any(f" {defect} " in line for defect in DEFECTS) or (shown and line.startswith("    |"))
        if shown and "site-packages" not in line:
            found.append(line)
    return "\n".join(found)
