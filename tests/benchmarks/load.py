"""Sends webhooks or empty posts to a server on this machine, and tells what came back. A process of its own.

Reads one `Order` as JSON from standard input and writes one `Outcome` as JSON. All requests are made and signed before
the clock starts, so that sending is all it does meanwhile. One thread and raw sockets, since a client library would
cost
more than the server it measures. It can only reach 127.0.0.1, and ends by itself: by count, by time, and at the first
answer that is not 200.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import resource
import selectors
import socket
import sys
import time
import uuid
from dataclasses import asdict, dataclass, field
from typing import Any

HOST = "127.0.0.1"
MAX_REQUESTS = 20_000
MAX_SECONDS = 60.0
MOST_TRIES = 2_000
PATIENCE_SECONDS = 10.0
"""How long answers that are still owed are waited for after the last request was due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to send. `rate` a second: open loop, each request at its own time whether or not others were answered, and
    timed from then. No rate: closed loop, each connection sends its next as soon as it was answered.

    Of `body`, each of the texts in `unique` is replaced by another of its kind and length in every request.
    """

    port: int
    path: str
    body: str
    unique: list[str]
    secret: str
    connections: int
    workers: int
    seconds: float
    rate: float = 0.0
    most: int = MAX_REQUESTS


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came back. `milliseconds`: one an answer, in order of arrival. `busy`: the share of one core this took."""

    answered: int = 0
    seconds: float = 0.0
    milliseconds: list[float] = field(default_factory=list)
    busy: float = 0.0
    late_milliseconds: float = 0.0
    """Open loop: by how much this process itself was late at worst, because it was not scheduled in time."""
    problem: str = ""


def requests(order: Order, count: int) -> list[bytes]:
    """Return `count` whole requests, each with a valid signature over a body of its own."""
    run = uuid.uuid4().hex
    return [_request(order, run=run, number=number) for number in range(count)]


def _request(order: Order, *, run: str, number: int) -> bytes:
    body = order.body
    for text in order.unique:
        mark = f"{run[:10]}{number:06d}"
        body = body.replace(text, text[: -len(mark)] + mark)
    raw = body.encode()
    at = str(int(time.time()))
    digest = hmac.new(order.secret.encode(), f"{at}.".encode() + raw, hashlib.sha256).hexdigest()
    head = (
        f"POST {order.path} HTTP/1.1\r\nHost: {HOST}:{order.port}\r\nUser-Agent: Stripe/1.0\r\nAccept: */*\r\n"
        f"Content-Type: application/json; charset=utf-8\r\nStripe-Signature: t={at},v1={digest}\r\n"
        f"Content-Length: {len(raw)}\r\nConnection: keep-alive\r\n\r\n"
    )
    return head.encode() + raw


class Line:
    """One kept connection, with at most one request on its way."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.since = 0.0
        self._got = b""

    def ask_worker(self) -> bytes:
        """Return which worker of the server has this connection (tests/benchmarks/wsgi.py)."""
        self.send(f"GET /worker/ HTTP/1.1\r\nHost: {HOST}\r\nConnection: keep-alive\r\n\r\n".encode(), since=0.0)
        while not self.receive():
            pass
        return self._got.partition(b"\r\n\r\n")[2]

    def send(self, request: bytes, *, since: float) -> None:
        """Send it all; `since` is when it was due. A few KB fit into the socket's buffer, so this does not wait."""
        self.since, self._got = since, b""
        self.socket.sendall(request)

    def receive(self) -> bool:
        """Read what has come; say whether the answer is whole. Raises ValueError for any but a 200, and a closed
        end."""
        data = self.socket.recv(65536)
        if not data:
            raise ValueError("the server closed the connection")
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return False
        if not head.startswith(b"HTTP/1.1 200 "):
            raise ValueError(self._got[:300].decode("utf-8", "replace"))
        length = next(
            (line[15:] for line in head.split(b"\r\n") if line[:15].lower() == b"content-length:"), b"unknown length"
        )
        return len(body) >= int(length)


