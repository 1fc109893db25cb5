"""A receiver of the shop's facts: what a CRM or ERP would be, for the demo, and the oracle of the fault tests.

`python -m integrations.sandbox.receiver --state-dir DIR --secret whsec_…` listens on loopback, checks the Standard
Webhooks signature, keeps each message once by its `webhook-id`, and counts how often it came.

    POST /                 a message: 204, 401 when its signature does not hold
    GET  /received         everything, as JSON;  GET /received/<webhook-id>: 200 or 404, the look-up address
    GET  /                 the same for people
    POST /control          {"mode": "500", "times": 3}: fail so; {"mode": "ok"}: no more (see MODES)

Prints one JSON line with its address when it is ready. Exit codes: 0 stopped, 2 usage or refused in production.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import signal
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from integrations.sandbox.receiver_store import Fault, ReceiverStore

HOST = "127.0.0.1"
MAX_BODY_BYTES = 1024 * 1024
EXIT_USAGE = 2
MODES = frozenset({"ok", "hang", "half", "cut", "redirect"})
"""How to fail, besides any status from 300 to 599: hang, half a body, cut the connection, redirect to /elsewhere."""


class Receiver(ThreadingHTTPServer):
    """One thread a connection; bound to 127.0.0.1 only."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, *, port: int, state_dir: Path, secrets: Sequence[str]) -> None:
        self.webhooks = [Webhook(secret) for secret in secrets]
        self.store = ReceiverStore(state_dir / "receiver.sqlite3")
        self.stopping = threading.Event()
        super().__init__((HOST, port), Handler)

    @property
    def url(self) -> str:
        """The address messages are posted to."""
        return f"http://{HOST}:{self.server_address[1]}"

    def why_refused(self, headers: dict[str, str], body: bytes) -> str:
        """Return why the signature does not hold under any secret; empty when it does."""
        why = "no secret"
        for webhook in self.webhooks:
            try:
                webhook.verify(body, headers, json_parse=False)
            # The library raises plain ValueError and UnicodeDecodeError on malformed input.
            except (WebhookVerificationError, ValueError) as error:
                why = str(error)
            else:
                return ""
        return why


class Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "demo-receiver"
    sys_version = ""
    timeout = 120
    server: Receiver

    def log_message(self, *_: object) -> None:
        """Silent: the store is the log."""

    def do_GET(self) -> None:
        """The report, for machines and for people, and the look-up."""
        path = self.path.partition("?")[0]
        if path == "/received":
            self._answer(200, json.dumps(self.server.store.report()).encode(), "application/json")
        elif path.startswith("/received/"):
            self._answer(200 if self.server.store.has(path.removeprefix("/received/")) else 404)
        elif path == "/":
            self._answer(200, _page(self.server.store.report()).encode(), "text/html; charset=utf-8")
        else:
            self._answer(404)

    def do_POST(self) -> None:
        """A message, or a word about how to fail."""
        length = self.headers.get("Content-Length") or ""
        if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._answer(413)
            return
        body = self.rfile.read(int(length))
        if self.path == "/control":
            self._control(body)
        else:
            self._message(body)

    def _control(self, body: bytes) -> None:
        try:
            fault = _fault(json.loads(body))
        except (ValueError, TypeError) as error:
            self._answer(400, f"{error}\n".encode(), "text/plain; charset=utf-8")
            return
        self.server.store.set_fault(fault)
        self._answer(204)

    def _message(self, body: bytes) -> None:
        store = self.server.store
        headers = {name.lower(): value for name, value in self.headers.items()}
        if why := self.server.why_refused(headers, body):
            store.refuse(why)
            self._answer(401, b"The signature does not hold.\n", "text/plain; charset=utf-8")
            return
        key = headers["webhook-id"]
        fault = store.take_fault()
        keep = fault is None or fault.keep
        if keep:
            store.keep(webhook_id=key, fact=str(json.loads(body).get("type", "")), body=body.decode())
        store.receipt(webhook_id=key, kept=keep, answer=fault.mode if fault else "204")
        if fault is None:
            self._answer(204)
        else:
            self._fail(fault)

    def _fail(self, fault: Fault) -> None:
        if fault.mode == "hang":
            self.close_connection = True
            self.server.stopping.wait(fault.seconds)
        elif fault.mode == "cut":
            self.close_connection = True
        elif fault.mode == "half":
            self.close_connection = True
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half a bo")
        elif fault.mode == "redirect":
            self._answer(302, extra={"Location": "/elsewhere"})
        else:
            self._answer(int(fault.mode), extra={"Retry-After": fault.retry_after} if fault.retry_after else {})

    def _answer(
        self, status: int, body: bytes = b"", content_type: str = "text/plain", extra: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (extra or {}).items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)


