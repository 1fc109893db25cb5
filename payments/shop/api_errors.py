"""What the API says when it does not do what was asked: one shape, a stable code, a sentence that helps.

`{"error": {"code": "…", "message": "…", "fields": {"lines[0].quantity": ["…"]}}}`, `fields` only where members of the
body are wrong. Nothing of a stack, a query or another client's data is ever in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import singledispatch
from math import ceil
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from rest_framework import exceptions
from rest_framework.response import Response

from orders.lines import OrderRefused
from payments.actions import BadReason
from payments.checkout import CannotPay
from payments.idempotency import KeyRefused
from payments.shop.api_json import MAX_BYTES, NotStrictJson
from payments.staff_operations import NotPossible

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 5
MAX_FIELDS = 20


class Refusal(Exception):
    """A request that is not carried out. `code` is for programs and never changes, `message` is for people."""

    def __init__(self, code: str, message: str, *, http_status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.http_status = code, message, http_status


def not_found() -> Refusal:
    """The one answer for every token that opens nothing, whatever the reason."""
    return Refusal("not_found", "There is nothing at this address.", http_status=404)


def wrong_media_type() -> Refusal:
    """Only plain JSON is read."""
    return Refusal(
        "unsupported_media_type",
        "Send the body as application/json in UTF-8, without Content-Encoding.",
        http_status=415,
    )


def too_large() -> Refusal:
    """No request of this API comes near the limit."""
    return Refusal(
        "body_too_large",
        f"The body may have at most {MAX_BYTES // 1024} KiB.",
        http_status=413,
    )


def handle(error: Exception, _context: Mapping[str, Any]) -> Response | None:
    """Turn what a view raised into an answer; None leaves it to Django, which answers 500."""
    return _answer_to(error)


@singledispatch
def _answer_to(_error: Exception) -> Response | None:
    return None


@_answer_to.register
def _(error: Refusal) -> Response:
    return _answer(error.http_status, error.code, error.message)


@_answer_to.register
def _(error: KeyRefused) -> Response:
    return _answer(error.http_status, error.code, error.message, retry_after_seconds=error.retry_after_seconds)


@_answer_to.register
def _(error: NotStrictJson) -> Response:
    return _answer(400, "malformed_json", str(error))


@_answer_to.register
def _(error: OrderRefused) -> Response:
    return _answer(400, error.code, error.message, fields={"lines": [error.message]} if error.sku else None)


@_answer_to.register
def _(error: CannotPay) -> Response:
    later = RETRY_AFTER_SECONDS if error.http_status == 503 else None
    return _answer(error.http_status, error.code, error.message, retry_after_seconds=later)


@_answer_to.register
def _(error: NotPossible) -> Response:
    return _answer(409, "not_possible", str(error))


@_answer_to.register
def _(error: BadReason) -> Response:
    return _answer(400, "invalid", str(error), fields={"reason": [str(error)]})


@_answer_to.register
def _(error: PermissionDenied) -> Response:
    return _answer(403, "permission_denied", str(error))


@_answer_to.register(OperationalError)
@_answer_to.register(InterfaceError)
def _(error: Exception) -> Response:
    # The server's trouble, not our statement's: connection, resources, timeout, deadlock.
    log.error("api_store_away", error=type(error).__name__)
    message = "The service cannot reach its database now. Send the request again, with the same key."
    return _answer(503, "unavailable", message, retry_after_seconds=RETRY_AFTER_SECONDS)


@_answer_to.register
def _(error: exceptions.APIException) -> Response:
    response = _answer(error.status_code, str(error.default_code), str(error.detail))
    if header := getattr(error, "auth_header", ""):  # 401 says how to sign in (RFC 9110, 15.5.2)
        response.headers["WWW-Authenticate"] = header
    return response


@_answer_to.register
def _(error: exceptions.ValidationError) -> Response:
    message = "The body is not what this address takes; `fields` says what to change."
    return _answer(400, "invalid", message, fields=flat(error.detail))


@_answer_to.register
def _(error: exceptions.Throttled) -> Response:
    seconds = max(1, ceil(getattr(error, "wait", None) or 1))
    message = f"Too many requests from your address. Try again in {seconds} seconds."
    return _answer(429, "throttled", message, retry_after_seconds=seconds)


def flat(detail: Any) -> dict[str, list[str]]:
    """Return nested complaints of serializers by the path of what they are about: `lines[0].quantity`."""
    fields: dict[str, list[str]] = {}
    for path, sentence in _leaves(detail, ""):
        if path in fields or len(fields) < MAX_FIELDS:
            fields.setdefault(path, []).append(sentence)
    return fields


def _leaves(detail: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            if isinstance(name, int):
                yield from _leaves(inner, f"{path}[{name}]")
            else:
                own = name in ("non_field_errors", "")
                yield from _leaves(inner, path if own else f"{path}.{name}".lstrip("."))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from _leaves(inner, f"{path}[{index}]" if isinstance(inner, Mapping) else path)
    else:
        yield path or "body", str(detail)


def body(code: str, message: str, fields: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    """Return the one shape of an error."""
    return {"error": {"code": code, "message": message, **({"fields": fields} if fields else {})}}


def _answer(
    http_status: int,
    code: str,
    message: str,
    *,
    fields: Mapping[str, list[str]] | None = None,
    retry_after_seconds: int | None = None,
) -> Response:
    headers = {"Retry-After": str(retry_after_seconds)} if retry_after_seconds else {}
    return Response(body(code, message, fields), status=http_status, headers=headers)
