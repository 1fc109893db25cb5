"""One page of what a provider lists: a verb that lists asks for one at a time, since one verb has one deadline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    """Some of a list's items, and the `cursor` that the next page is asked for with; empty where this is the last.

    A page without items may still have a cursor. A cursor belongs to the very question it answered.
    """

    items: tuple[Item, ...] = ()
    cursor: str = ""
