"""Filters for lists of long tables: their choices come from the code or from the newest rows, never from all rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from integrations import providers

NEWEST = 1_000
"""Among so many of the newest rows a filter's choices are looked for."""

Choices = Iterable[tuple[str, str]]


class _ValueFilter(admin.SimpleListFilter):
    """Rows whose field has exactly the chosen value, also one that is not among the choices."""

    field: str

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset if value is None else queryset.filter(**{self.field: value})

    def has_output(self) -> bool:
        return True


def known_values(field: str, choices: Callable[[], Choices], *, title: str = "") -> type[admin.SimpleListFilter]:
    """Return a filter of `field` whose values the code knows; `choices()` gives (value, label)."""

    class KnownValues(_ValueFilter):
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
            return list(choices())

    KnownValues.field, KnownValues.title = field, title or field.replace("_", " ")
    return KnownValues


def recent_values(field: str, *, title: str = "") -> type[admin.SimpleListFilter]:
    """Return a filter of `field` that offers the values of the newest rows; a rarer one is chosen by the address."""

    class RecentValues(_ValueFilter):
        parameter_name = field

        def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
            newest = model_admin.model._default_manager.order_by("-pk").values_list(field, flat=True)[:NEWEST]
            chosen = request.GET.get(field)
            return [(value, value) for value in sorted({*newest, *([chosen] if chosen else [])}) if value]

    RecentValues.field, RecentValues.title = field, title or field.replace("_", " ")
    return RecentValues


def by_provider() -> type[admin.SimpleListFilter]:
    """Return the filter by provider."""
    return known_values("provider", lambda: [(name, name) for name in providers.known()])
