"""PostgreSQL goes away under a running server: every answer is 503 with Retry-After, then all is well again by itself.

FAULTS.md 28: first success at most 2 s after PostgreSQL is back.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from config import postgres
from tests.processes import ROOT, Process, eventually

pytestmark = pytest.mark.slow

SECRET = "whsec_" + "a" * 32
PATHS = ["/", "/basket/", "/orders/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/", "/api/v1/orders/AAAAAAAAAAAAAAAAAAAAAAAA/"]


def url_of(keys: dict[str, str]) -> str:
    host = urlencode({"host": keys["HOST"], "port": keys["PORT"]})
    return f"postgresql://{quote(keys['USER'])}:{quote(keys['PASSWORD'])}@/{keys['NAME']}?{host}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Server:
    """gunicorn on a PostgreSQL of its own."""

    def __init__(self, base_dir: Path) -> None:
        self.base_dir = base_dir
        where = postgres.ensure_running(base_dir)
        self.port = free_port()
        env = {
            **os.environ,
            "ENVIRONMENT": "test",
            "DATABASE_URL": url_of(where.app),
            "DATABASE_OWNER_URL": url_of(where.owner),
            "STRIPE_API_KEY": "sk_" + "test_outage",
            "STRIPE_WEBHOOK_SECRETS": SECRET,
        }
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=env, check=True)
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--no-control-socket", "--threads", "4"]
        log = base_dir / "gunicorn.log"
        self.process = Process([*command, "--bind", f"127.0.0.1:{self.port}"], log=log, env=env)

    def ask(self, method: str, path: str, *, body: bytes = b"", headers: dict[str, str] | None = None) -> HTTPResponse:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body=body or None, headers=headers or {})
            answer = connection.getresponse()
            answer.read()
            return answer
        finally:
            connection.close()

    def status(self, path: str) -> int:
        try:
            return self.ask("GET", path).status
        except OSError:
            return 0

    def send_event(self) -> HTTPResponse:
        """Post a webhook with a good signature."""
        event = {
            "id": "evt_outage", "object": "event", "type": "checkout.session.completed", "livemode": False,
            "created": int(time.time()), "api_version": "2026-10-28.endive",
            "data": {"object": {"id": "cs_test_1", "object": "checkout.session", "payment_intent": "pi_1"}},
        }  # fmt: skip
        body, moment = json.dumps(event).encode(), int(time.time())
        proof = hmac.new(SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "Stripe-Signature": f"t={moment},v1={proof}"}
        return self.ask("POST", "/webhooks/stripe/", body=body, headers=headers)

    def kill_database(self) -> None:
        """As `pg_ctl stop -m immediate` does."""
        pid = postgres.postmaster_pid(self.base_dir)
        assert pid is not None
        os.kill(pid, signal.SIGQUIT)
        eventually(lambda: postgres.postmaster_pid(self.base_dir) is None)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    try:
        eventually(lambda: running.status("/readyz") == 200)
        yield running
    finally:
        running.process.kill()
        postgres.release(tmp_path)
        postgres.remove(tmp_path)


def test_503_while_it_is_away_and_success_within_two_seconds_of_its_return(server: Server) -> None:
    assert [server.status(path) for path in PATHS] == [200, 200, 404, 404]
    assert server.send_event().status == 200
    server.kill_database()
    for path in PATHS * 3:
        answer = server.ask("GET", path)
        assert answer.status == 503, path
        assert int(answer.headers["Retry-After"]) > 0
    for _ in range(8):
        refused = server.send_event()
        assert (refused.status, bool(refused.headers["Retry-After"])) == (503, True)
    assert server.status("/readyz") == 503
    assert server.status("/metrics") == 503
    assert server.status("/livez") == 200
    postgres.ensure_running(server.base_dir)
    back = time.monotonic()
    eventually(lambda: server.send_event().status == 200)
    for path, wanted in zip(PATHS, [200, 200, 404, 404], strict=True):
        eventually(lambda path=path, wanted=wanted: server.status(path) == wanted)  # type: ignore[misc]
    assert time.monotonic() - back <= 2
    assert server.status("/readyz") == 200
