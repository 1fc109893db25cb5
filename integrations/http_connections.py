"""Connections that hold a total deadline and go to checked addresses only. Used by http.py and http_session.py."""

from __future__ import annotations

import functools
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import certifi
from django.conf import settings
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from integrations.addresses import Endpoint, permitted, resolve

# http.client allows 100 header lines of 64 KiB each; nobody we talk to needs more than this in all.
MAX_HEADER_BYTES = 64 * 1024

_deadline: ContextVar[float | None] = ContextVar("outbound_deadline", default=None)


@contextmanager
def total_deadline(seconds: float) -> Iterator[None]:
    """Let everything sent inside end within `seconds`, whatever the server does. It never extends an outer one."""
    mine = time.monotonic() + seconds
    outer = _deadline.get()
    token = _deadline.set(mine if outer is None else min(mine, outer))
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining_seconds() -> float | None:
    """Return what is left of the deadline, or None where there is none. Raises TimeoutError when it is over."""
    end = _deadline.get()
    if end is None:
        return None
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("the total deadline is over")
    return left


class _HoldsDeadline(socket.socket):
    """A socket's timeout counts from each byte, so a server that drips never times out: shorten it to what is left."""

    _own_timeout: float | None = None

    def settimeout(self, value: float | None) -> None:
        self._own_timeout = value
        super().settimeout(value)

    def _arm(self) -> None:
        left = remaining_seconds()
        if left is not None:
            own = self._own_timeout
            super().settimeout(left if own is None else min(left, own))


class _PlainSocket(_HoldsDeadline):
    def connect(self, address: Any) -> None:
        self._arm()
        super().connect(address)

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self._arm()
        return super().recv_into(*args, **kwargs)

    def recv(self, *args: Any, **kwargs: Any) -> bytes:
        self._arm()
        return super().recv(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self._arm()
        return super().send(*args, **kwargs)

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self._arm()
        super().sendall(*args, **kwargs)


class _TlsSocket(ssl.SSLSocket, _HoldsDeadline):
    """`recv`, `recv_into` and `sendall` of SSLSocket all pass through `read` and `send`."""

    def do_handshake(self, block: bool = False) -> None:
        self._arm()
        super().do_handshake(block)

    def read(self, *args: Any, **kwargs: Any) -> Any:
        self._arm()
        return super().read(*args, **kwargs)

    def send(self, *args: Any, **kwargs: Any) -> int:
        self._arm()
        return super().send(*args, **kwargs)


@functools.cache
def tls_context() -> ssl.SSLContext:
    """Return the one client context: the system's and certifi's authorities, host name checked, TLS 1.2 or newer."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _TlsSocket
    return context


def _connect(connection: HTTPConnection, *, scheme: str, allow_loopback: bool) -> socket.socket:
    """Resolve, judge every address, connect to the first that answers. Raises OutboundRefused, urllib3's errors."""
    host, port = connection.host, connection.port
    connect_timeout = connection.timeout if isinstance(connection.timeout, (int, float)) else None
    try:
        limits: list[float] = [limit for limit in (connect_timeout, remaining_seconds()) if limit is not None]
        # With its trailing dot, if it has one: without, the resolver would try the search domains too.
        name = connection._dns_host  # noqa: SLF001 - urllib3's only keeper of the dot
        found = resolve(name, port, timeout_seconds=min(limits, default=10.0))
    except TimeoutError as error:
        raise ConnectTimeoutError(connection, f"{host} was not resolved in time") from error
    except OSError as error:
        known = error if isinstance(error, socket.gaierror) else socket.gaierror(str(error))
        raise NameResolutionError(host, connection, known) from error
    endpoints = permitted(
        host, found, scheme=scheme, allow_loopback=allow_loopback, private_hosts=settings.PRIVATE_RECEIVERS
    )
    failure: OSError | None = None
    for endpoint in endpoints:
        try:
            return _open(endpoint, connect_timeout)
        except OSError as error:
            failure = error
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, f"no connection to {host} in time") from failure
    raise NewConnectionError(connection, f"no connection to {host}: {type(failure).__name__}") from failure


def _open(endpoint: Endpoint, timeout: float | None) -> socket.socket:
    sock = _PlainSocket(endpoint.family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(timeout)
        sock.connect(endpoint.sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


class _Http(HTTPConnection):
    allow_loopback = False

    def _new_conn(self) -> socket.socket:
        return _connect(self, scheme="http", allow_loopback=self.allow_loopback)


class _Https(HTTPSConnection):
    allow_loopback = False

    def _new_conn(self) -> socket.socket:
        return _connect(self, scheme="https", allow_loopback=self.allow_loopback)


class _HttpLoopback(_Http):
    allow_loopback = True


class _HttpsLoopback(_Https):
    allow_loopback = True


class HttpPool(HTTPConnectionPool):
    ConnectionCls = _Http


class HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _Https


class HttpLoopbackPool(HTTPConnectionPool):
    ConnectionCls = _HttpLoopback


class HttpsLoopbackPool(HTTPSConnectionPool):
    ConnectionCls = _HttpsLoopback


def pool_classes(*, allow_loopback: bool) -> dict[str, type[HTTPConnectionPool]]:
    """Return urllib3's pool class per scheme, guarded."""
    if allow_loopback:
        return {"http": HttpLoopbackPool, "https": HttpsLoopbackPool}
    return {"http": HttpPool, "https": HttpsPool}
