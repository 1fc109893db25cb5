"""Starts and stops a sandbox as its own process, and a receiver that records what the sandbox sends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import stripe

from integrations.sandbox.control import SandboxControl

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_SECONDS = 20
API_KEY = "sk_test_sandbox"
WEBHOOK_SECRET = "whsec_sandbox"


@dataclass
class SandboxProcess:
    """A running `python -m integrations.sandbox`. Keep `state_dir` to start it again with the same state."""

    state_dir: Path
    webhook_url: str | None = None
    webhook_secret: str = WEBHOOK_SECRET
    provider: str = "stripe"
    port: int = 0
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    url: str = ""
    exit_code: int | None = None
    _process: subprocess.Popen[str] | None = None
    _http_clients: list[stripe.RequestsClient] = field(default_factory=list)

    def start(self) -> SandboxProcess:
        """Returns once it answers. Raises RuntimeError with its stderr when it ends instead."""
        self._process = subprocess.Popen(
            self.command(), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "ENVIRONMENT": "test", **self.environment},
        )  # fmt: skip
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            _, errors = self._process.communicate(timeout=START_TIMEOUT_SECONDS)
            raise RuntimeError(f"sandbox ended with {self._process.returncode}: {errors}")
        self.url = json.loads(line)["url"]
        self.port = int(self.url.rsplit(":", 1)[1])
        return self

    def command(self) -> list[str]:
        """The command line, the way the demo starts it as well."""
        command = [
            sys.executable, "-m", "integrations.sandbox", "--provider", self.provider, "--port",
            str(self.port),
            "--state-dir", str(self.state_dir), "--exit-with-stdin",
        ]  # fmt: skip
        if self.webhook_url:
            command += ["--webhook-url", self.webhook_url, "--webhook-secret", self.webhook_secret]
        return [*command, *self.arguments]

    @property
    def control(self) -> SandboxControl:
        """A client of its control API."""
        return SandboxControl(self.url)

    def client(self, *, key: str = API_KEY, retries: int = 0, timeout_seconds: float = 20.0) -> stripe.StripeClient:
        """The official SDK, aimed at this process."""
        http_client = stripe.RequestsClient(timeout=timeout_seconds)
        self._http_clients.append(http_client)
        return stripe.StripeClient(
            key, base_addresses={"api": self.url}, http_client=http_client, max_network_retries=retries
        )

    def kill(self) -> None:
        """SIGKILL: nothing is flushed, nothing is said."""
        if self._process is not None:
            self._process.kill()
        self._finish()

    def stop(self) -> str:
        """Asks it to stop and returns what it wrote to stderr."""
        if self._process is not None:
            self._process.terminate()
        return self._finish()

    def leave(self) -> str:
        """Closes its standard input, as the death of its parent would, and returns what it wrote to stderr."""
        return self._finish()

    def _finish(self) -> str:
        while self._http_clients:
            self._http_clients.pop().close()  # type: ignore[no-untyped-call]
        if self._process is None:
            return ""
        process, self._process = self._process, None
        _, errors = process.communicate(timeout=START_TIMEOUT_SECONDS)
        self.exit_code = process.returncode
        return errors


@dataclass(frozen=True)
class Received:
    """One webhook as it arrived."""

    body: bytes
    headers: dict[str, str]

    @property
    def event(self) -> dict[str, object]:
        """The body, parsed but not verified."""
        parsed: dict[str, object] = json.loads(self.body)
        return parsed


class Receiver:
    """A loopback webhook endpoint that records; `answers` are given first, then 200, after `pause_seconds`."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[int] = []
        self.pause_seconds = 0.0
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.take(Received(body, dict(self.headers.items())))
                time.sleep(receiver.pause_seconds)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/stripe/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def take(self, received: Received) -> int:
        """Records one request and says what to answer."""
        with self._lock:
            self.received.append(received)
            return self.answers.pop(0) if self.answers else 200

    def types(self) -> list[str]:
        """Event types in order of arrival."""
        with self._lock:
            events = [received.event for received in self.received]
        return [str(event.get("type") or event.get("event_type")) for event in events]

    def wait_for(self, condition: Callable[[], bool], *, seconds: float = 10.0) -> None:
        """Waits until the condition holds. Raises TimeoutError with what has come so far."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"received only {self.types()}")
            time.sleep(0.01)

    def close(self) -> None:
        """Stops listening."""
        self._server.shutdown()
        self._server.server_close()
