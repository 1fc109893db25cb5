"""How a program of a staff member shows who it is: `Authorization: Bearer spt_…`, and nothing else.

Threats: see payments/people/tokens.py. Here: a token in a log (the header is never logged), in a cache (no answer is
kept), a cookie that rides along (none is read, so there is no CSRF), telling why a token does not open (one answer).
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.throttling import AnonRateThrottle, ScopedRateThrottle, UserRateThrottle

from payments.models import StaffToken
from payments.people import tokens as staff_tokens
from payments.people.tokens import Scope
from payments.shop.api import ApiView

SCHEME = "bearer"


class StaffTokenAuthentication(BaseAuthentication):
    """A live token of an active person; asked anew at each request."""

    def authenticate(self, request: Request) -> tuple[Any, StaffToken] | None:
        """Return the person and their token; None where no such header came. Raises AuthenticationFailed."""
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != SCHEME:
            return None
        token = staff_tokens.find(secret, at=timezone.now())
        if token is None:
            raise AuthenticationFailed("This token opens nothing: it is unknown, not live any more, or its owner's.")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        """Return what a 401 says of how to sign in."""
        return 'Bearer realm="staff"'


class StaffApiView(ApiView):
    """What addresses for staff tokens have in common. `scope`: what the token, and its owner's roles now, must give."""

    authentication_classes: Any = (StaffTokenAuthentication,)
    permission_classes: Any = (IsAuthenticated,)
    throttle_classes: Any = (AnonRateThrottle, UserRateThrottle, ScopedRateThrottle)
    scope: ClassVar[Scope | None] = None

    def principal(self, request: Request) -> str:
        """Return whose keys they are: the person's, whichever of their tokens they use."""
        return f"user:{request.user.pk}"

    def check_permissions(self, request: Request) -> None:
        """Ask for the token, then for its scope. Raises NotAuthenticated, PermissionDenied."""
        super().check_permissions(request)
        token: Any = request.auth
        if self.scope is not None and not staff_tokens.may(token, self.scope):
            raise PermissionDenied(f"It takes a token with {self.scope}, of a person whose roles give it now.")


class _Described(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Tell the OpenAPI document of it."""

    target_class = StaffTokenAuthentication
    name = "staffToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the scheme."""
        return {
            "type": "http",
            "scheme": SCHEME,
            "description": "A staff token (`spt_…`): one person's, with scopes and an end. It approves nothing.",
        }
