"""How long a session of staff lasts: 8 hours at most, 30 minutes without a click, and not beyond a change of standing.

Threats: a forgotten or stolen session (both limits are kept in the session itself, on the server); one fixed before
signing in (a new id at every sign-in); one that outlives the roles or the second factor it was opened with (the row of
the person says since when sessions are over, payments/people/accounts.py; password and deactivation are Django's own
checks).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone

from payments.backoffice import step_up
from payments.models import StaffAccount

_SIGNED_IN, _VALID_SINCE, _SEEN = "staff_signed_in_at", "staff_valid_since", "staff_seen_at"
SEEN_EVERY_SECONDS = 60
"""Being here is written down at most this often."""


def connect() -> None:
    """Listen to Django's signal; once, however often it is called."""
    user_logged_in.connect(_opened, dispatch_uid="payments.staff_session")


def renew(request: HttpRequest, *, at: datetime) -> None:
    """Keep this one session, under a new id, when its own person has ended all others."""
    request.session.cycle_key()
    request.session[_VALID_SINCE] = at.timestamp()


def why_over(request: HttpRequest, *, now: datetime) -> str:
    """Say, in a sentence, why the session of the person signed in is over; empty if it is not."""
    session, at = request.session, now.timestamp()
    signed_in, since, seen = (session.get(key) for key in (_SIGNED_IN, _VALID_SINCE, _SEEN))
    if not request.user.is_authenticated or signed_in is None or since is None or seen is None:
        return "Please sign in again."
    if at - signed_in > settings.STAFF_SESSION_SECONDS:
        return f"You were signed out after {settings.STAFF_SESSION_SECONDS // 3600} hours. Please sign in again."
    if at - seen > settings.STAFF_IDLE_SECONDS:
        return f"You were signed out after {settings.STAFF_IDLE_SECONDS // 60} minutes without a click."
    ended = StaffAccount.objects.filter(user=request.user).values_list("sessions_ended_at", flat=True).first()
    if ended is not None and since < ended.timestamp():
        return "Your account was changed. Please sign in again."
    return ""


class StaffSessionMiddleware:
    """Ends sessions that are over before a page of the back office is served. Other pages know no person."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.below = reverse("admin:index")

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(self.below) and SESSION_KEY in request.session:
            self._look(request, now=timezone.now())
        return self.get_response(request)

    def _look(self, request: HttpRequest, *, now: datetime) -> None:
        if why := why_over(request, now=now):
            logout(request)
            messages.info(request, why)
        elif now.timestamp() - request.session[_SEEN] >= SEEN_EVERY_SECONDS:
            request.session[_SEEN] = now.timestamp()


def _opened(*, request: HttpRequest, user: Any, **_: Any) -> None:
    if not user.is_staff:
        return
    now = timezone.now()
    request.session.cycle_key()  # Django keeps the id where the same person signs in once more
    for key in (_SIGNED_IN, _VALID_SINCE, _SEEN):
        request.session[key] = now.timestamp()
    step_up.remember(request, user=user, now=now)
