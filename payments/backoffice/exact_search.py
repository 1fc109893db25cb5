"""Search by ids: each field by its own index, so that a search costs the same in a table of any length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

MOST_FOUND = 500
"""Of each field's matches; an id has one or a few."""


def found_by(rows: QuerySet[Any], fields: Iterable[str], term: str, **leading: Any) -> QuerySet[Any]:
    """Return those of `rows` one of whose `fields` is exactly `term`; every field must have an index.

    A field is a path from the model (`attempt__intent_id`), tried also in lower case. `leading`: lookups that all rows
    pass, for an index that begins with another column. One statement a field: joined by OR over several tables, no
    index would be used.
    """
    term = term.strip()
    if not term:
        return rows
    keys: set[Any] = set()
    for field in fields:
        try:
            found = rows.model._default_manager.filter(**{f"{field}__in": {term, term.lower()}}, **leading)
            keys.update(found.order_by().values_list("pk", flat=True)[:MOST_FOUND])
        except (ValueError, ValidationError):  # no value of this field can look like this
            continue
    return rows.filter(pk__in=keys)
