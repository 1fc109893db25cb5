"""Step-up: before a dangerous act, password and a code once more, unless both were given within the last minutes.

Use it in a view that takes a POST: show `StepUpForm` while `fields_needed()`, and `confirm()` it before the act.

Threats: a machine left unlocked, a stolen session cookie (neither knows password or code); guessing (each wrong try
counts at axes and at the device; a lockout ends the session); a step-up carried over to another person's session (it
names its user, and every sign-in begins a new session); a forged or linked request (POST with CSRF token only); a code
used a second time (payments/people/mfa.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from axes.handlers.proxy import AxesProxyHandler
from django import forms
from django.conf import settings
from django.contrib.auth import authenticate, logout
from django.contrib.auth.signals import user_login_failed
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from payments.audit.events import Event
from payments.people import events as staff_events
from payments.people import mfa

_KEY = "staff_step_up"


class StepUpRefused(Exception):
    """Password or code is wrong. The message is for the form; nothing else may happen in this request."""


class StepUpForm(forms.Form):
    """The fields, to stand in another form or alone."""

    password = forms.CharField(
        strip=False,
        max_length=4096,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    code = forms.CharField(
        max_length=64,
        help_text="From your authenticator app, or one of your backup codes.",
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )


def is_recent(request: HttpRequest, *, now: datetime) -> bool:
    """Say whether this person gave password and code in this session within STEP_UP_SECONDS."""
    user_id, moment = request.session.get(_KEY, (None, 0))
    age = now.timestamp() - moment
    return bool(request.user.is_authenticated and user_id == request.user.pk and 0 <= age <= settings.STEP_UP_SECONDS)


def fields_needed(request: HttpRequest, now: datetime) -> bool:
    """Say whether a form must ask for password and code."""
    return not is_recent(request, now=now)


def confirm(request: HttpRequest, form: StepUpForm, *, now: datetime) -> bool:
    """Say whether the act may go on: it is recent, or the form proves it. Otherwise the form says why not."""
    if is_recent(request, now=now):
        return True
    if not form.is_valid():
        return False
    try:
        check(request, password=form.cleaned_data["password"], code=form.cleaned_data["code"], now=now)
    except StepUpRefused as refused:
        form.add_error(None, str(refused))
        return False
    return True


@sensitive_variables("password", "code")
def check(request: HttpRequest, *, password: str, code: str, now: datetime) -> None:
    """Check password and code of the person signed in, and remember it. Raises StepUpRefused."""
    user = request.user
    if request.method != "POST" or not user.is_authenticated:
        raise StepUpRefused("Sign in, then send the form again.")
    name = user.get_username()
    known = authenticate(request, username=name, password=password)
    if known is None or known.pk != user.pk:
        raise _refusal(request, "password", now=now)
    if mfa.verify(user=user, code=code, at=now) is None:
        user_login_failed.send(sender=__name__, credentials={"username": name}, request=request)
        raise _refusal(request, "code", now=now)
    AxesProxyHandler.reset_attempts(username=name, ip_address=request.META.get("REMOTE_ADDR"))
    remember(request, user=user, now=now)
    staff_events.record(Event.STEPPED_UP, user=user, at=now)


def remember(request: HttpRequest, *, user: Any, now: datetime) -> None:
    """Write into the session that this person gave password and code now."""
    request.session[_KEY] = (user.pk, now.timestamp())


def _refusal(request: HttpRequest, what: str, *, now: datetime) -> StepUpRefused:
    """Record it, end the session at a lockout (axes answers the request then), and return what to raise."""
    locked = bool(getattr(request, "axes_locked_out", False))
    staff_events.record(Event.STEP_UP_FAILED, user=request.user, at=now, wrong=what, locked_out=locked)
    if locked:
        logout(request)
    return StepUpRefused(
        "Password and code do not go together, or the code was used already. Wait for a fresh code, then try again."
    )
