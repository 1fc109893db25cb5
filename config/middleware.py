"""What happens to every request: whom to believe, one correlation id, one log line, and 503 while a store is away."""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from config.errors import is_store_away, store_away, too_large
from integrations import correlation
from payments.audit import recording as audit
from payments.audit.events import Event

GetResponse = Callable[[HttpRequest], HttpResponseBase]

REQUEST_ID_HEADER = "X-Request-ID"
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{15,63}")
_FORWARDED = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST",
              "HTTP_X_FORWARDED_PORT", "HTTP_X_REAL_IP", "HTTP_X_REQUEST_ID")  # fmt: skip
FORWARDED_MARK = "shop.forwarded"
"""In request.META: whether the request came through a proxy, or says so."""

_NO_ADDRESS = "0.0.0.0"  # nosec B104
_UNREMARKABLE = ("/static/", "/livez", "/readyz", "/metrics")

_log = structlog.get_logger("shop.request")


class TrustedProxyMiddleware:
    """Puts the client's own address into REMOTE_ADDR, believing TRUSTED_PROXIES only, and removes what is not believed.

    So whatever reads the address later (throttles, axes, audit) is right without believing a header again.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        meta = request.META
        trusted = meta.get("REMOTE_ADDR", "") in settings.TRUSTED_PROXIES
        forwarded_for = meta.get("HTTP_X_FORWARDED_FOR", "")
        meta[FORWARDED_MARK] = any(name in meta for name in _FORWARDED if name != "HTTP_X_REQUEST_ID")
        kept = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_REQUEST_ID") if trusted else ()
        for name in _FORWARDED:
            if name not in kept:
                meta.pop(name, None)
        if trusted:
            meta["REMOTE_ADDR"] = _client(forwarded_for, fallback=meta.get("REMOTE_ADDR", ""))
        return self.get_response(request)


def _client(forwarded_for: str, *, fallback: str) -> str:
    """Return the nearest address that is not one of our proxies: each proxy appended whom it saw, at the right."""
    nearest = fallback
    for hop in reversed([hop.strip() for hop in forwarded_for.split(",")][-20:]):
        try:
            nearest = str(ipaddress.ip_address(hop))
        except ValueError:
            break  # what stands further left was not written by a proxy of ours
        if nearest not in settings.TRUSTED_PROXIES:
            break
    return nearest or _NO_ADDRESS


class RequestLogMiddleware:
    """Binds the request's correlation id, answers it as X-Request-ID and writes one line when the request is done.

    The line names the route, never path or query: tokens stand in them. A view adds to it, and to every other line of
    its request, by structlog.contextvars.bind_contextvars.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.META.get("HTTP_X_REQUEST_ID", "")
        structlog.contextvars.clear_contextvars()  # a server's thread keeps those of the request before
        with correlation.bind(given if _REQUEST_ID.fullmatch(given) else "") as request_id:
            started = time.monotonic()
            response = too_large(request) or self.get_response(request)
            response.headers[REQUEST_ID_HEADER] = request_id
            _write(request, response, milliseconds=round((time.monotonic() - started) * 1000))
        return response


def _write(request: HttpRequest, response: HttpResponseBase, *, milliseconds: int) -> None:
    route = request.resolver_match.view_name if request.resolver_match else ""
    about = {"method": request.method, "route": route or "-", "status": response.status_code}
    _log.log(_level(request, response), "request", **about, ms=milliseconds)
    if response.status_code in (401, 403):
        _log.warning(
            "permission refused", **about, user_id=_user_id(request), client=request.META.get("REMOTE_ADDR", "")
        )


def _user_id(request: HttpRequest) -> Any:
    """Return the id of whom the request is known to come from, without asking the database."""
    user = request.__dict__.get("user")
    if isinstance(user, SimpleLazyObject):
        user = request.__dict__.get("_cached_user")
    return getattr(user, "pk", None)


def _level(request: HttpRequest, response: HttpResponseBase) -> int:
    if response.status_code >= 500:
        return logging.ERROR
    return logging.DEBUG if request.path_info.startswith(_UNREMARKABLE) else logging.INFO


class PermissionsPolicyMiddleware:
    """Adds Permissions-Policy (config/policy.py)."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        return response


class AuditMiddleware:
    """Names for the audit log who acts in a request and from where, and records what staff were refused.

    The person is found out only when a change is written: the API's views learn whose token it is late, and most
    requests change nothing. The address is REMOTE_ADDR, which TrustedProxyMiddleware made right; no header is believed
    here, unlike in auditlog's own middleware.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path_info.startswith(_UNREMARKABLE):
            return self.get_response(request)
        with audit.acting(actor=lambda: _person(request), client=request.META.get("REMOTE_ADDR", "")):
            response = self.get_response(request)
            if response.status_code == HTTPStatus.FORBIDDEN:
                _record_refusal(request)
        return response


def _person(request: HttpRequest) -> Any:
    user = getattr(request, "user", None)
    return user if user is not None and user.is_authenticated else audit.ANONYMOUS


def _record_refusal(request: HttpRequest) -> None:
    """Record what somebody with a name was refused. Nothing happened, so the answer does not hang on the record."""
    person = _person(request)
    if person == audit.ANONYMOUS:
        return  # shoppers and strangers: a line of the log tells it
    route = request.resolver_match.view_name if request.resolver_match else "-"
    details = {"method": request.method, "route": route}
    try:
        audit.record(Event.PERMISSION_REFUSED, actor=person, details=details, at=timezone.now())
    except DatabaseError:
        _log.exception("refusal not recorded", **details)


class StoreAwayMiddleware:
    """Answers 503 when a view fails because the database or the cache is away. Other middlewares': config/errors.py."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Take over what is_store_away() recognises; leave the rest to Django."""
        return store_away(request, error) if is_store_away(error) else None
