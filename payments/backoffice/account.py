"""A person's own account: password, authenticator, backup codes, other sessions, tokens. Each change takes a step-up.

Threats: somebody at an unlocked machine, or with a stolen session (password and code once more before any change);
a change that leaves a thief signed in (all other sessions end with it); secrets left on a screen or in a cache (backup
codes and tokens are answers to one POST, shown once, never cached); acting on somebody else's (the person is always
the one signed in, tokens are looked up as theirs).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import django_otp
from django import forms
from django.contrib import admin, messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from payments import roles
from payments.audit.events import Event
from payments.backoffice import enrolling, sessions, step_up
from payments.backoffice.access import every_role
from payments.backoffice.account_forms import CodeForm, NewPasswordForm
from payments.models import BackupCodes, StaffToken, TotpDevice
from payments.people import accounts as people
from payments.people import events as staff_events
from payments.people import mfa
from payments.people import tokens as staff_tokens


@every_role
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """What the person signs in with, and what their programs do."""
    user: Any = request.user
    now = timezone.now()
    tokens = StaffToken.objects.filter(user=user).order_by("-pk")[:50]
    context = {
        "roles": roles.roles_of(user),
        "authenticator": TotpDevice.objects.filter(user=user, confirmed=True).first(),
        "backup_codes_left": mfa.backup_codes_left(user),
        "tokens": [(token, staff_tokens.state_of(token, at=now)) for token in tokens],
    }
    return _page(request, "account", "Your account", context)


@every_role
@sensitive_post_parameters("new_password", "again", "password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def password(request: HttpRequest) -> HttpResponse:
    """Set another password; all other sessions end."""
    user: Any = request.user
    now = timezone.now()
    form = NewPasswordForm(request.POST or None, user=user)
    sudo = step_up.StepUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and step_up.confirm(request, sudo, now=now):
        user.set_password(form.cleaned_data["new_password"])
        user.save(update_fields=["password"])
        update_session_auth_hash(request, user)
        _end_other_sessions(request, now=now)
        staff_events.record(Event.PASSWORD_CHANGED, user=user, at=now)
        messages.success(request, "Your password is changed. All other sessions of yours have ended.")
        return redirect("backoffice:account")
    return _form_page(request, "Change password", form, sudo, now=now)


@every_role
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def authenticator(request: HttpRequest) -> HttpResponse:
    """Enrol another authenticator: first the step-up, then its key and a code of it. The old one counts until then."""
    now = timezone.now()
    if step_up.fields_needed(request, now):
        sudo = step_up.StepUpForm(request.POST or None)
        if request.method == "POST" and step_up.confirm(request, sudo, now=now):
            return redirect("backoffice:account_authenticator")
        return _form_page(request, "Another authenticator", None, sudo, now=now)
    form = CodeForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        codes = mfa.finish(user=request.user, code=form.cleaned_data["code"], at=now)
        if codes is not None:
            return _enrolled(request, codes, now=now)
        staff_events.record(Event.MFA_FAILED, user=request.user, at=now)
        form.add_error("code", "That code does not fit. Wait for a fresh one, then try again.")
    device = enrolling.device_of(request, user=request.user, at=now)
    context = {"form": form, "key_text": mfa.key_text(device)}
    return _page(request, "authenticator", "Another authenticator", context, status=422 if form.errors else 200)


@every_role
@require_safe
def picture(request: HttpRequest) -> HttpResponse:
    """The QR code of the authenticator in enrolment, for whoever has just stepped up."""
    if step_up.fields_needed(request, timezone.now()):
        return HttpResponse(status=404)
    return enrolling.picture(request, user=request.user)


@every_role
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def backup_codes(request: HttpRequest) -> HttpResponse:
    """Make new backup codes and show them, once."""
    now = timezone.now()
    sudo = step_up.StepUpForm(request.POST or None)
    if request.method != "POST" or not step_up.confirm(request, sudo, now=now):
        return _form_page(request, "New backup codes", None, sudo, now=now)
    codes = mfa.new_backup_codes(user=request.user, at=now)
    staff_events.record(Event.BACKUP_CODES_RENEWED, user=request.user, at=now)
    _verify_again(request)
    return _page(request, "backup_codes", "Your backup codes", {"codes": codes})


@every_role
@require_POST
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    """Sign out everywhere but here."""
    now = timezone.now()
    _end_other_sessions(request, now=now)
    staff_events.record(Event.SESSION_ENDED, user=request.user, at=now)
    messages.success(request, "All other sessions of yours have ended.")
    return redirect("backoffice:account")


@every_role
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "HEAD", "POST"])
def collect_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """Make the secret of a token that was issued to the person, and show it, once."""
    now = timezone.now()
    sudo = step_up.StepUpForm(request.POST or None)
    if request.method != "POST" or not step_up.confirm(request, sudo, now=now):
        return _form_page(request, "Collect a token", None, sudo, now=now)
    try:
        secret = staff_tokens.collect(token_id=token_id, user=request.user, at=now)
    except staff_tokens.NotCollectable as error:
        messages.error(request, str(error))
        return redirect("backoffice:account")
    return _page(request, "token", "Your token", {"secret": secret})


@every_role
@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """End a token of one's own; that takes no second thought and no code."""
    user: Any = request.user
    if StaffToken.objects.filter(pk=token_id, user=user).exists():
        staff_tokens.revoke(token_id=token_id, by=user, why="By its owner.", at=timezone.now())
        messages.success(request, "The token is revoked.")
    return redirect("backoffice:account")


def _enrolled(request: HttpRequest, codes: list[str], *, now: datetime) -> HttpResponse:
    staff_events.record(Event.MFA_ENROLLED, user=request.user, at=now)
    enrolling.forget(request)
    _end_other_sessions(request, now=now)
    _verify_again(request)
    return _page(request, "backup_codes", "Your new authenticator counts", {"codes": codes})


def _end_other_sessions(request: HttpRequest, *, now: datetime) -> None:
    people.end_sessions(user=request.user, at=now)
    sessions.renew(request, at=now)


def _verify_again(request: HttpRequest) -> None:
    """Tie the session to what the person has now: what it was opened with may be gone."""
    device = TotpDevice.objects.filter(user=request.user, confirmed=True).first()
    django_otp.login(request, device or BackupCodes.objects.filter(user=request.user).first())


def _form_page(
    request: HttpRequest, title: str, form: forms.Form | None, sudo: step_up.StepUpForm, *, now: datetime
) -> HttpResponse:
    asks = step_up.fields_needed(request, now)
    wrong = bool((form and form.errors) or (request.method == "POST" and asks and sudo.errors))
    context = {"form": form, "step_up": sudo if asks else None}
    return _page(request, "form", title, context, status=422 if wrong else 200)


def _page(
    request: HttpRequest, template: str, title: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    whole = {**admin.site.each_context(request), "title": title, **context}
    response = TemplateResponse(request, f"admin/people/{template}.html", whole, status=status)
    response.headers["Cache-Control"] = "no-store"
    return response
