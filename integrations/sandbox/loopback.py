"""What the demo asks of this machine: a free port, an answer, and the demo receiver's control and report."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

HOST = "127.0.0.1"


def free_port(preferred: int) -> int:
    """Return `preferred` if nobody listens there on loopback, else a port that is free now."""
    for port in (preferred, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As servers do: connections of a former server that are still closing do not count as taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"No port is free on {HOST}.")


def status_of(url: str, *, timeout_seconds: float = 2.0) -> int | None:
    """Return the status with which an address on this machine answers a GET; None if it does not."""
    try:
        status, _ = _ask(url, "GET", None, timeout_seconds)
    except (OSError, http.client.HTTPException):
        return None
    return status


class ReceiverControl:
    """A client of the demo's receiver (integrations/sandbox/receiver.py). Raises OSError when it is not there."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def report(self) -> dict[str, Any]:
        """Return what it has got: messages, arrivals, and what it refused."""
        _, body = _ask(f"{self._url}/received", "GET", None, 10.0)
        report: dict[str, Any] = json.loads(body)
        return report

    def copies_of(self, key: str) -> int:
        """Return how often the message with this key arrived and was kept."""
        return sum(message["receipts"] for message in self.report()["messages"] if message["id"] == key)

    def behave(self, mode: str, *, times: int | None = None) -> None:
        """Fail like `mode` (a status, hang, half, cut, redirect) for the next `times` messages or until told `ok`."""
        status, body = _ask(f"{self._url}/control", "POST", {"mode": mode, "times": times}, 10.0)
        if status != 204:
            raise ValueError(body.decode("utf-8", "replace").strip())


def _ask(url: str, method: str, message: Any, timeout_seconds: float) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=timeout_seconds)
    try:
        body = None if message is None else json.dumps(message).encode()
        connection.request(method, parts.path or "/", body=body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
