"""One line of an order's timeline as plain data, and what a source of lines is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from integrations.redaction import one_line
from orders.models import Order
from payments.labelled import Labelled


class Chip(Labelled):
    """What of the timeline is shown."""

    ALL = "all", "All"
    MONEY = "money", "Money"
    MESSAGES = "messages", "Messages"
    PEOPLE = "people", "People"
    PROBLEMS = "problems", "Problems"


@dataclass(frozen=True, slots=True)
class OwnPage:
    """A row's own page in the admin: its model (`payments.case`) and key. Who may open it, its screen knows."""

    model: str
    key: int
    fragment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing that happened. `at`: our time; `provider_at`: theirs.

    `actor` as the rows name it (`user:7`, `worker:inbox`, `shopper`). `tags`: words beside the title. `details`: label
    and value; `text`: what a person wrote; `said`: JSON of the provider, masked. `technical`: shown folded.
    """

    kind: str
    pk: int
    at: datetime
    title: str
    provider_at: datetime | None = None
    actor: str = ""
    correlation_id: str = ""
    tags: tuple[str, ...] = ()
    problem: bool = False
    technical: bool = False
    details: tuple[tuple[str, str], ...] = ()
    text: str = ""
    said: str = ""
    page: OwnPage | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose timeline it is: the order, and the keys of what belongs to it."""

    order: Order
    attempts: Mapping[int, str]
    """Attempt's key → its provider's label."""
    references: tuple[str, ...]
    cases: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A table of which rows are lines. `time`: the field with our time, by which its lines are sorted.

    `chips`: under which filters its rows stand, and which of them (an empty Q: all). `correlation`: the path of the
    field with the correlation id; empty: its rows have none.
    """

    kind: str
    time: str
    rows: Callable[[Scope], QuerySet[Any]]
    entry: Callable[[Any, Scope], Entry]
    chips: Mapping[Chip, Q] = field(default_factory=dict)
    correlation: str = "correlation_id"


def known(*pairs: tuple[str, object]) -> tuple[tuple[str, str], ...]:
    """Return the pairs whose value says something, as text without line breaks and direction marks."""
    return tuple((label, clean(str(value))) for label, value in pairs if value not in (None, "", 0))


def clean(text: str) -> str:
    """Return text from outside so that it reads as what it is, in one line."""
    return one_line(text)


def stamp(at: datetime | None) -> str:
    """Return a time among the details."""
    return f"{at:%Y-%m-%d %H:%M:%S %Z}" if at is not None else ""
