"""The bases of every screen: who may see it, and that money tables can be read and nothing else."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from django.contrib import admin
from django.db import models
from django.http import HttpRequest

from payments.roles import Area, Verb, may

Row = TypeVar("Row", bound=models.Model)


class AreaAdmin(admin.ModelAdmin[Row]):
    """A screen of one area of the roles table: whoever may view the area may open it; nobody may change rows here.

    What a person may do is a named operation with a button of its own (payments/backoffice/acting.py).
    """

    area: ClassVar[Area]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Verb.VIEW, self.area)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(AreaAdmin[Row]):
    """Shows rows. Adding, changing and deleting are refused, whoever asks."""

    actions = None
    show_full_result_count = False
    list_per_page = 50

    @admin.display(description="state", ordering="state")
    def state_word(self, row: Any) -> str:
        """The state for a list: its word without its sentence, which the row's own page shows."""
        word, _, _ = str(row.get_state_display()).partition(":")
        return word


class ReadOnlyInline(admin.TabularInline[Row, Any]):
    """Rows of a child table, shown below their parent, to whoever may see the parent."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # the parent's page has asked

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
