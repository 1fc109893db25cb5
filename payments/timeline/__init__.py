"""One timeline of an order, newest first: what moved money, what came in and went out, what people did.

Rows of many tables, merged by our time and paged by a position, so that a long history costs what a short one does:
each table gives at most a page of rows. Plain data; payments/backoffice/order_page.py shows it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Q

from orders.models import Order
from payments.situation import provider_label
from payments.timeline import messages, money, people
from payments.timeline.entry import Chip, Entry, OwnPage, Scope, Source

__all__ = ["Chip", "Entry", "OwnPage", "Position", "Timeline", "timeline_of"]

PAGE_SIZE = 50

_BY_KIND = {source.kind: source for source in (*money.SOURCES, *messages.SOURCES, *people.SOURCES)}
_RANKED = (
    *("order", "attempt", "call", "page_given", "event", "look", "action", "approval", "capture", "refund"),
    *("dispute", "dispute_money", "transition", "case"),
    *("fact", "try", "dead_letter", "note", "replay", "repeat", "skip", "audit", "case_closed"),
)
"""Among rows of one moment, the later kind stands above: what was looked at or agreed to before what it moved."""
SOURCES: tuple[Source, ...] = tuple(_BY_KIND[kind] for kind in _RANKED)

_POSITION = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00)~(\d{1,2})~(\d{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where a page ends: the next one begins with what is older. Written into addresses."""

    at: datetime
    rank: int
    pk: int

    def __str__(self) -> str:
        return f"{self.at.isoformat(timespec='microseconds')}~{self.rank}~{self.pk}"

    @classmethod
    def read(cls, text: str) -> Position | None:
        """Return the position written as `text`; None (the newest page) for anything else."""
        found = _POSITION.fullmatch(text)
        if found is None:
            return None
        try:
            return cls(datetime.fromisoformat(found[1]), int(found[2]), int(found[3]))
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Timeline:
    """One page. `names`: the people behind `user:7`, by their key. `older`: where the next page begins, if any."""

    entries: tuple[Entry, ...]
    names: dict[str, str]
    older: Position | None

    def actor_of(self, entry: Entry) -> str:
        """Return who did it, as a person reads it."""
        return self.names.get(entry.actor, entry.actor)


def timeline_of(
    order: Order,
    *,
    chip: Chip = Chip.ALL,
    correlation_id: str = "",
    before: Position | None = None,
    size: int = PAGE_SIZE,
) -> Timeline:
    """Return the page of the order's timeline below `before` (None: the newest), of what `chip` and the id let pass."""
    attempts = list(order.attempts.order_by("pk").values_list("pk", "provider", "reference"))
    scope = Scope(
        order=order,
        attempts={key: provider_label(provider) for key, provider, _ in attempts},
        references=tuple(reference for _, _, reference in attempts),
        cases=tuple(order.cases.order_by("pk").values_list("pk", flat=True)),
    )
    found: list[tuple[Position, Entry]] = []
    for rank, source in enumerate(SOURCES):
        rows = _rows(source, rank, scope, chip=chip, correlation_id=correlation_id, before=before)
        for row in rows[: size + 1] if rows is not None else ():
            entry = source.entry(row, scope)
            found.append((Position(entry.at, rank, entry.pk), entry))
    found.sort(key=lambda pair: pair[0], reverse=True)
    page = found[:size]
    entries = tuple(entry for _, entry in page)
    return Timeline(entries, _names(entries), page[-1][0] if len(found) > size else None)


def _rows(source: Source, rank: int, scope: Scope, *, chip: Chip, correlation_id: str, before: Position | None) -> Any:
    """Return a source's rows for this page, newest first; None where it has none of what is asked for."""
    if (chip is not Chip.ALL and chip not in source.chips) or (correlation_id and not source.correlation):
        return None
    rows = source.rows(scope)
    if chip is not Chip.ALL:
        rows = rows.filter(source.chips[chip])
    if correlation_id:
        rows = rows.filter(**{source.correlation: correlation_id})
    if before is not None:
        rows = rows.filter(_below(source.time, rank, before))
    return rows.order_by(f"-{source.time}", "-pk")


def _below(time: str, rank: int, before: Position) -> Q:
    earlier = Q(**{f"{time}__lt": before.at})
    if rank < before.rank:
        return Q(**{f"{time}__lte": before.at})
    return earlier | Q(**{time: before.at, "pk__lt": before.pk}) if rank == before.rank else earlier


def _names(entries: tuple[Entry, ...]) -> dict[str, str]:
    keys = {entry.actor.removeprefix("user:") for entry in entries if entry.actor.startswith("user:")}
    users = get_user_model().objects.filter(pk__in=[int(key) for key in keys if key.isascii() and key.isdigit()])
    return {f"user:{user.pk}": user.get_full_name() or user.get_username() for user in users}
