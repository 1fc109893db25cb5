"""PayPal's error answers. https://developer.paypal.com/api/rest/responses/#link-errorresponse"""

from __future__ import annotations

from integrations.sandbox.wire import Json

_MESSAGES = {
    "INVALID_REQUEST": "Request is not well-formed, syntactically incorrect, or violates schema.",
    "AUTHENTICATION_FAILURE": (
        "Authentication failed due to missing Authorization header, or invalid authentication credentials."
    ),
    "NOT_AUTHORIZED": "Authorization failed due to insufficient permissions.",
    "RESOURCE_NOT_FOUND": "The specified resource does not exist.",
    "RESOURCE_CONFLICT": "The server has detected a conflict while processing this request.",
    "UNPROCESSABLE_ENTITY": (
        "The requested action could not be performed, semantically incorrect, or failed business validation."
    ),
    "RATE_LIMIT_REACHED": "Too many requests. Blocked due to rate limiting.",
    "INTERNAL_SERVER_ERROR": "An internal server error has occurred.",
}


class ApiError(Exception):
    """An error answer in PayPal's shape."""

    def __init__(
        self, name: str, *, status: int, issue: str = "", description: str = "", field: str = "", location: str = "body"
    ) -> None:
        super().__init__(f"{name} {issue}".strip())
        self.status = status
        self.issue = issue
        self.body: Json = {"name": name, "message": _MESSAGES[name]}
        if issue:
            detail: Json = {"issue": issue, "description": description or issue.replace("_", " ").capitalize() + "."}
            if field:
                detail = {"field": field, "location": location, **detail}
            self.body["details"] = [detail]


def invalid(issue: str, field: str, description: str, *, location: str = "body") -> ApiError:
    """The request is not what the schema asks for."""
    return ApiError("INVALID_REQUEST", status=400, issue=issue, field=field, description=description, location=location)


def unprocessable(issue: str, description: str = "", *, field: str = "") -> ApiError:
    """The request is well formed, and cannot be done."""
    return ApiError("UNPROCESSABLE_ENTITY", status=422, issue=issue, description=description, field=field)


def not_found() -> ApiError:
    """No such object under this account."""
    description = "Specified resource ID does not exist. Please check the resource ID and try again."
    return ApiError("RESOURCE_NOT_FOUND", status=404, issue="INVALID_RESOURCE_ID", description=description)


def in_progress() -> ApiError:
    """Another request with this PayPal-Request-Id has not been answered yet."""
    description = "A previous request on this resource is currently in progress. Please wait and try again."
    return ApiError("RESOURCE_CONFLICT", status=409, issue="PREVIOUS_REQUEST_IN_PROGRESS", description=description)


def unauthenticated() -> ApiError:
    """No token, or one that is unknown or has expired."""
    return ApiError("AUTHENTICATION_FAILURE", status=401)
