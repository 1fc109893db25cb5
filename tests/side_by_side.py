"""How `make test` shares its tests out among processes (pytest-xdist, `--dist loadfile`): by file.

The fault tests go together: the first of them brings up a whole service, which the next ones use. So do those in the
browser that use a whole shop, in as many shops as pay.
"""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from pathlib import PurePosixPath

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER = ("tests/faults", "tests/browser/whole_shop")
IN_SHOPS = TOGETHER[1]
SHOPS = 2
"""How many whole shops run at a time: each is two dozen processes."""


class Sharing(LoadFileScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """By file, as ever, but for what goes together."""

    def _split_scope(self, nodeid: str) -> str:
        place = place_of(nodeid)
        return f"{place} {self._shops[_file_of(nodeid)]}" if place == IN_SHOPS else place

    @cached_property
    def _shops(self) -> dict[str, int]:
        """Which shop serves each file, by number: shared out so that each has about as many tests."""
        counts = Counter(_file_of(nodeid) for nodeid in self.collection if place_of(nodeid) == IN_SHOPS)
        tests, shop_of = [0] * SHOPS, {}
        for file, count in sorted(counts.items(), key=lambda found: (-found[1], found[0])):
            shop_of[file] = tests.index(min(tests))
            tests[shop_of[file]] += count
        return shop_of


def place_of(nodeid: str) -> str:
    """Return the file of a test, or the folder whose tests go together."""
    file = _file_of(nodeid)
    return next((folder for folder in TOGETHER if PurePosixPath(file).is_relative_to(folder)), file)


def _file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def longest_first(items: list[pytest.Item]) -> None:
    """Order by how many slow tests a place has: at the end of a run nobody waits for one that was begun last."""
    slow = Counter(place_of(item.nodeid) for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[place_of(item.nodeid)])
