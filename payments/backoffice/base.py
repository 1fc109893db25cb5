"""The bases of every screen: who may see it, and that money tables can be read and nothing else."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from payments.audit import log as audit_log
from payments.backoffice import exact_search
from payments.backoffice.paging import KeysetChangeList
from payments.offers import Offer, not_offered
from payments.roles import Area, Verb, may, who_may

Row = TypeVar("Row", bound=models.Model)

_BY_FILTERS = ("", "__exact", "__id__exact", "__in", "__isnull", "__isempty", "__gte", "__lt")
"""What the admin's own filters append to a field's name."""


class AreaAdmin(admin.ModelAdmin[Row]):
    """A screen of one area of the roles table: whoever may view the area may open it; nobody may change rows here.

    What a person may do is a named operation with a button of its own (payments/backoffice/acting.py).
    """

    area: ClassVar[Area]
    edits: ClassVar[Verb | None] = None
    """The verb that lets a person add and change rows by hand; None: nobody does. Nobody deletes any."""
    by_subject: ClassVar[bool] = False
    """Whether the screen decides by each row whom it opens to, beyond the area; then it has tests of that."""
    view_on_site = False

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """Let an address ask what the page's own filters ask, and nothing else.

        Django lets it ask anything of a column: `?email__startswith=a` would tell, letter by letter and unrecorded,
        what the list masks, and tokens and payloads with it.
        """
        names = {_asked_by(each) for each in self.list_filter}
        if "\x00" in str(value):  # PostgreSQL refuses it
            return False
        return any(lookup == f"{name}{appended}" for name in names for appended in _BY_FILTERS)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Verb.VIEW, self.area)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.edits is not None and may(request.user, self.edits, self.area)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_add_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the row's lines in the audit log: Django's own page knows only what its forms changed."""
        url = _audit_address(request, self.model, object_id)
        if not url:
            raise PermissionDenied(who_may(Verb.VIEW, Area.AUDIT))
        return redirect(url)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """Link the row's lines in the audit log, for whoever may read it."""
        context["audit_url"] = _audit_address(request, self.model, str(obj.pk)) if obj is not None else ""
        return super().render_change_form(request, context, add, change, form_url, obj)


def _audit_address(request: HttpRequest, model: type[models.Model], key: str) -> str:
    """Return where the audit log tells of a row; empty where it does not, or the reader may not read it."""
    kind = audit_log.kind_of(model)
    if kind not in audit_log.kinds() or not key.isdigit() or not may(request.user, Verb.VIEW, Area.AUDIT):
        return ""
    return f"{reverse('admin:payments_auditrecord_changelist')}?{urlencode({'subject': kind, 'number': key})}"


def _asked_by(list_filter: Any) -> str:
    """Return the name by which a filter asks in the address: its field's, or one of its own."""
    if isinstance(list_filter, tuple | list):
        return str(list_filter[0])
    return str(getattr(list_filter, "parameter_name", list_filter))


class ReadOnlyAdmin(AreaAdmin[Row]):
    """Shows rows. Adding, changing and deleting are refused, whoever asks.

    Lists are made for tables of any length: newest first, paged by key (payments/backoffice/paging.py); `search_fields`
    are searched for exactly what was typed and need an index each; `list_filter` takes fields with choices or few rows
    to choose from, and filters of payments/backoffice/filtering.py. No date_hierarchy: it reads whole tables.
    """

    offers: ClassVar[tuple[Offer, ...]] = ()
    """What these rows come from: the list says which providers do not offer it."""
    actions = None
    change_list_template = "admin/keyset_list.html"
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[KeysetChangeList]:
        return KeysetChangeList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Name the providers from which no such rows can come."""
        notes = [sentence for offer in self.offers if (sentence := not_offered(offer))]
        return super().changelist_view(request, {**(extra_context or {}), "not_offered": notes})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Row]:
        """Leave out of a list what no page shows: sealed bodies, payloads."""
        return super().get_queryset(request).defer(*(self.exclude or ()))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Let all fields be text: none is ever edited, so no form is built."""
        if self.fields or self.fieldsets or self.readonly_fields:
            return super().get_readonly_fields(request, obj)
        left_out = set(self.exclude or ())
        return [field.name for field in self.opts.fields if field.name not in left_out and field.editable]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Row], search_term: str
    ) -> tuple[QuerySet[Row], bool]:
        found = exact_search.found_by(
            queryset, self.get_search_fields(request), search_term, **self.leading_search_lookups()
        )
        return found, False

    def leading_search_lookups(self) -> dict[str, Any]:
        """Return lookups that every row passes, where the index of a search field begins with another column."""
        return {}

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
    template = "admin/readonly_rows.html"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # the parent's page has asked

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
