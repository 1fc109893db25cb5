"""The HTTP server on loopback: reads requests, applies the fault switches at the socket, hands the rest to the
provider.
"""

from __future__ import annotations

import socket
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol
from urllib.parse import urlsplit

from integrations.sandbox import faults, journal
from integrations.sandbox.faults import Fault
from integrations.sandbox.store import Store
from integrations.sandbox.wire import Request, Response, json_response

HOST = "127.0.0.1"
MAX_BODY_BYTES = 1024 * 1024
CONNECTION_TIMEOUT_SECONDS = 120
CONTROL_PREFIX = "/_sandbox/"
_FORCED_ERRORS = {"server_error": "executed", "stored_error": "unexecuted"}
_CUTS = ("half_body", "truncated_json")
_HTML_502 = b"<html>\n<head><title>502 Bad Gateway</title></head>\n<body><h1>502 Bad Gateway</h1></body>\n</html>\n"


class Provider(Protocol):
    """What the server needs of a provider's stand-in."""

    def handle(self, request: Request) -> Response:
        """Answers an API or page request. `pause_seconds` and `forced_error` of the request are to be honoured."""

    def refusal(self, status: int) -> Response:
        """The provider's own wording of a 429 or 500 that was not handled."""


class Control(Protocol):
    """The control API's door."""

    def handle(self, request: Request) -> Response:
        """Answers a request under /_sandbox/."""


class SandboxServer(ThreadingHTTPServer):
    """One thread a connection; bound to 127.0.0.1 only."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *, port: int, store: Store, provider: Provider, control: Control) -> None:
        self.store = store
        self.provider = provider
        self.control = control
        super().__init__((HOST, port), Handler)

    @property
    def url(self) -> str:
        """The base address, known once bound."""
        return f"http://{HOST}:{self.server_address[1]}"

    def handle_error(self, _request: object, _client_address: object) -> None:
        """A client that went away is no news; anything else goes to stderr."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc()


class Handler(BaseHTTPRequestHandler):
    """Reads one request after the other from a kept-alive connection."""

    protocol_version = "HTTP/1.1"
    server_version = "payments-sandbox"
    sys_version = ""
    timeout = CONNECTION_TIMEOUT_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1
    server: SandboxServer

    def log_message(self, *_: object) -> None:
        """Silent: the journal is the log."""

    def do_GET(self) -> None:
        """Serves a GET."""
        self._serve()

    do_POST = do_DELETE = do_PUT = do_PATCH = do_HEAD = do_GET  # noqa: N815 - the standard library's names

    def _serve(self) -> None:
        request = self._read()
        if isinstance(request, Response):
            self.close_connection = True
            self._write(request)
        elif request.path.startswith(CONTROL_PREFIX):
            self._write(self._guarded(self.server.control.handle, request))
        else:
            self._serve_provider(request)

    def _read(self) -> Request | Response:
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if host not in ("127.0.0.1", "localhost"):
            return _plain(421, "This sandbox answers to 127.0.0.1 only.")
        if self.headers.get("Transfer-Encoding"):
            return _plain(411, "Send a Content-Length.")
        length = self.headers.get("Content-Length") or "0"
        if not length.isascii() or not length.isdigit():
            return _plain(400, "Content-Length is not a number.")
        if int(length) > MAX_BODY_BYTES:
            return _plain(413, "The body is larger than 1 MiB.")
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, parts.path, parts.query, headers, self.rfile.read(int(length)))

    def _serve_provider(self, request: Request) -> None:
        with self.server.store.transaction() as tx:
            fault = faults.take(tx, method=request.method, path=request.path)
        if fault is None:
            self._write(self._guarded(self.server.provider.handle, request))
        elif not fault.after and fault.kind in ("drop", "rate_limit", "server_error", "html_502"):
            self._refuse(request, fault)
        else:
            self._serve_faulty(request, fault)

    def _refuse(self, request: Request, fault: Fault) -> None:
        answers = {
            "rate_limit": self.server.provider.refusal(429),
            "server_error": self.server.provider.refusal(500),
            "html_502": Response(502, _HTML_502, "text/html"),
        }
        answer = answers.get(fault.kind)
        with self.server.store.transaction() as tx:
            journal.record(
                tx, method=request.method, path=request.path, params={},
                status=answer.status if answer else 0,
                idempotency_key=request.header("idempotency-key"), fault=fault.label,
            )  # fmt: skip
        if answer is None:
            self._cut()
        else:
            self._write(answer)

    def _serve_faulty(self, request: Request, fault: Fault) -> None:
        request = replace(
            request,
            pause_seconds=fault.seconds if fault.kind == "delay" and not fault.after else 0.0,
            forced_error=_FORCED_ERRORS.get(fault.kind, ""),
            fault=fault.label,
        )
        response = self._guarded(self.server.provider.handle, request)
        if fault.kind == "delay" and fault.after:
            time.sleep(fault.seconds)
        if fault.kind == "drop":
            self._cut()
        elif fault.kind == "html_502":
            self._write(Response(502, _HTML_502, "text/html"))
        elif fault.kind in _CUTS:
            self._write_half(response, whole_message=fault.kind == "truncated_json")
        else:
            self._write(response)

    def _guarded(self, handle: Callable[[Request], Response], request: Request) -> Response:
        try:
            return handle(request)
        except Exception:  # noqa: BLE001 - a bug of ours must show as a 500, not as a dropped connection
            traceback.print_exc()
            return json_response({"error": {"type": "api_error", "message": "The sandbox itself failed."}}, status=500)

    def _write(self, response: Response) -> None:
        self._head(response, length=len(response.body))
        if self.command != "HEAD":
            self.wfile.write(response.body)
        self.wfile.flush()

    def _write_half(self, response: Response, *, whole_message: bool) -> None:
        half = response.body[: len(response.body) // 2]
        self._head(response, length=len(half) if whole_message else len(response.body))
        self.wfile.write(half)
        self.wfile.flush()
        if not whole_message:
            self._cut()

    def _head(self, response: Response, *, length: int) -> None:
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(length))
        for name, value in response.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


def _plain(status: int, text: str) -> Response:
    return Response(status, f"{text}\n".encode(), "text/plain; charset=utf-8")
