"""Stripe's error answers. https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes."""

from __future__ import annotations

from integrations.sandbox.wire import Json


class ApiError(Exception):
    """An error answer in Stripe's shape.

    `executed` tells whether the endpoint had begun to work: only then is the answer kept under the idempotency key
    (https://docs.stripe.com/api/idempotent_requests: failed validation stores nothing).
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        executed: bool = False,
        extra: Json | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.executed = executed
        error: Json = {"message": message, "type": kind}
        if code:
            error |= {
                "code": code,
                "doc_url": f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}",
            }
        if param:
            error["param"] = param
        self.body: Json = {"error": error | (extra or {})}


def missing(param: str) -> ApiError:
    """A required parameter was not sent."""
    return ApiError(f"Missing required param: {param}.", code="parameter_missing", param=param)


def unknown(param: str) -> ApiError:
    """A parameter that this endpoint does not have (or that the sandbox does not model)."""
    return ApiError(f"Received unknown parameter: {param}", code="parameter_unknown", param=param)


def no_longer_supported(param: str) -> ApiError:
    """A parameter that newer API versions have removed, as 2026-09-30.endive did with `payment_method_types`."""
    message = f"The parameter {param} is no longer supported. Use allowed_{param} or excluded_{param} instead."
    return ApiError(message, code=f"{param}_no_longer_supported", param=param)


def empty(param: str) -> ApiError:
    """An empty string where a value is needed."""
    message = (
        f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a"
        " parameter; however "
        f"'{param}' cannot be unset. You should remove '{param}' from your request or supply a non-empty"
        " value."
    )
    return ApiError(message, code="parameter_invalid_empty", param=param)


def invalid(param: str, message: str, *, code: str | None = None) -> ApiError:
    """A value that this parameter cannot have."""
    return ApiError(message, code=code, param=param)


def no_such(kind: str, object_id: str, *, param: str = "id") -> ApiError:
    """The object does not exist: 404 when it was addressed by the URL, else 400."""
    name = {"checkout.session": "checkout.session"}.get(kind, kind)
    status = 404 if param in ("id", "intent", "dispute") else 400
    return ApiError(f"No such {name}: '{object_id}'", status=status, code="resource_missing", param=param)


def unexpected_state(message: str, *, code: str | None = None, param: str | None = None) -> ApiError:
    """The object's state does not allow this call. Such answers are kept under the key."""
    return ApiError(message, code=code, param=param, executed=True)


def unauthorised(message: str, *, code: str | None = None) -> ApiError:
    """No key, or one that is not accepted."""
    return ApiError(message, status=401, code=code)
