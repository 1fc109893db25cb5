"""The one outbound HTTP client: checked addresses, a total deadline, size caps, no redirects, no proxies, one log line.

Connectors call `send`. SDKs that bring their own client get the same guard from http_session.py.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from types import MappingProxyType

import structlog
from django.conf import settings
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout
from urllib3.exceptions import HTTPError, LocationParseError, NewConnectionError
from urllib3.exceptions import TimeoutError as Urllib3Timeout
from urllib3.util import Url, parse_url

from integrations import correlation, http_kept
from integrations.addresses import OutboundRefused
from integrations.http_connections import (
    MAX_HEADER_BYTES,
    pool_classes,
    remaining_seconds,
    tls_context,
    total_deadline,
)
from integrations.transactions import TransactionOpen, refuse_open_transaction

__all__ = [
    "HttpAnswer",
    "OutboundFailed",
    "OutboundRefused",
    "OutboundTimeout",
    "TransactionOpen",
    "loopback_allowed",
    "redact_headers",
    "redact_url",
    "refuse_open_transaction",
    "remaining_seconds",
    "send",
    "total_deadline",
]

MAX_BODY_BYTES = 1024 * 1024
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
USER_AGENT = "shop-payments"

# What may stand in a log; every other header is shown by name only.
_CLEAR_HEADERS = frozenset(
    {"content-length", "content-type", "date", "request-id", "retry-after", "stripe-version", "webhook-id"}
)

log = structlog.get_logger(__name__)


class OutboundTimeout(Exception):
    """The total deadline is over. The receiver may have acted on the request: repeat it under the same key only."""

    permanent = False


class OutboundFailed(Exception):
    """No answer that can be believed: connection, TLS, protocol, or larger than the cap. Repeat under the same key."""

    permanent = False


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came back. Header names are lower-case; `body` is as sent, whatever its content-encoding."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def loopback_allowed() -> bool:
    """Return whether this environment may talk to stand-ins on its own machine; production may not."""
    return bool(settings.ENVIRONMENT != "production")


def redact_url(url: str) -> str:
    """Return scheme, host and port of `url`: paths and queries of receivers often hold secrets."""
    try:
        parsed = parse_url(url)
    except LocationParseError:
        return "[unreadable address]"
    return Url(scheme=parsed.scheme, host=parsed.host, port=parsed.port).url


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return `headers` with the values hidden, but for those known to be harmless."""
    return {name: value if name.lower() in _CLEAR_HEADERS else "[hidden]" for name, value in headers.items()}


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes = b"",
    deadline_seconds: float,
    allow_loopback: bool = False,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> HttpAnswer:
    """Send one request and return whatever status the server answers; redirects are answers too.

    `deadline_seconds`: for all of it, name resolution and a dripping body included; `max_body_bytes`: of the answer.
    `allow_loopback`: stand-ins on this machine, also over http (refused in production).
    Raises OutboundTimeout, OutboundFailed, OutboundRefused (nothing was sent), TransactionOpen (a defect).
    """
    refuse_open_transaction()
    started = time.monotonic()
    outcome, status = "defect", 0
    try:
        if allow_loopback and not loopback_allowed():
            raise OutboundRefused("loopback addresses are not allowed in production")
        if method not in METHODS:
            raise OutboundRefused(f"{method!r} is no method we send")
        with total_deadline(deadline_seconds):
            answer = _exchange(method, _target(url), headers, body, allow_loopback, max_body_bytes)
        outcome, status = "answered", answer.status
    except OutboundRefused:
        outcome = "refused"
        raise
    except OutboundTimeout:
        outcome = "timeout"
        raise
    except OutboundFailed:
        outcome = "failed"
        raise
    finally:
        log.info(
            "outbound_call",
            method=method,
            target=redact_url(url),
            outcome=outcome,
            status=status,
            duration_ms=round((time.monotonic() - started) * 1000),
            correlation_id=correlation.current(),
        )
    return answer


