"""The pages of a dangerous act: choose → preview → reason and step-up → done, or waiting for a second person.

`/admin/act/<operation>/<subject_id>/` serves every StaffOperation; what came of it stands on the action's own page, so
that a refresh shows the same result and sends nothing again.

Threats: see payments/actions.py for what is done; here, a page opened without the role (asked before anything is
shown), a form without its token (CSRF), a session left open at a desk (step-up, POST only), parameters changed between
preview and confirmation (the fingerprint no longer fits).
"""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from payments import actions, approvals, staff_operations
from payments.actions import BadReason
from payments.backoffice import step_up
from payments.backoffice.access import by_subject
from payments.models import StaffAction
from payments.staff_operations import NotPossible, Preview, StaffOperation


class ConfirmForm(forms.Form):
    """Why it is done, and that the person means what the preview showed."""

    uid = forms.UUIDField(widget=forms.HiddenInput)
    fingerprint = forms.CharField(max_length=64, widget=forms.HiddenInput)
    reason_code = forms.ChoiceField(label="Reason")
    reason = forms.CharField(
        label="In your words",
        min_length=actions.REASON_MIN_CHARACTERS,
        max_length=1000,
        widget=forms.Textarea({"rows": 3, "cols": 60}),
        help_text="Colleagues and auditors read this. No card numbers.",
    )

    def __init__(self, *args: Any, operation: StaffOperation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason_code"] = forms.ChoiceField(
            label="Reason", choices=[("", "Choose…"), *operation.reasons.items()]
        )


class DecideForm(forms.Form):
    """What the second person says of it."""

    note = forms.CharField(
        label="Note", required=False, max_length=1000, widget=forms.Textarea({"rows": 2, "cols": 60})
    )


@by_subject
def act(request: HttpRequest, operation: str, subject_id: int) -> HttpResponse:
    """Show the form, the preview, or the outcome of confirming it."""
    kind = _operation_or_404(operation)
    actions.check_may_ask(request.user, kind)
    if request.method != "POST":
        try:
            kind.check(subject_id, at=timezone.now())
        except NotPossible as error:
            return _not_possible(request, kind, error)
    stage = request.POST.get("stage", "") if request.method == "POST" else ""
    try:
        form = _parameters_form(request, kind, subject_id, sent=bool(stage))
        if form is not None and not (stage and form.is_valid()):
            return _page(request, "choose", kind, {"form": form, "subject_id": subject_id})
        parameters = dict(form.cleaned_data) if form is not None else {}
        preview = kind.preview(subject_id, parameters, at=timezone.now())
        actions.check_may_ask(request.user, kind, preview)
        if stage == "confirm":
            return _confirm(request, kind, subject_id, parameters, preview, form)
        return _show_preview(request, kind, subject_id, preview, form, confirm=None)
    except NotPossible as error:
        if known := _known(request):  # the same form again: what it asked for is done, and so not possible any more
            return redirect(known)
        return _not_possible(request, kind, error)


@by_subject
@require_POST
def decide(request: HttpRequest, action_id: int) -> HttpResponse:
    """Approve or refuse, after a step-up. POST only; the action's page shows the form."""
    action = get_object_or_404(StaffAction, pk=action_id)
    form = DecideForm(request.POST)
    approve = request.POST.get("decision") == "approve"
    if not form.is_valid() or request.POST.get("decision") not in ("approve", "refuse"):
        messages.error(request, "Choose to approve or to refuse.")
        return redirect(action)
    approvals.check_may_decide(request.user, action)
    sudo = step_up.StepUpForm(request.POST)
    if not step_up.confirm(request, sudo, now=timezone.now()):
        messages.error(
            request, " ".join(map(str, sudo.non_field_errors())) or "Give your password and a fresh code to decide."
        )
        return redirect(action)
    try:
        action = approvals.decide(
            action_id=action_id, approve=approve, note=form.cleaned_data["note"], user=request.user, clock=timezone.now
        )
    except NotPossible as error:
        messages.error(request, str(error))
    else:
        messages.success(request, f"{action.get_state_display()}")
    return redirect(action)