def _fault(asked: Any) -> Fault | None:
    """Read a control message. Raises ValueError or TypeError with the remedy."""
    fault = Fault(**asked)
    if fault.mode == "ok":
        return None
    is_status = fault.mode.isascii() and fault.mode.isdigit() and 300 <= int(fault.mode) <= 599
    if not is_status and fault.mode not in MODES:
        raise ValueError(f"mode is a status from 300 to 599 or one of {', '.join(sorted(MODES))}")
    if fault.times is not None and fault.times < 1:
        raise ValueError("times is 1 or more, or left out")
    return fault


def _page(report: dict[str, Any]) -> str:
    rows = "\n".join(
        "<tr><td>{first_at}</td><td>{type}</td><td>{number}</td><td>{receipts}</td><td><code>{id}</code></td></tr>".format(
            number=html.escape(str(message["body"].get("data", {}).get("number", ""))),
            **{name: html.escape(str(message[name])) for name in ("first_at", "type", "receipts", "id")},
        )
        for message in reversed(report["messages"])
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>What the receiver got</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:16px/1.5 sans-serif;margin:24px}}td,th{{text-align:left;padding:4px 16px 4px 0}}</style></head>
<body><h1>What the receiver got</h1>
<p>{len(report["messages"])} messages, {len(report["receipts"])} arrivals, {len(report["refused"])} refused for their
signature. A message that arrived twice is one message. As data: <a href="/received">/received</a>.</p>
<table><thead><tr><th scope="col">First arrived</th><th scope="col">Fact</th><th scope="col">Order</th>
<th scope="col">Arrivals</th><th scope="col">Key</th></tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or, with --exit-with-stdin, the end of standard input."""
    parser = argparse.ArgumentParser(prog="python -m integrations.sandbox.receiver")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--secret", action="append", required=True, help="whsec_…; repeat it to accept several")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input closes")
    arguments = parser.parse_args(argv)
    if os.environ.get("ENVIRONMENT", "").strip().lower() == "production":
        sys.stderr.write("The demo receiver refuses to start: ENVIRONMENT is production.\n")
        return EXIT_USAGE
    try:
        receiver = Receiver(port=arguments.port, state_dir=arguments.state_dir, secrets=arguments.secret)
    except (EmptyWebhookSecretError, ValueError, OSError) as error:
        sys.stderr.write(f"The demo receiver cannot start: {error}\n")
        return EXIT_USAGE

    def stop(*_: object) -> None:
        receiver.stopping.set()
        threading.Thread(target=receiver.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    if arguments.exit_with_stdin:
        threading.Thread(target=_stop_with_stdin, args=(stop,), daemon=True).start()
    sys.stdout.write(json.dumps({"url": receiver.url}) + "\n")
    sys.stdout.flush()
    receiver.serve_forever(poll_interval=0.1)
    receiver.server_close()
    receiver.store.close()
    return 0


def _stop_with_stdin(stop: Any) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    stop()


if __name__ == "__main__":
    sys.exit(main())