def _target(url: str) -> Url:
    """Parse `url`. What is checked is what is connected to, so that two parsers cannot disagree about the host."""
    try:
        target = parse_url(url)
    except LocationParseError as error:
        raise OutboundRefused("the address cannot be read") from error
    if target.scheme not in ("http", "https") or not target.host:
        raise OutboundRefused("the address must be a full http:// or https:// one")
    if target.auth is not None:
        raise OutboundRefused("the address must not hold a user name or password")
    return target


def _exchange(
    method: str, target: Url, headers: Mapping[str, str], body: bytes, allow_loopback: bool, max_body_bytes: int
) -> HttpAnswer:
    key = (target.scheme or "", target.host or "", target.port, allow_loopback)
    pool, born = http_kept.take(key) or (_pool(target, allow_loopback), time.monotonic())
    sent_headers = {"User-Agent": USER_AGENT, **headers, "Accept-Encoding": "identity"}
    response: BaseHTTPResponse | None = None
    try:
        response = pool.urlopen(
            method,
            target.request_uri,
            body=body if body or method in ("POST", "PUT", "PATCH") else None,
            headers=sent_headers,
            redirect=False,
            retries=False,
            preload_content=False,
            decode_content=False,
            timeout=Timeout(total=remaining_seconds()),
        )
        answer = HttpAnswer(response.status, capped_headers(response), capped_body(response, max_body_bytes))
        response.release_conn()
    except BaseException as error:
        # A half-read connection must not be used again.
        if response is not None:
            response.close()
        pool.close()
        known = _known(error)
        if known is error:
            raise
        raise known from error
    http_kept.give_back(key, pool, born=born)
    return answer


def _known(error: BaseException) -> BaseException:
    """Return the error of ours that says what this one means; the same one where it says so itself."""
    if isinstance(error, HTTPError | HTTPException | OSError):
        if _timed_out(error):
            return OutboundTimeout("no complete answer within the deadline")
        return OutboundFailed(f"no answer: {type(error).__name__}")
    if isinstance(error, ValueError):
        # http.client's: a header with a line break, a name that is no host name.
        return OutboundRefused("the request cannot be written as HTTP")
    return error


def _timed_out(error: BaseException | None) -> bool:
    """Look through the causes: a timeout while sending comes wrapped as a protocol error."""
    while error is not None:
        if isinstance(error, NewConnectionError):  # urllib3 counts it among the timeouts
            return False
        if isinstance(error, (Urllib3Timeout, TimeoutError)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _pool(target: Url, allow_loopback: bool) -> HTTPConnectionPool:
    pool_class = pool_classes(allow_loopback=allow_loopback)[target.scheme or ""]
    host = target.host or ""
    if target.scheme == "https":
        return pool_class(host, target.port or 443, ssl_context=tls_context())
    return pool_class(host, target.port or 80)


def capped_headers(response: BaseHTTPResponse) -> Mapping[str, str]:
    """Return the answer's headers by lower-case name. Raises OutboundFailed when they are more than 64 KiB."""
    size = sum(len(name) + len(value) for name, value in response.headers.iteritems())
    if size > MAX_HEADER_BYTES:
        raise OutboundFailed(f"the answer's headers are larger than {MAX_HEADER_BYTES} bytes")
    return MappingProxyType({name.lower(): value for name, value in response.headers.itermerged()})


def capped_body(response: BaseHTTPResponse, max_bytes: int, *, decode_content: bool = False) -> bytes:
    """Read the answer's body, never holding more than `max_bytes` and one block. Raises OutboundFailed when larger."""
    chunks: list[bytes] = []
    size = 0
    while chunk := response.read(64 * 1024, decode_content=decode_content):
        size += len(chunk)
        if size > max_bytes:
            raise OutboundFailed(f"the answer is larger than {max_bytes} bytes")
        chunks.append(chunk)
    return b"".join(chunks)
