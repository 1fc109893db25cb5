"""The admin site: nobody opens a page of it without a role and a second factor given in this session.

Threats: a stolen password (no page without a verified authenticator or backup code); a superuser, or staff without a
role (a role of ours is asked for, Django's own permissions open nothing); screens of other packages, which know
nothing of our roles (they are not registered: one of them, django-q2's Schedule, would run any function there is).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django_otp.admin import OTPAdminSite

from integrations import flood
from payments.backoffice.base import AreaAdmin
from payments.backoffice.signing_in import SignInForm
from payments.roles import held_by


class BackofficeSite(OTPAdminSite):  # type: ignore[misc]  # django-otp has no types
    """Django's admin site behind a second factor, with screens that stand in the roles table alone."""

    site_title = site_header = "Shop back office"
    login_form = SignInForm
    login_template = "admin/login.html"

    def __init__(self, name: str = "admin") -> None:
        super().__init__(name)

    def get_urls(self) -> list[Any]:
        """Return Django's own, without two that nothing here leads to."""
        left_out = ("password_change_done", "view_on_site")
        return [each for each in super().get_urls() if getattr(each, "name", None) not in left_out]

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to the page that asks for a step-up."""
        return redirect("backoffice:account_password")

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Sign in. Whoever tries too often from one address, under whatever names, is answered before anything is
        hashed."""
        most = settings.SIGN_INS_A_MINUTE
        if request.method == "POST" and flood.too_many(request, "sign-in", most_a_minute=most):
            response = render(request, "429.html", {"minutes": 1}, status=429)
            response.headers["Retry-After"] = "60"
            return response
        return super().login(request, extra_context)  # type: ignore[no-any-return]

    def has_permission(self, request: HttpRequest) -> bool:
        """Say whether this person may open the site at all: active staff, verified, with a role."""
        return bool(super().has_permission(request) and held_by(request.user))

    def register(
        self,
        model_or_iterable: type[models.Model] | Iterable[type[models.Model]],
        admin_class: type[admin.ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Register a screen with an area of the roles table. Other packages' screens have none and are left out.

        Raises ImproperlyConfigured for one of ours without it.
        """
        if admin_class is not None and issubclass(admin_class, AreaAdmin):
            super().register(model_or_iterable, admin_class, **options)
        elif admin_class is not None and admin_class.__module__.startswith("payments."):
            raise ImproperlyConfigured(f"{admin_class.__qualname__} must be an AreaAdmin, with an area of the table.")
