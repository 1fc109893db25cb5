"""The audit log's screens: one list of events and changes, a page for each line, and the seals. For whoever may view
the audit log; nobody changes anything here.

Threats: names and texts from outside in a line (escaped by the templates, one line each by redaction.one_line); a
reader without a role for a subject (its link is left out, its page asks again); a filter that reads a whole table
(each one has an index; the list is paged by key and never counted).
"""

from __future__ import annotations

from typing import Any

from auditlog.models import LogEntry
from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse

from integrations.models import OutboxEvent
from orders.models import Transition
from payments.audit import log as audit_log
from payments.audit.events import Event
from payments.audit.log import CHANGES, EVENTS, Filters, Line
from payments.backoffice.base import ReadOnlyAdmin
from payments.models import AuditRecord, AuditSeal, ProviderEvent, StaffAction
from payments.roles import Area

PAGE_LINES = 50
TOGETHER_LINES = 100

_TOGETHER: tuple[tuple[str, type[Model]], ...] = (
    ("Acts", StaffAction),
    ("Notices of providers", ProviderEvent),
    ("Steps", Transition),
    ("Facts", OutboxEvent),
)


class FilterForm(forms.Form):
    """What to look for. All of it is optional."""

    who = forms.CharField(required=False, max_length=150, help_text="A user name, or user:7, command:…, worker:…")
    event = forms.ChoiceField(required=False, label="What")
    subject = forms.ChoiceField(required=False, label="On what kind")
    number = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=2**63 - 1,
        label="Its number",
        widget=forms.TextInput({"inputmode": "numeric"}),
    )
    day = forms.DateField(required=False, label="Day (UTC)", widget=forms.DateInput({"type": "date"}))
    correlation = forms.CharField(required=False, max_length=64, label="Correlation id")

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["event"].choices = [("", "Everything"), *audit_log.event_choices()]  # type: ignore[attr-defined]
        named = [(kind, str(model._meta.verbose_name)) for kind, model in audit_log.kinds().items()]
        self.fields["subject"].choices = [("", "Anything"), *named]  # type: ignore[attr-defined]

    def filters(self) -> Filters:
        """Return what was asked for. Needs a valid form."""
        asked = self.cleaned_data
        return Filters(
            actor=audit_log.actor_named(asked["who"]) if asked["who"] else "",
            event=asked["event"],
            subject_kind=asked["subject"],
            subject_id=asked["number"],
            day=asked["day"],
            correlation_id=asked["correlation"],
        )


