"""Square's error answers. https://developer.squareup.com/docs/build-basics/general-considerations/handling-errors."""

from __future__ import annotations

from integrations.sandbox.wire import Json

INVALID = "INVALID_REQUEST_ERROR"


class ApiError(Exception):
    """An error answer in Square's shape.

    `executed`: the endpoint had begun to work, so the answer is kept under the idempotency key. `extra`: what stands
    beside the errors (the failed payment of a decline).
    """

    def __init__(
        self,
        detail: str,
        *,
        status: int = 400,
        category: str = INVALID,
        code: str = "BAD_REQUEST",
        field: str | None = None,
        executed: bool = False,
        extra: Json | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.executed = executed
        error: Json = {"category": category, "code": code, "detail": detail}
        if field:
            error["field"] = field
        self.body: Json = {"errors": [error], **(extra or {})}


def missing(field: str) -> ApiError:
    """A required member was not sent."""
    return ApiError("Missing required parameter.", code="MISSING_REQUIRED_PARAMETER", field=field)


def unknown(field: str) -> ApiError:
    """A member that this endpoint does not have (or that the sandbox does not model)."""
    return ApiError(f"The field named '{field}' is unrecognized", field=field)


def expected(kind: str, field: str) -> ApiError:
    """Another JSON type than this member has."""
    article = "an" if kind[0] in "aeiou" else "a"
    return ApiError(f"Expected {article} {kind} value.", code=f"EXPECTED_{kind.upper()}", field=field)


def too_long(limit: int, field: str) -> ApiError:
    """More characters than fit."""
    return ApiError(f"Field must not be greater than {limit} in length", code="VALUE_TOO_LONG", field=field)


def empty(field: str) -> ApiError:
    """A blank string where a value is needed."""
    return ApiError("Field must not be blank", code="VALUE_EMPTY", field=field)


def invalid(field: str, detail: str, *, code: str = "INVALID_VALUE") -> ApiError:
    """A value that this member cannot have."""
    return ApiError(detail, code=code, field=field)


def not_found(what: str, object_id: str) -> ApiError:
    """No such object."""
    return ApiError(f"Could not find {what} with id: {object_id}", status=404, code="NOT_FOUND")


def refused(detail: str, *, code: str = "BAD_REQUEST", category: str = INVALID, field: str | None = None) -> ApiError:
    """The object's state does not allow this call. Such answers are kept under the key."""
    return ApiError(detail, code=code, category=category, field=field, executed=True)


def unauthorised() -> ApiError:
    """No token, or one that is not accepted."""
    return ApiError(
        "This request could not be authorized.", status=401, category="AUTHENTICATION_ERROR", code="UNAUTHORIZED"
    )


def key_reused() -> ApiError:
    """The idempotency key was used for another request."""
    return ApiError(
        "Different request parameters used for the same idempotency_key.",
        code="IDEMPOTENCY_KEY_REUSED",
        field="idempotency_key",
    )


def unhandled(status: int) -> ApiError:
    """A 429 or 500 that was not handled."""
    if status == 429:
        return ApiError("Rate limit exceeded.", status=429, category="RATE_LIMIT_ERROR", code="RATE_LIMITED")
    return ApiError("An internal error has occurred.", status=500, category="API_ERROR", code="INTERNAL_SERVER_ERROR")