def run(order: Order) -> Outcome:
    """Send what was ordered."""
    count = int(order.rate * order.seconds) if order.rate else order.most
    if not 0 < count <= MAX_REQUESTS or not 0 < order.seconds <= MAX_SECONDS:
        raise SystemExit(f"at most {MAX_REQUESTS} requests within {MAX_SECONDS} s")
    made = requests(order, count)
    lines = shared_out(order)
    outcome = Outcome()
    used, started = _cpu_seconds(), time.perf_counter()
    try:
        (_open_loop if order.rate else _closed_loop)(order, made, lines, outcome, started)
    except (ValueError, OSError) as error:
        outcome.problem = f"{type(error).__name__}: {error}"
    outcome.seconds = time.perf_counter() - started
    outcome.busy = (_cpu_seconds() - used) / outcome.seconds
    for line in lines:
        line.socket.close()
    return outcome


def shared_out(order: Order) -> list[Line]:
    """Open the connections, each worker of the server having as many of them.

    Left to chance, one worker often gets them all: what is measured then is half a server, now here, now there.
    """
    taken: dict[bytes, list[Line]] = {}
    share = -(-order.connections // order.workers)
    for _ in range(MOST_TRIES):
        line = Line(order.port)
        lines = taken.setdefault(line.ask_worker(), [])
        if len(lines) < share:
            lines.append(line)
        else:
            line.socket.close()
        if sum(map(len, taken.values())) >= order.connections:
            return [line for lines in taken.values() for line in lines]
    raise SystemExit(f"{order.workers} workers did not share {order.connections} connections")


def _closed_loop(order: Order, made: list[bytes], lines: list[Line], outcome: Outcome, started: float) -> None:
    waiting = iter(made)
    end = started + order.seconds
    with selectors.DefaultSelector() as selector:
        open_lines = 0
        for line in lines:
            selector.register(line.socket, selectors.EVENT_READ, line)
            line.send(next(waiting), since=time.perf_counter())
            open_lines += 1
        while open_lines:
            for key, _ in _ready(selector, PATIENCE_SECONDS):
                line = key.data
                if not line.receive():
                    continue
                now = time.perf_counter()
                _count(outcome, line, now)
                request = next(waiting, None) if now < end else None
                if request is None:
                    open_lines -= 1
                else:
                    line.send(request, since=now)


def _open_loop(order: Order, made: list[bytes], lines: list[Line], outcome: Outcome, started: float) -> None:
    free = list(lines)
    due = 0  # the requests before this one have been sent
    with selectors.DefaultSelector() as selector:
        for line in lines:
            selector.register(line.socket, selectors.EVENT_READ, line)
        while outcome.answered < len(made):
            now = time.perf_counter()
            while due < len(made) and free and started + due / order.rate <= now:
                at = started + due / order.rate
                outcome.late_milliseconds = max(outcome.late_milliseconds, (now - at) * 1000)
                free.pop(0).send(made[due], since=at)
                due += 1
            wait = started + due / order.rate - now if due < len(made) and free else PATIENCE_SECONDS
            for key, _ in _ready(selector, wait, refuse=wait >= PATIENCE_SECONDS):
                line = key.data
                if line.receive():
                    _count(outcome, line, time.perf_counter())
                    free.append(line)


def _ready(selector: selectors.BaseSelector, seconds: float, *, refuse: bool = True) -> list[Any]:
    ready = selector.select(max(0.0, seconds))
    if refuse and not ready:
        raise ValueError(f"no answer within {PATIENCE_SECONDS} s")
    return ready


def _count(outcome: Outcome, line: Line, now: float) -> None:
    outcome.answered += 1
    outcome.milliseconds.append((now - line.since) * 1000)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    json.dump(asdict(run(Order(**json.load(sys.stdin)))), sys.stdout)
