"""The API for programs of staff: who a token is, and what it may do now."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from payments.models import StaffToken
from payments.people import tokens as staff_tokens
from payments.people.tokens import Scope
from payments.roles import Role, roles_of
from payments.shop.api_errors import body
from payments.shop.api_serializers import ErrorAnswer
from payments.shop.staff_authentication import StaffApiView


class TokenRead(serializers.Serializer[Any]):
    """A token, as it stands now."""

    user = serializers.CharField(help_text="Whose it is.")
    roles = serializers.ListField(child=serializers.CharField(), help_text=f"Of {', '.join(Role)}.")
    scopes = serializers.ListField(
        child=serializers.CharField(), help_text=f"What it was issued for, of {', '.join(Scope)}."
    )
    may = serializers.ListField(
        child=serializers.CharField(), help_text="Those of its scopes that its owner's roles give at this moment."
    )
    expires_at = serializers.DateTimeField(help_text="When it ends.")


def _refused(description: str, code: str, message: str) -> OpenApiResponse:
    return OpenApiResponse(ErrorAnswer, description, [OpenApiExample(code, body(code, message), response_only=True)])


READ_TOKEN = extend_schema(
    operation_id="read_staff_token",
    summary="Read who a staff token is",
    description="Tells whose token it is, what it may do at this moment, and when it ends.",
    tags=["Staff"],
    auth=[{"staffToken": []}],  # type: ignore[list-item]  # the stub knows names only
    responses={
        200: OpenApiResponse(TokenRead, "The token is live."),
        401: _refused("No live token.", "not_authenticated", "Authentication credentials were not provided."),
        429: _refused(
            "Too many requests.", "throttled", "Too many requests from your address. Try again in 17 seconds."
        ),
        503: _refused(
            "Not now.", "unavailable", "The service cannot reach its database now. Send the request again, …"
        ),
    },
    examples=[
        OpenApiExample(
            "A token for refunds",
            {
                "user": "ann",
                "roles": ["Support"],
                "scopes": ["refunds:request"],
                "may": ["refunds:request"],
                "expires_at": "2026-12-21T12:00:00+00:00",
            },
            response_only=True,
            status_codes=["200"],
        )
    ],
)


class MeView(StaffApiView):
    """Who asks."""

    http_method_names = ["get", "head"]

    @READ_TOKEN
    def get(self, request: Request) -> Response:
        """Tell what the token in the request is."""
        token: StaffToken = request.auth  # type: ignore[assignment]  # StaffTokenAuthentication put it there
        return Response(
            {
                "user": token.user.get_username(),
                "roles": [role.value for role in roles_of(token.user)],
                "scopes": token.scopes,
                "may": [scope.value for scope in Scope if staff_tokens.may(token, scope)],
                "expires_at": token.expires_at,
            }
        )
