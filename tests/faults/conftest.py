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
    assert [line for log in shared_world.logs() for line in _defects(log, since=sizes.get(log, 0))] == []


def _defects(log: Path, *, since: int) -> list[str]:
    with log.open("rb") as stream:
        stream.seek(since)
        lines = stream.read().decode("utf-8", "replace").splitlines()
    return [line for line in lines if any(f" {defect} " in line for defect in DEFECTS)]
