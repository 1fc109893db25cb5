"""Sign-ins as log lines, and a shorter session for staff. User ids only: names are personal data."""

from __future__ import annotations

from typing import Any

import structlog
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

_log = structlog.get_logger("shop.signing_in")


def connect() -> None:
    """Listen to Django's signals; once, however often it is called."""
    user_logged_in.connect(_signed_in, dispatch_uid="config.signed_in")
    user_logged_out.connect(_signed_out, dispatch_uid="config.signed_out")
    user_login_failed.connect(_failed, dispatch_uid="config.sign_in_failed")


def _signed_in(*, request: HttpRequest | None = None, user: AbstractBaseUser, **_: Any) -> None:
    _log.info("signed in", user_id=user.pk, client=_client(request))
    if request is not None and getattr(user, "is_staff", False):
        request.session.set_expiry(settings.STAFF_SESSION_SECONDS)


def _signed_out(*, request: HttpRequest | None = None, user: AbstractBaseUser | None = None, **_: Any) -> None:
    _log.info("signed out", user_id=getattr(user, "pk", None), client=_client(request))


def _failed(*, request: HttpRequest | None = None, **_: Any) -> None:
    # Never the credentials: people type their password into the name's field.
    _log.warning("sign-in failed", client=_client(request))


def _client(request: HttpRequest | None) -> str:
    return str(request.META.get("REMOTE_ADDR", "")) if request is not None else ""
