"""Small misbehaving servers on loopback, one thread each, and our client asking them: for what leaves the house."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from integrations import http

# Deadlines in the tests are under a second, the misbehaving servers go on for twenty; between them, room for a busy
# machine.
SOON_SECONDS = 6


@dataclass
class Heard:
    """What a server received: one entry a connection, its request as bytes."""

    port: int
    requests: list[bytes] = field(default_factory=list)

    def url(self, path: str = "/", *, scheme: str = "http", host: str = "127.0.0.1") -> str:
        return f"{scheme}://{host}:{self.port}{path}"


def _read_request(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            return data
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length and (chunk := connection.recv(65536)):
        data += chunk
        body += chunk
    return data


@contextmanager
def serving(answer: Callable[[socket.socket], None], *, tls: ssl.SSLContext | None = None) -> Iterator[Heard]:
    """Listen on a free port of 127.0.0.1; read each request, then let `answer` write (or drip, or hang up)."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard = Heard(listener.getsockname()[1])

    def handle(connection: socket.socket) -> None:
        try:
            with tls.wrap_socket(connection, server_side=True) if tls else connection as talking:
                heard.requests.append(_read_request(talking))
                answer(talking)
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield heard
    finally:
        listener.close()


def saying(data: bytes) -> Callable[[socket.socket], None]:
    """Answer with exactly these bytes."""
    return lambda connection: connection.sendall(data)


def plain(body: bytes, *, status: str = "200 OK", extra: str = "") -> bytes:
    """One complete HTTP/1.1 answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}Connection: close\r\n\r\n"
    return head.encode("latin-1") + body


def get(url: str, *, seconds: float = 5.0, **options: Any) -> http.HttpAnswer:
    return http.send("GET", url, headers={}, deadline_seconds=seconds, allow_loopback=True, **options)
