"""Sign-ins as lines of the log and rows of the audit log, and a shorter session for staff. User ids only: names are
personal data.

Where the row of a sign-in cannot be written, the sign-in fails: the signal's error ends the request, and Django keeps
no session of a failed request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest
from django.utils import timezone

from payments.audit import recording as audit
from payments.audit.events import Event

_log = structlog.get_logger("shop.signing_in")
_LONGEST_NAME = 150  # of Django's User.username


def connect() -> None:
    """Listen to Django's and axes' signals; once, however often it is called."""
    user_logged_in.connect(_signed_in, dispatch_uid="config.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="config.signed_out")
    user_login_failed.connect(_failed, dispatch_uid="config.sign_in_failed")
    user_locked_out.connect(_locked_out, dispatch_uid="config.locked_out")


def name_for_axes(request: HttpRequest, credentials: Mapping[str, Any] | None = None) -> str:
    """Return the typed name as axes counts it: no longer than a user's can be, or its table would refuse the row."""
    typed = credentials.get("username") if credentials else request.POST.get("username", "")
    return str(typed or "")[:_LONGEST_NAME]


def _signed_in(*, request: HttpRequest | None = None, user: AbstractBaseUser, **_: Any) -> None:
    _log.info("signed in", user_id=user.pk, client=_client(request))
    _record(Event.SIGNED_IN, request, user_id=user.pk, actor=user)
    if request is not None and getattr(user, "is_staff", False):
        request.session.set_expiry(settings.STAFF_SESSION_SECONDS)


def _signed_out(*, request: HttpRequest | None = None, user: AbstractBaseUser | None = None, **_: Any) -> None:
    _log.info("signed out", user_id=getattr(user, "pk", None), client=_client(request))
    if user is not None:
        _record(Event.SIGNED_OUT, request, user_id=user.pk, actor=user)


def _failed(*, request: HttpRequest | None = None, credentials: Mapping[str, Any] | None = None, **_: Any) -> None:
    _log.warning("sign-in failed", client=_client(request))
    _record(Event.SIGN_IN_FAILED, request, user_id=_known_user((credentials or {}).get("username")))


def _locked_out(*, request: HttpRequest | None = None, username: str | None = None, **_: Any) -> None:
    _log.warning("locked out", client=_client(request))
    _record(Event.LOCKED_OUT, request, user_id=_known_user(username))


def _record(event: Event, request: HttpRequest | None, *, user_id: int, actor: Any = None) -> None:
    subject_kind = "user" if user_id else ""
    audit.record(
        event,
        actor=actor,
        subject_kind=subject_kind,
        subject_id=user_id,
        client=_client(request),
        at=timezone.now(),
    )


def _known_user(name: object) -> int:
    """Return the id of the user of this name, 0 if there is none.

    The name itself is kept nowhere, not even hashed: people type their password into its field.
    """
    if not isinstance(name, str) or not name or len(name) > _LONGEST_NAME or "\x00" in name:
        return 0
    users = get_user_model()._default_manager
    return users.filter(**{get_user_model().USERNAME_FIELD: name}).values_list("pk", flat=True).first() or 0


def _client(request: HttpRequest | None) -> str:
    return str(request.META.get("REMOTE_ADDR", "")) if request is not None else ""
