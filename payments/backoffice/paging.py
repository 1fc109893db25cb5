"""Lists that stay fast however long their tables grow: paged by primary key, never counted, bounded in time.

A page holds the rows just below or above a key, so that the last page costs what the first one does. Where a filter
fits no index and few rows pass it, the table is searched a stretch at a time, and the page says how far it looked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db import OperationalError, connections, transaction
from django.db.models import QuerySet
from django.db.models.expressions import Combinable
from django.http import HttpRequest

PATIENCE_MS = 150
"""For so long the whole table may be searched for one page; then only a stretch of it is."""
STRETCH = 20_000
"""Of how many primary keys a stretch is."""

OLDER, NEWER = "older", "newer"
_POSITION = re.compile(r"(older|newer)-([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: below (`older`) or above (`newer`) a primary key. Written `older-1234` in the address."""

    direction: str
    key: int

    def __str__(self) -> str:
        return f"{self.direction}-{self.key}"


@dataclass(frozen=True, slots=True)
class Page:
    """Rows with the highest key first. `searched_to`: the key at which the search stopped unfinished."""

    rows: list[Any]
    newer: Position | None
    older: Position | None
    searched_to: int | None = None


def position_of(text: str) -> Position | None:
    """Read a position from an address; None (the first page) for anything else."""
    found = _POSITION.fullmatch(text)
    return Position(found[1], int(found[2])) if found else None


def page_of(rows: QuerySet[Any], position: Position | None, *, size: int) -> Page:
    """Return the page of `rows` at `position`, of at most `size` rows; None: the newest."""
    if position is None or position.direction == OLDER:
        return _going_down(rows, position, size=size)
    return _going_up(rows, position, size=size)


def _going_down(rows: QuerySet[Any], position: Position | None, *, size: int) -> Page:
    below = rows if position is None else rows.filter(pk__lt=position.key)
    found = _search(below.order_by("-pk"), position, size=size)
    newer = found.rows[0].pk if found.rows else (position.key - 1 if position else 0)
    return Page(
        rows=found.rows,
        newer=Position(NEWER, newer) if position is not None else None,
        older=Position(OLDER, found.further) if found.further is not None else None,
        searched_to=found.searched_to,
    )


def _going_up(rows: QuerySet[Any], position: Position, *, size: int) -> Page:
    from_the_oldest = position.key == 0
    found = _search(rows.filter(pk__gt=position.key).order_by("pk"), position, size=size)
    if found.further is None and not from_the_oldest:  # less than a page is newer: that is the first page
        return _going_down(rows, None, size=size)
    older = found.rows[0].pk if found.rows else position.key + 1
    return Page(
        rows=found.rows[::-1],
        newer=Position(NEWER, found.further) if found.further is not None else None,
        older=None if from_the_oldest else Position(OLDER, older),
        searched_to=found.searched_to,
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """`further`: the key beyond which there is more, or may be; None at the end of the table."""

    rows: list[Any]
    further: int | None
    searched_to: int | None = None


def _search(rows: QuerySet[Any], position: Position | None, *, size: int) -> _Found:
    """Look for up to `size` rows in the order of `rows`: in all of the table, or in a stretch of it."""
    try:
        with _patience(rows.db):
            found = list(rows[: size + 1])
    except OperationalError as error:
        if not isinstance(error.__cause__, psycopg.errors.QueryCanceled):
            raise
        return _search_a_stretch(rows, position, size=size)
    return _Found(found[:size], found[size - 1].pk if len(found) > size else None)


def _search_a_stretch(rows: QuerySet[Any], position: Position | None, *, size: int) -> _Found:
    # Two statements: asked for both, PostgreSQL would read the whole index.
    keys = rows.model._default_manager.order_by("pk").values_list("pk", flat=True)
    low, high = keys.first() or 0, keys.last() or 0
    if position is not None and position.direction == NEWER:
        edge = max(position.key, low - 1) + STRETCH
        found, unfinished = list(rows.filter(pk__lte=edge)[: size + 1]), edge < high
    else:
        edge = min(position.key if position else high + 1, high + 1) - STRETCH
        found, unfinished = list(rows.filter(pk__gte=edge)[: size + 1]), edge > low
    if len(found) > size:
        return _Found(found[:size], found[size - 1].pk)
    return _Found(found, edge, edge) if unfinished else _Found(found, None)


@contextmanager
def _patience(using: str) -> Iterator[None]:
    """Let statements take PATIENCE_MS at most."""
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(PATIENCE_MS)])
        yield
        cursor.execute("SET LOCAL statement_timeout TO DEFAULT")


class KeysetChangeList(ChangeList):
    """The admin's list over page_of(): newest first, no other order, no total. `?p=` carries the position."""

    page: Page

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[str | Combinable]:
        return ["-pk"]

    def get_ordering_field_columns(self) -> dict[int, Any]:
        return {}

    def get_results(self, request: HttpRequest) -> None:
        position = position_of(request.GET.get(PAGE_VAR, ""))
        self.page = page_of(self.queryset, position, size=self.list_per_page)
        self.result_list = self.page.rows
        # The same number twice: Django then tells no count, which would be of one page only.
        self.result_count = self.full_result_count = len(self.page.rows)
        self.show_full_result_count = False
        self.show_admin_actions = bool(self.page.rows)
        self.can_show_all = self.multi_page = False
        self.paginator = self.model_admin.get_paginator(request, self.queryset, self.list_per_page)

    # --- what the template links to ----------------------------------------------------------------------------

    @property
    def newest_link(self) -> str:
        return self.get_query_string()

    @property
    def oldest_link(self) -> str:
        return self._link(Position(NEWER, 0))

    @property
    def newer_link(self) -> str:
        return self._link(self.page.newer)

    @property
    def older_link(self) -> str:
        return self._link(self.page.older)

    def _link(self, position: Position | None) -> str:
        return self.get_query_string({PAGE_VAR: str(position)}) if position is not None else ""
