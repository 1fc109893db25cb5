"""Wires the NMI stand-in: transact.php and query.php, the browser's frames, webhooks and control switches."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable

from integrations.sandbox import journal
from integrations.sandbox.nmi import events, query, switches, transact
from integrations.sandbox.nmi.errors import Refused
from integrations.sandbox.nmi.frames import Frames
from integrations.sandbox.nmi.scope import Scope
from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.wire import Json, Request, Response, dumps

ACCOUNT_SETTING = "account"
_APIS = {"/api/transact.php": "text/html; charset=UTF-8", "/api/query.php": "text/xml; charset=UTF-8"}
_FORM = "application/x-www-form-urlencoded"
_HIDDEN = ("security_key", "payment_token")
_HTML_500 = b"<html><body><h1>500 Internal Server Error</h1></body></html>\n"


class NmiProvider:
    """NMI as one loopback process sees it."""

    name = "nmi"

    def __init__(self, *, store: Store, nudge: Callable[[], None], account: str | None) -> None:
        self.base_url = ""
        self._nudge = nudge
        self._store = store
        with store.transaction() as tx:
            self._account = account or tx.setting(ACCOUNT_SETTING) or str(100_000 + secrets.randbelow(900_000))
            tx.set_setting(ACCOUNT_SETTING, self._account)
        self._frames = Frames(store=store, open_scope=self.open_scope)

    def open_scope(self, tx: Transaction) -> Scope:
        """A scope on this transaction."""
        return Scope(tx, tx.now(), self.base_url, self._account, self._nudge)

    def handle(self, request: Request) -> Response:
        """Answers an API request or one of a browser."""
        if request.path.startswith("/token/"):
            return self._frames.handle(request)
        if request.path not in _APIS:
            return Response(404, b"<html><body><h1>404 Not Found</h1></body></html>\n", "text/html")
        if request.method != "POST" or (request.header("content-type") or "").split(";")[0] != _FORM or request.query:
            return Response(405, b"<html><body><h1>405 Method Not Allowed</h1></body></html>\n", "text/html")
        time.sleep(request.pause_seconds)
        return self._api(request)

    def _api(self, request: Request) -> Response:
        answer_of = transact.answer if request.path == "/api/transact.php" else query.answer
        with self._store.transaction() as tx:
            try:
                form = transact.read_form(request.body)
            except Refused:
                form = {}
            unexecuted = request.forced_error == "unexecuted"
            body = b"" if unexecuted else answer_of(self.open_scope(tx), form)
            failed = bool(request.forced_error)
            shown = {name: value for name, value in form.items() if name not in _HIDDEN}
            journal.record(
                tx, method=request.method, path=request.path, params=shown, status=500 if failed else 200,
                fault=request.fault,
            )  # fmt: skip
        if failed:
            return Response(500, _HTML_500, "text/html")
        return Response(200, body, _APIS[request.path])

    def refusal(self, status: int) -> Response:
        """A 429 or 500 that was not handled."""
        if status == 429:
            return Response(429, b"Too Many Requests\n", "text/plain", {"Retry-After": "1"})
        return Response(status, _HTML_500, "text/html")

    def tick(self) -> None:
        """Nothing becomes due by itself: the batch is settled by the control verb `settle`."""

    def sign(self, tx: Transaction, event_id: str) -> tuple[bytes, dict[str, str]] | None:
        """Body and headers of one delivery attempt."""
        return events.signed_delivery(tx, event_id)

    def sign_raw(self, tx: Transaction, body: bytes, *, secret: str | None, at: int | None) -> dict[str, str]:
        """Headers for any bytes, signed with the configured key or the given one. `at` is the nonce, where given."""
        return events.headers(tx, body, secret=secret, nonce=None if at is None else str(at))

    def accepts(self, status: int) -> bool:
        """Whether the shop has taken a webhook: NMI counts 200 only."""
        return status == 200

    def control(self, tx: Transaction, verb: str, args: Json) -> Json | None:
        """An NMI-specific control verb; None when there is no such verb."""
        return switches.run(self.open_scope(tx), verb, args)

    def error_body(self, error: Exception) -> bytes:
        """JSON for an error raised by a control verb."""
        return dumps({"error": {"message": str(error)}})
