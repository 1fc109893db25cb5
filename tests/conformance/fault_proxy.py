"""Stands between a connector and its receiver, and spoils one request: before the receiver saw it, or after."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`after`: the receiver has taken the request. `status`: what is answered; 0 cuts, -1 half a body, -2 silence."""

    after: bool
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


CUT_BEFORE = Fault(after=False, status=0)
BUSY_BEFORE = Fault(after=False, status=503)
CUT_AFTER = Fault(after=True, status=0)
HALF_AFTER = Fault(after=True, status=-1)
SILENT_AFTER = Fault(after=True, status=-2)
FAILED_AFTER = Fault(after=True, status=500)


class FaultProxy(ThreadingHTTPServer):
    """Passes requests on to `upstream`, and counts them. `spoil`: which (from 1), or 0 for all; with what."""

    daemon_threads = True

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.lines: list[str] = []
        self.fault: Fault | None = None
        self.which = 0
        self.over = threading.Event()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Silent: that the other side hangs up is what is tried here."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def spoil(self, fault: Fault, *, which: int) -> None:
        """Spoil the `which`-th request from now on, or with 0 all of them."""
        with self._lock:
            self.fault, self.which = fault, which + len(self.lines) if which else 0

    def heal(self) -> None:
        """Spoil no more."""
        with self._lock:
            self.fault = None

    def take(self, line: str) -> Fault | None:
        """Note a request; return how to spoil it."""
        with self._lock:
            self.lines.append(line)
            return self.fault if self.which in (0, len(self.lines)) else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultProxy

    def log_message(self, *_: object) -> None:
        """Silent."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        fault = self.server.take(f"{self.command} {self.path}")
        if fault is None:
            self._answer(*self._pass_on(body))
            return
        if fault.after:
            self._pass_on(body)
        self._spoil(fault)

    def _pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = self.server.upstream
        connection = http.client.HTTPConnection(upstream.hostname or "", upstream.port, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        connection.request(self.command, self.path, body=body or None, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        dropped = {"content-length", "connection", "transfer-encoding", "date", "server"}
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in dropped}
        connection.close()
        return answer.status, kept, content

    def _spoil(self, fault: Fault) -> None:
        self.close_connection = True
        if fault.status > 0:
            self._answer(fault.status, fault.headers, fault.body)
        elif fault.status == -1:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", "1000")
            self.end_headers()
            self.wfile.write(b'{"half": ')
        elif fault.status == -2:
            self.server.over.wait(20)

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names


@contextmanager
def before(upstream: str) -> Iterator[FaultProxy]:
    """Give a running proxy in front of `upstream`."""
    with FaultProxy(upstream) as proxy:
        threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield proxy
        proxy.over.set()
        proxy.shutdown()