@by_subject
@require_POST
def withdraw(request: HttpRequest, action_id: int) -> HttpResponse:
    """Take back a request of one's own."""
    action = get_object_or_404(StaffAction, pk=action_id)
    try:
        approvals.withdraw(action_id=action_id, user=request.user, at=timezone.now())
    except NotPossible as error:
        messages.error(request, str(error))
    return redirect(action)


def _confirm(
    request: HttpRequest,
    kind: StaffOperation,
    subject_id: int,
    parameters: dict[str, Any],
    preview: Preview,
    form: forms.Form | None,
) -> HttpResponse:
    confirm = ConfirmForm(request.POST, operation=kind)
    sudo = step_up.StepUpForm(request.POST)
    if not confirm.is_valid() or (kind.step_up and not step_up.confirm(request, sudo, now=timezone.now())):
        return _show_preview(request, kind, subject_id, preview, form, confirm=confirm, sudo=sudo)
    told = confirm.cleaned_data
    try:
        action = actions.request(
            uid=told["uid"],
            operation=kind,
            subject_id=subject_id,
            parameters=parameters,
            fingerprint=told["fingerprint"],
            reason_code=told["reason_code"],
            reason=told["reason"],
            user=request.user,
            via="admin",
            clock=timezone.now,
        )
    except BadReason as error:
        confirm.add_error(None, str(error))
        return _show_preview(request, kind, subject_id, preview, form, confirm=confirm)
    return redirect(action)


def _show_preview(
    request: HttpRequest,
    kind: StaffOperation,
    subject_id: int,
    preview: Preview,
    form: forms.Form | None,
    *,
    confirm: ConfirmForm | None,
    sudo: step_up.StepUpForm | None = None,
) -> HttpResponse:
    at = timezone.now()
    asks = kind.step_up and step_up.fields_needed(request, at)
    initial = {"uid": uuid.uuid4(), "fingerprint": preview.fingerprint}
    context = {
        "preview": preview,
        "form": form,
        "confirm": confirm or ConfirmForm(initial=initial, operation=kind),
        "subject_id": subject_id,
        "second_person": actions.why_second_person(request.user, kind, preview),
        "step_up": (sudo or step_up.StepUpForm()) if asks else None,
        "foreseen": kind.foresee(subject_id, form.cleaned_data if form else {}, at=at),
    }
    return _page(request, "preview", kind, context, status=422 if confirm else 200)


def _not_possible(request: HttpRequest, kind: StaffOperation, why: NotPossible) -> HttpResponse:
    status = 409 if request.method == "POST" else 200
    return _page(request, "not_possible", kind, {"why": str(why)}, status=status)


def _parameters_form(request: HttpRequest, kind: StaffOperation, subject_id: int, *, sent: bool) -> forms.Form | None:
    if kind.form_class is None:
        return None
    if sent:
        return kind.form(subject_id, request.POST)
    return kind.form(subject_id, initial={**kind.parameters_for(subject_id), **request.GET.dict()})


def _known(request: HttpRequest) -> StaffAction | None:
    """Return the person's own action of this form, if it was sent before."""
    try:
        uid = uuid.UUID(request.POST.get("uid", ""))
    except ValueError:
        return None
    return StaffAction.objects.filter(uid=uid, requested_by_id=request.user.pk).first()


def _operation_or_404(name: str) -> StaffOperation:
    try:
        return staff_operations.get(name)
    except NotPossible as error:
        raise Http404(str(error)) from None


def _page(
    request: HttpRequest, name: str, kind: StaffOperation, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    whole = {**admin.site.each_context(request), "title": kind.label, "operation": kind, **context}
    response = TemplateResponse(request, f"admin/acting/{name}.html", whole, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response
