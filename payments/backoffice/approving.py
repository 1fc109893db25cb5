"""Approvals and acts: what waits for a second person, and what became of every dangerous act."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from payments import approvals, staff_operations
from payments.backoffice import step_up
from payments.backoffice.acting import DecideForm
from payments.backoffice.base import ReadOnlyAdmin
from payments.models import StaffAction
from payments.models.action import ActionState
from payments.roles import Area, Verb, held_by, may
from payments.staff_operations import NotPossible, StaffOperation, preview_of


@admin.register(StaffAction)
class StaffActionAdmin(ReadOnlyAdmin[StaffAction]):
    """A person sees their own acts and those of the areas they may view; whoever reads the audit log sees all."""

    area = Area.AUDIT
    by_subject = True
    list_display = ("id", "label", "order", "stake", "requested_by", "requested_at", "state_word")
    list_filter = ("state",)
    search_fields = ("=id", "=uid", "=order__id")
    list_select_related = ("order", "requested_by")
    change_form_template = "admin/payments/staffaction/change_form.html"

    @admin.display(description="act")
    def label(self, action: StaffAction) -> str:
        kind = _kind(action)
        return kind.label if kind else action.operation

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if obj is None:
            return bool(held_by(request.user))
        return self.get_queryset(request).filter(pk=obj.pk).exists()

    def get_queryset(self, request: HttpRequest) -> QuerySet[StaffAction]:
        rows: QuerySet[StaffAction] = super().get_queryset(request)
        if may(request.user, Verb.VIEW, Area.AUDIT):
            return rows
        seen = [kind.name for kind in staff_operations.all_operations() if may(request.user, Verb.VIEW, kind.area)]
        return rows.filter(Q(operation__in=seen) | Q(requested_by_id=request.user.pk))

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: StaffAction | None = None,
    ) -> HttpResponse:
        if obj is None:  # nobody adds one here
            raise PermissionDenied
        kind = _kind(obj)
        context |= {
            "subtitle": None,
            "title": f"{kind.label if kind else obj.operation} (act {obj.pk})",
            "action": obj,
            "approval": getattr(obj, "approval", None),
            "preview": preview_of(obj),
            "reason_label": kind.reasons.get(obj.reason_code, obj.reason_code) if kind else obj.reason_code,
            "results": [(key, value) for key, value in obj.result.items() if not isinstance(value, dict)],
            "shows": _shows(request, kind, obj),
            **_decision(request, obj),
        }
        return super().render_change_form(request, context, add, change, form_url, obj)


def _shows(request: HttpRequest, kind: StaffOperation | None, action: StaffAction) -> str:
    """Return the address of what was revealed, for whoever asked for it."""
    if kind is None or not kind.shows or action.state != ActionState.EXECUTED:
        return ""
    return reverse(kind.shows, args=[action.pk]) if action.requested_by_id == request.user.pk else ""


def _decision(request: HttpRequest, action: StaffAction) -> dict[str, Any]:
    """Return what the page needs for deciding or withdrawing: nothing where that is over."""
    approval = getattr(action, "approval", None)
    if action.state != ActionState.REQUESTED or approval is None or approval.decision:
        return {}
    try:
        approvals.check_may_decide(request.user, action)
    except PermissionDenied as error:
        return {"cannot_decide": str(error), "may_withdraw": action.requested_by_id == request.user.pk}
    sudo = step_up.StepUpForm() if step_up.fields_needed(request, timezone.now()) else None
    return {"decide_form": DecideForm(), "step_up": sudo}


def _kind(action: StaffAction) -> StaffOperation | None:
    try:
        return staff_operations.get(action.operation)
    except NotPossible:  # an act of a former version
        return None
