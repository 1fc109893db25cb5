"""The answers when something goes wrong: JSON for machines, a page for people. None of them touches the database."""

from __future__ import annotations

import sys
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.html import format_html
from psycopg.errors import IdleInTransactionSessionTimeout, TransactionTimeout

RETRY_AFTER_SECONDS = 5

# The API's own words (payments/shop/api_errors.py), for what fails before or behind it.
_CODES = {
    HTTPStatus.BAD_REQUEST: "malformed_request",
    HTTPStatus.FORBIDDEN: "permission_denied",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
    HTTPStatus.TOO_MANY_REQUESTS: "throttled",
    HTTPStatus.INTERNAL_SERVER_ERROR: "error",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
}

_log = structlog.get_logger("shop.errors")


def is_for_machine(request: HttpRequest) -> bool:
    """Say whether a program asks: the API, a webhook, a probe, the status that the page polls."""
    path = request.path_info
    return (
        path.startswith(("/api/", "/webhooks/")) or path.endswith(".json") or path in ("/livez", "/readyz", "/metrics")
    )


def is_store_away(error: BaseException | None) -> bool:
    """Say whether `error`, or what caused it, is the database or the cache being away, full or too slow.

    An OperationalError is the server's trouble (connection, resources, timeout, deadlock), not our statement's. Two
    timeouts are filed elsewhere, for who stood still in a transaction (a stalled host): it was undone.
    """
    while error is not None:
        if isinstance(error, OperationalError | InterfaceError | IdleInTransactionSessionTimeout | TransactionTimeout):
            return True
        if type(error).__module__ == "redis.exceptions" and type(error).__name__ in ("ConnectionError", "TimeoutError"):
            return True
        error = error.__cause__
    return False


def store_away(request: HttpRequest, error: BaseException | None) -> HttpResponse:
    """Return 503 with Retry-After, so that providers and clients come again."""
    _log.error("store away", error=f"{type(error).__name__}: {error}"[:300])
    return _retry_later(request, "The service cannot reach its database now. Try again in a few seconds.")


def too_large(request: HttpRequest) -> HttpResponse | None:
    """Return 413 for a body that says it is larger than any of ours, before anything reads it."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if length.isascii() and length.isdigit() and len(length) < 12 and int(length) <= settings.WEBHOOK_MAX_BODY_BYTES:
        return None
    return _answer(
        request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request's body is too large: 1 MiB at most.", "400.html"
    )


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler400."""
    if isinstance(exception, RequestDataTooBig):
        return _answer(request, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The request's body is too large.", "400.html")
    return _answer(request, HTTPStatus.BAD_REQUEST, "The request cannot be understood.", "400.html")


def permission_denied(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler403."""
    return _answer(request, HTTPStatus.FORBIDDEN, "You may not do this.", "403.html")


def page_not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler404."""
    return _answer(request, HTTPStatus.NOT_FOUND, "There is nothing at this address.", "404.html")


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: for what no view caught. A webhook is told to come again, whatever the reason: never another 5xx."""
    error = sys.exc_info()[1]
    if is_store_away(error):
        return store_away(request, error)
    if request.path_info.startswith("/webhooks/"):
        return _retry_later(request, "The event could not be stored. Send it again.")
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "Something went wrong on our side.", "500.html")


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW: most often a form that stood open too long."""
    _log.warning("csrf refused", reason=reason)
    return _answer(request, HTTPStatus.FORBIDDEN, "The form was open for too long. Load it again.", "403_csrf.html")


def locked_out(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """AXES_LOCKOUT_CALLABLE: too many failed sign-ins for this name from this address."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    text = f"Too many failed sign-ins. Try again in {minutes} minutes."
    response = _answer(request, HTTPStatus.TOO_MANY_REQUESTS, text, "429.html", minutes=minutes)
    response.headers["Retry-After"] = str(minutes * 60)
    return response


def _retry_later(request: HttpRequest, text: str) -> HttpResponse:
    response = _answer(request, HTTPStatus.SERVICE_UNAVAILABLE, text, "503.html")
    response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def _page(template: str, text: str, context: dict[str, Any]) -> str:
    """Render without the request: no context processor shall ask the session or the database."""
    try:
        return render_to_string(template, context)
    except Exception:  # noqa: BLE001  static files not collected, a bad template: the answer keeps its sentence
        _log.exception("error page broken", template=template)
        return format_html("<!doctype html><html lang=en><title>{0}</title><main><h1>{0}</h1></main></html>", text)


def _answer(request: HttpRequest, status: HTTPStatus, text: str, template: str, **context: Any) -> HttpResponse:
    """Return `text` as JSON to a machine, `template` to a person; kept by no cache."""
    response: HttpResponse
    if is_for_machine(request):
        response = JsonResponse({"error": {"code": _CODES[status], "message": text}}, status=status)
    else:
        response = HttpResponse(_page(template, text, context), status=status)
    response.headers["Cache-Control"] = "no-store"
    return response
