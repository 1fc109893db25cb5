"""The base of every money table in the admin: it can be read, and nothing else."""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

Row = TypeVar("Row", bound=models.Model)


class ReadOnlyAdmin(admin.ModelAdmin[Row]):
    """Shows rows. Adding, changing and deleting are refused, whoever asks; pages go by key, without a count of all."""

    actions = None
    show_full_result_count = False
    list_per_page = 50

    @admin.display(description="state", ordering="state")
    def state_word(self, row: Any) -> str:
        """The state for a list: its word without its sentence, which the row's own page shows."""
        word, _, _ = str(row.get_state_display()).partition(":")
        return word

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(admin.TabularInline[Row, Any]):
    """Rows of a child table, shown below their parent."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
