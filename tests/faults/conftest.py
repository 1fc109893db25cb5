"""The worlds of the fault tests, each started once: to bring one up takes longer than a history."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import oracle
from tests.faults.world import World
from tests.processes import ROOT

HERE = Path(__file__).parent
DEFECTS = ("event_failed", "sweep_failed", "call_crashed", "return_look_failed", "adapter_defect", "delivery_defect")
"""What the service logs of an error that it did not expect."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test` plays the first case of each test here that does not say itself which, `make faults` all of them."""
    cases: dict[str, list[pytest.Item]] = {}
    for item in sorted(items, key=lambda item: item.nodeid):
        if item.path.is_relative_to(HERE) and item.get_closest_marker("faults") is None:
            cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for of_one in cases.values():
        for item in of_one[1:]:
            item.add_marker(pytest.mark.faults)


@pytest.fixture(scope="package")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The running service, paid at Stripe."""
    with _running(World(tmp_path_factory.mktemp("world"))) as world:
        yield world


@pytest.fixture(scope="package")
def shared_world_of_others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The running service, paid at each other provider as is usual for it."""
    with _running(World(tmp_path_factory.mktemp("others"), providers=("paypal", "square", "nmi"))) as world:
        yield world


@pytest.fixture(scope="package")
def shared_world_of_frames(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The running service, paid in Square's frame on a page of ours."""
    framed = World(tmp_path_factory.mktemp("frames"), providers=("square",), presentation="embedded")
    with _running(framed) as world:
        yield world


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    with _watched(shared_world):
        yield shared_world


@pytest.fixture
def world_of_others(shared_world_of_others: World) -> Iterator[World]:
    with _watched(shared_world_of_others):
        yield shared_world_of_others


@pytest.fixture
def world_of_frames(shared_world_of_frames: World) -> Iterator[World]:
    with _watched(shared_world_of_frames):
        yield shared_world_of_frames


@contextmanager
def _running(world: World) -> Iterator[World]:
    """Start it. At the end its books must be right, by our own judgement too."""
    try:
        world.start()
        yield world
        assert oracle.books(world) == []
        world.manage("verify_ledger")
        world.manage("rebuild_check")
    finally:
        world.stop()


@contextmanager
def _watched(world: World) -> Iterator[None]:
    """Let a test have it whole, with nothing armed. It must not have met with what it did not expect."""
    sizes = {log: log.stat().st_size for log in world.logs()}
    world.calm_down()
    yield
    expected = list(world.expected)
    world.calm_down()
    found = [error for log in world.logs() for error in _unexpected(log, since=sizes.get(log, 0))]
    found = [error for error in found if not any(words in "\n".join(error) for words in expected)]
    assert not found, "\n\n".join("\n".join(error) for error in found[:5])


def _unexpected(log: Path, *, since: int) -> list[list[str]]:
    """Return what a log tells of unexpected errors: each one's line, our places in its traceback, and what it says."""
    with log.open("rb") as stream:
        stream.seek(since)
        lines = stream.read().decode("utf-8", "replace").splitlines()
    found: list[list[str]] = []
    traceback: list[str] = []
    for line in [*lines, ""]:
        if line.startswith("    |"):
            traceback.append(line)
            continue
        if traceback and found and len(found[-1]) == 1:
            found[-1] += [each for each in traceback if str(ROOT) in each or not each.startswith("    |  ")]
        traceback = []
        if any(f" {defect} " in line for defect in DEFECTS):
            found.append([line])
    return found
