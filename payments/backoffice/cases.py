"""Cases: ours against theirs, the money at stake, its owner, what to do, what was done."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from payments.backoffice.access import by_subject
from payments.backoffice.base import ReadOnlyAdmin
from payments.backoffice.buttons import buttons
from payments.cases import areas as case_areas
from payments.cases import notes as case_notes
from payments.cases import runbooks
from payments.models import Case, StaffAction
from payments.notes import LONGEST_CHARACTERS, EmptyNote
from payments.roles import Area, Verb, may
from payments.staff_operations import NotPossible

_OF_ORDER = ("reopen_with_late_money", "cancel_unpaid_order", "release_authorization", "accept_offline_payment")


class NoteForm(forms.Form):
    """What was found out."""

    uid = forms.UUIDField(widget=forms.HiddenInput)
    text = forms.CharField(label="Note", max_length=LONGEST_CHARACTERS, widget=forms.Textarea({"rows": 2, "cols": 60}))


class MoneyFilter(admin.SimpleListFilter):
    """Whether money is at stake."""

    title = "money at stake"
    parameter_name = "money"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Yes"), ("no", "No")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in ("yes", "no"):
            return queryset
        return queryset.filter(amount_minor__isnull=self.value() == "no")


@admin.register(Case)
class CaseAdmin(ReadOnlyAdmin[Case]):
    """Each person sees the kinds that are theirs by the roles table (payments/cases/areas.py)."""

    area = Area.FINANCE
    by_subject = True
    list_display = ("id", "kind_word", "order", "stake", "owner", "opened_at", "times_seen", "resolution_word")
    list_filter = ("kind", ("closed_at", admin.EmptyFieldListFilter), MoneyFilter, "resolution")
    search_fields = ("id", "order__id")
    search_help_text = "A case's or an order's number"
    list_select_related = ("order", "owner")
    change_form_template = "admin/payments/case/change_form.html"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return case_areas.may_see_any(request.user) if obj is None else obj.kind in case_areas.kinds_for(request.user)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Case]:
        return super().get_queryset(request).filter(kind__in=case_areas.kinds_for(request.user))

    @admin.display(description="kind")
    def kind_word(self, case: Case) -> str:
        return str(case.get_kind_display())

    @admin.display(description="ended")
    def resolution_word(self, case: Case) -> str:
        return case.get_resolution_display().partition(":")[0] if case.resolution else "open"

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Case | None = None,
    ) -> HttpResponse:
        if obj is not None:
            works = may(request.user, Verb.DO, case_areas.area_of(obj.kind)) and obj.closed_at is None
            context |= {
                "subtitle": None,
                "title": str(obj),
                "case": obj,
                "subject_url": _subject_url(obj),
                "runbook_path": runbooks.path_of(obj.kind),
                "notes": obj.notes.select_related("author"),
                "acts": StaffAction.objects.filter(subject_kind="case", subject_id=obj.pk).select_related(
                    "requested_by"
                ),
                "note_form": NoteForm(initial={"uid": uuid.uuid4()}) if works else None,
                "may_take": works and obj.owner_id != request.user.pk,
                "buttons": _buttons(request, obj),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)


@by_subject  # payments/cases/notes.py asks, by the area of the case's kind
@require_POST
def take(request: HttpRequest, case_id: int) -> HttpResponse:
    """Take a case on."""
    get_object_or_404(Case, pk=case_id)
    try:
        case_notes.take(case_id=case_id, user=request.user)
    except NotPossible as error:
        messages.error(request, str(error))
    return redirect("admin:payments_case_change", case_id)


@by_subject  # payments/cases/notes.py asks, by the area of the case's kind
@require_POST
def note(request: HttpRequest, case_id: int) -> HttpResponse:
    """Write a note on a case."""
    case = get_object_or_404(Case, pk=case_id)
    form = NoteForm(request.POST)
    try:
        if not form.is_valid():
            raise EmptyNote("Write what the next reader should know.")
        told = form.cleaned_data
        case_notes.add(case=case, user=request.user, text=told["text"], uid=told["uid"], at=timezone.now())
    except EmptyNote as error:
        messages.error(request, str(error))
    return redirect("admin:payments_case_change", case_id)


def _buttons(request: HttpRequest, case: Case) -> list[Any]:
    close = "close_alert" if case_areas.area_of(case.kind) is Area.MESSAGES else "close_case"
    found = buttons(request, (close,), case.pk)
    if case.order_id is not None and case.closed_at is None:
        found += [each for each in buttons(request, _OF_ORDER, case.order_id) if not each.why_not]
    return found


def _subject_url(case: Case) -> str:
    """Return the page of what the case is about, where it has one."""
    pages = {
        "order": "admin:orders_order_change",
        "attempt": "admin:payments_paymentattempt_change",
        "capture": "admin:payments_capture_change",
        "refund": "admin:payments_refund_change",
        "dispute": "admin:payments_dispute_change",
        "event": "admin:payments_providerevent_change",
        "payout": "admin:payments_payout_change",
        "destination": "admin:integrations_destination_change",
    }
    page = pages.get(case.subject_kind)
    return reverse(page, args=[case.subject_id]) if page else ""
