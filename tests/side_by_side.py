"""How `make test` shares its tests out among processes (pytest-xdist, `--dist loadfile`): by file.

The fault tests go together: the first of them brings up a whole service, which the next ones use.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = "tests/faults"


class Sharing(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """By file, as ever, but for what goes together."""

    def _split_scope(self, nodeid: str) -> str:
        return place_of(nodeid)


def place_of(nodeid: str) -> str:
    """Return the file of a test, or the folder whose tests go together."""
    file = nodeid.partition("::")[0]
    return TOGETHER if PurePosixPath(file).is_relative_to(TOGETHER) else file


def longest_first(items: list[pytest.Item]) -> None:
    """Order by how many slow tests a place has: at the end of a run nobody waits for one that was begun last."""
    slow = Counter(place_of(item.nodeid) for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[place_of(item.nodeid)])
