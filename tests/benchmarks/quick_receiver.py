"""A receiver that takes every message after a fixed time, and counts how often each came. A process of its own.

One thread, raw protocol: it shares two cores with what is measured, and must cost next to nothing itself. It speaks
just enough HTTP for our own client: a request with Content-Length, kept connections. `GET /report` tells what came.
Prints one JSON line with its address when it listens; ends with its standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import resource
import sys
from collections import Counter
from typing import Any

HOST = "127.0.0.1"
_NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


class Receiver(asyncio.Protocol):
    """One kept connection; `took` is shared by all of them. `seconds` < 0: take the message and never answer."""

    def __init__(self, took: Counter[str], *, seconds: float) -> None:
        self.took, self.seconds = took, seconds
        self.transport: asyncio.Transport
        self._got = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole; there is never more than one on the way."""
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        if len(body) < int(headers.get(b"content-length", 0)):
            return
        self._got = b""
        if head.startswith(b"GET "):
            self._report()
            return
        self.took[headers[b"webhook-id"].decode()] += 1
        if self.seconds >= 0:
            asyncio.get_running_loop().call_later(self.seconds, self._answer, _NO_CONTENT)

    def _answer(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)

    def _report(self) -> None:
        used = resource.getrusage(resource.RUSAGE_SELF)
        told = {
            "messages": len(self.took),
            "arrivals": self.took.total(),
            "most": max(self.took.values(), default=0),
            "cpu_seconds": used.ru_utime + used.ru_stime,
        }
        body = json.dumps(told).encode()
        self._answer(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


async def _serve(port: int, seconds: float) -> None:
    took: Counter[str] = Counter()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Receiver(took, seconds=seconds), HOST, port, backlog=256)
    [listening] = server.sockets
    print(json.dumps({"url": f"http://{HOST}:{listening.getsockname()[1]}"}), flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--milliseconds", type=float, default=5.0, help="until each answer; below 0: never")
    arguments = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(arguments.port, arguments.milliseconds / 1000))


if __name__ == "__main__":
    main()
