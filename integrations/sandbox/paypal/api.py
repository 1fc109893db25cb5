"""Answers PayPal's API: token check, strict decoding, PayPal-Request-Id, routing, the journal."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from integrations.sandbox import idempotency, journal
from integrations.sandbox.idempotency import InFlight, KeyInUse, KeyRecord
from integrations.sandbox.paypal import errors, events, notifications, orders, routes, tokens
from integrations.sandbox.paypal.certificates import Signer
from integrations.sandbox.paypal.errors import ApiError
from integrations.sandbox.paypal.routes import Route
from integrations.sandbox.paypal.scope import Scope
from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.wire import Json, Request, Response, dumps

ORDER_KEY_SECONDS = 6 * 3600
PAYMENT_KEY_SECONDS = 45 * 86_400
KEY_MAX_LENGTH = 108
_VERIFY = "/v1/notifications/verify-webhook-signature"
_MINIMAL = ("id", "status", "links")


class Api:
    """The endpoints under /v1/ and /v2/. One request is one transaction."""

    def __init__(self, *, store: Store, signer: Signer, open_scope: Callable[[Transaction], Scope]) -> None:
        self._store = store
        self._signer = signer
        self._open_scope = open_scope
        self._in_flight = InFlight()

    def handle(self, request: Request) -> Response:
        """Answers one API request and writes it into the journal."""
        if request.path == tokens.PATH:
            return self._token(request)
        if request.method == "GET" and request.path.startswith(events.CERTIFICATE_PATH):
            return self._certificate(request)
        key = request.header("paypal-request-id")
        try:
            with self._in_flight.claim(scope=request.path, key=key):
                time.sleep(request.pause_seconds)
                return self._execute(request, key)
        except KeyInUse:
            error = errors.in_progress()
        except ApiError as raised:
            error = raised
        with self._store.transaction() as tx:
            self._record(tx, request, key, status=error.status)
        return _answer(error.status, error.body)

    def refusal(self, status: int) -> Response:
        """A 429 or 500 that was not handled."""
        name = "RATE_LIMIT_REACHED" if status == 429 else "INTERNAL_SERVER_ERROR"
        return _answer(status, ApiError(name, status=status).body)

    def _token(self, request: Request) -> Response:
        time.sleep(request.pause_seconds)
        with self._store.transaction() as tx:
            response = tokens.issue(self._open_scope(tx), request)
            self._record(tx, request, None, status=response.status)
        return response

    def _certificate(self, request: Request) -> Response:
        """Open to everybody, as at PayPal."""
        time.sleep(request.pause_seconds)
        known = request.path == f"{events.CERTIFICATE_PATH}{self._signer.certificate_id}"
        with self._store.transaction() as tx:
            self._record(tx, request, None, status=200 if known else 404)
        if not known:
            return _answer(404, errors.not_found().body)
        return Response(200, self._signer.chain_pem.encode(), "application/x-x509-ca-cert")

    def _execute(self, request: Request, key: str | None) -> Response:
        with self._store.transaction() as tx:
            scope = self._open_scope(tx)
            tokens.check(scope, request)
            if request.path == _VERIFY and request.method == "POST":
                answer = notifications.verify(scope, self._signer, request.body)
                self._record(tx, request, None, status=200)
                return _answer(200, answer)
            status, body = self._routed(scope, request, key)
        return _answer(status, body)

    def _routed(self, scope: Scope, request: Request, key: str | None) -> tuple[int, Json]:
        found = routes.find(request)
        if found is None:
            raise errors.not_found()
        route, object_id = found
        values, params = _read(route, request)
        if request.forced_error == "unexecuted":
            self._record(scope.tx, request, key, status=500, params=params)
            return 500, ApiError("INTERNAL_SERVER_ERROR", status=500).body
        kept = self._known(scope, route, request, key, params)
        if kept is not None:
            self._record(scope.tx, request, key, status=200, replayed=True, params=params)
            return 200, kept
        with scope.tx.savepoint():
            status, body = route.handler(scope, object_id, values)
        self._keep(scope, route, request, key, params, body)
        if request.forced_error:
            status, body = 500, ApiError("INTERNAL_SERVER_ERROR", status=500).body
        self._record(scope.tx, request, key, status=status, params=params)
        whole = status != 201 or (request.header("prefer") or "").strip() == "return=representation"
        return status, body if whole else {name: body[name] for name in _MINIMAL if name in body}

    def _known(self, scope: Scope, route: Route, request: Request, key: str | None, params: Any) -> Json | None:
        """What a repeated request is answered: the original object as it stands now."""
        if not route.remembers:
            return None
        if key is None:
            if isinstance(params, dict) and "payment_source" in params:
                description = "A PayPal-Request-Id is required if you are trying to process payment for an Order."
                raise errors.invalid("PAYPAL_REQUEST_ID_REQUIRED", "PayPal-Request-Id", description, location="header")
            return None
        if len(key) > KEY_MAX_LENGTH:
            raise errors.invalid("INVALID_STRING_LENGTH", "PayPal-Request-Id", "Too long.", location="header")
        lifetime = ORDER_KEY_SECONDS if request.path.startswith("/v2/checkout/") else PAYMENT_KEY_SECONDS
        record = idempotency.find(scope.tx, scope=request.path, key=key, lifetime_seconds=lifetime)
        if record is None:
            return None
        if record.fingerprint != _mark(request, params):
            description = "The PayPal-Request-Id was used for another request. Use a different one."
            raise errors.unprocessable("DUPLICATE_REQUEST_ID", description)
        original: Json = json.loads(record.body)
        order = scope.find("order", str(original.get("id", "")))
        return orders.show(scope, order) if order is not None else original

    def _keep(self, scope: Scope, route: Route, request: Request, key: str | None, params: Any, body: Json) -> None:
        if route.remembers and key is not None:
            record = KeyRecord(request.path, _mark(request, params), 201, dumps(body), "")
            idempotency.keep(scope.tx, scope=request.path, key=key, record=record)

    def _record(
        self, tx: Transaction, request: Request, key: str | None, *, status: int, replayed: bool = False,
        params: Any = None,
    ) -> None:  # fmt: skip
        journal.record(
            tx, method=request.method, path=request.path, params=params if isinstance(params, dict) else {},
            status=status, idempotency_key=key, replayed=replayed, fault=request.fault,
        )  # fmt: skip


def _read(route: Route, request: Request) -> tuple[Any, Any]:
    """The request's body or query, read, and as it was sent."""
    if route.body is None:
        query = dict(parse_qsl(request.query, keep_blank_values=True))
        for name in query:
            if name not in route.queries:
                raise errors.invalid("NOT_SUPPORTED", name, "This parameter is not known.", location="query")
        return query, query
    if request.body and (request.header("content-type") or "").split(";")[0].strip() != "application/json":
        raise ApiError("INVALID_REQUEST", status=415)
    try:
        sent = json.loads(request.body or b"{}")
    except ValueError as error:
        description = "The request JSON is not well formed."
        raise errors.invalid("MALFORMED_REQUEST_JSON", "/", description) from error
    return route.body.read(sent, ""), sent


def _mark(request: Request, params: Any) -> str:
    return idempotency.fingerprint(method=request.method, path=request.path, params={"sent": params})


def _answer(status: int, body: Json) -> Response:
    debug_id = secrets.token_hex(7)
    if status >= 400 and "name" in body:
        body = {**body, "debug_id": debug_id, "links": []}
    headers = {"PayPal-Debug-Id": debug_id}
    return Response(status, b"" if status == 204 else dumps(body), headers=headers)