@admin.register(AuditRecord)
class AuditLogAdmin(ReadOnlyAdmin[AuditRecord]):
    """The list merges both tables; the row's own page shows an event."""

    area = Area.AUDIT

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)  # which refuses
        form = FilterForm(request.GET)
        lines: list[Line] = []
        further = None
        if form.is_valid():
            position = audit_log.position_of(request.GET.get("after", ""))
            lines, further = audit_log.page(form.filters(), position, size=PAGE_LINES)
        context = {
            **self.admin_site.each_context(request),
            "title": "Audit log",
            "opts": self.opts,
            "form": form,
            "lines": _shown(request, lines),
            "filtered": any(request.GET.get(name) for name in form.fields),
            "newest_link": _link(request, ""),
            "older_link": _link(request, str(further)) if further else "",
            "is_first": not request.GET.get("after"),
        }
        return TemplateResponse(request, "admin/audit_log.html", context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return _entry(self, request, EVENTS, object_id)


@admin.register(LogEntry)
class ChangeAdmin(ReadOnlyAdmin[Any]):
    """A change's own page. Its list is the audit log's."""

    area = Area.AUDIT

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        return {}  # not on the home page: the audit log is

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        return redirect("admin:payments_auditrecord_changelist")

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        return _entry(self, request, CHANGES, object_id)


@admin.register(AuditSeal)
class AuditSealAdmin(ReadOnlyAdmin[AuditSeal]):
    """The chain, and up to when somebody last proved it."""

    area = Area.AUDIT
    list_display = ("number", "day", "sealed_at", "row_count", "closes_day", "anchor")
    search_fields = ("number",)
    search_help_text = "A seal's number"
    change_list_template = "admin/audit_seals.html"
    fields = ("number", "day", "closes_day", "sealed_at", "row_count", "tables", "previous_digest", "digest", "key_id")
    readonly_fields = ("tables",)

    @admin.display(description="anchor")
    def anchor(self, seal: AuditSeal) -> str:
        return f"{seal.number}:{seal.digest}"

    @admin.display(description="rows by table")
    def tables(self, seal: AuditSeal) -> str:
        parts = seal.parts.defer("digests")
        return ", ".join(f"{part.table_name} {len(part.keys)}" for part in parts if part.keys) or "none"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        proved = AuditRecord.objects.filter(event=Event.AUDIT_VERIFIED).order_by("-at").first()
        return super().changelist_view(request, {**(extra_context or {}), "proved": proved})


def _entry(screen: ReadOnlyAdmin[Any], request: HttpRequest, source: str, key: str) -> HttpResponse:
    if request.method == "POST":  # as of every row that nobody changes
        raise PermissionDenied("The audit log is read, never written by hand.")
    if not screen.has_view_permission(request):
        return super(ReadOnlyAdmin, screen).change_view(request, key)  # which refuses
    line = audit_log.line(source, int(key)) if key.isascii() and key.isdigit() and len(key) < 19 else None
    if line is None:
        raise Http404
    around: list[Line] = []
    if line.correlation_id:
        found, _ = audit_log.page(Filters(correlation_id=line.correlation_id), None, size=TOGETHER_LINES)
        around = [each for each in found if (each.source, each.key) != (source, line.key)]
    context = {
        **screen.admin_site.each_context(request),
        "title": f"{line.what}: {line.subject}" if line.subject else line.what,
        "opts": AuditRecord._meta,
        "line": _shown(request, [line])[0],
        "around": _shown(request, around),
        "together": _together(request, line.correlation_id) if line.correlation_id else [],
        "together_link": f"{_log_address()}?correlation={line.correlation_id}",
    }
    return TemplateResponse(request, "admin/audit_entry.html", context)


def _shown(request: HttpRequest, lines: list[Line]) -> list[dict[str, Any]]:
    """Return what the templates show of each line: names for people, addresses where the reader may open them."""
    names = audit_log.names_of(line.actor for line in lines)
    kinds = audit_log.kinds()
    return [
        {
            "line": line,
            "name": names.get(line.actor, ""),
            "url": reverse(_PAGES[line.source], args=[line.key]),
            "subject_url": _address(request, kinds.get(line.subject_kind), line.subject_id),
            "actor_url": _address(request, get_user_model(), int(line.actor[5:])) if line.actor in names else "",
            "action_url": _address(request, StaffAction, line.action_id) if line.action_id else "",
        }
        for line in lines
    ]


_PAGES = {EVENTS: "admin:payments_auditrecord_change", CHANGES: "admin:auditlog_logentry_change"}


def _together(request: HttpRequest, correlation_id: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what else carries the id, by kind: its words, and its address where the reader may open it."""
    found = []
    for label, model in _TOGETHER:
        rows: QuerySet[Any] = model._default_manager.filter(correlation_id=correlation_id).order_by("pk")
        told = [(str(row), _address(request, model, row.pk)) for row in rows[:TOGETHER_LINES]]
        if told:
            found.append((label, told))
    return found


def _address(request: HttpRequest, model: type[Model] | None, key: int | None) -> str:
    """Return the address of a row's page, empty where there is none or the reader may not open it."""
    screen = admin.site._registry.get(model) if model is not None else None  # noqa: SLF001  Django names no other way
    if screen is None or not key or not screen.has_view_permission(request):
        return ""
    return reverse(f"admin:{screen.opts.app_label}_{screen.opts.model_name}_change", args=[key])


def _link(request: HttpRequest, after: str) -> str:
    asked = request.GET.copy()
    asked.pop("after", None)
    if after:
        asked["after"] = after
    return f"?{asked.urlencode()}"


def _log_address() -> str:
    return reverse("admin:payments_auditrecord_changelist")
