"""Answers Square's API: token check, strict decoding, idempotency, routing, the journal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from integrations.sandbox import idempotency, journal
from integrations.sandbox.idempotency import InFlight, KeyInUse, KeyRecord
from integrations.sandbox.square import errors, routes, schema
from integrations.sandbox.square.errors import ApiError
from integrations.sandbox.square.events import API_VERSION
from integrations.sandbox.square.routes import Route
from integrations.sandbox.square.scope import Scope, new_id
from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.wire import Json, Request, Response, dumps

#: Square publishes no retention; the adapter counts on a day.
KEY_LIFETIME_SECONDS = 24 * 3600
_FORBIDDEN_TOKENS = ("sq0atp-",)


class Api:
    """The endpoints under /v2/. One request is one transaction."""

    def __init__(self, *, store: Store, open_scope: Callable[[Transaction], Scope]) -> None:
        self._store = store
        self._open_scope = open_scope
        self._in_flight = InFlight()

    def handle(self, request: Request) -> Response:
        """Answers one API request and writes it into the journal."""
        tree: Json = {}
        key = None
        try:
            _check_token(request)
            _check_version(request)
            route, ids = routes.find(request)
            tree = _tree(request, route)
            values = schema.read(route.fields, tree)
            key = values.get("idempotency_key")
            with self._in_flight.claim(scope=route.name, key=key):
                time.sleep(request.pause_seconds)
                return self._execute(request, route, ids, values, tree)
        except KeyInUse:
            error = ApiError("A request with this idempotency key is in progress.", status=409, code="CONFLICT")
        except ApiError as raised:
            error = raised
        with self._store.transaction() as tx:
            self._record(tx, request, tree, key, status=error.status)
        return _answer(error.status, dumps(error.body))

    def refusal(self, status: int) -> Response:
        """A 429 or 500 that was not handled. Neither is kept under a key."""
        return _answer(status, dumps(errors.unhandled(status).body))

    def _execute(
        self, request: Request, route: Route, ids: tuple[str, ...], values: Json, tree: Json
    ) -> Response:  # fmt: skip
        key = values.get("idempotency_key")
        mark = idempotency.fingerprint(method=request.method, path=request.path, params=tree)
        with self._store.transaction() as tx:
            scope = self._open_scope(tx)
            if key is not None:
                known = idempotency.find(tx, scope=route.name, key=key, lifetime_seconds=KEY_LIFETIME_SECONDS)
                if known is not None:
                    return self._replay(tx, request, tree, key, known, mark)
            status, body, keep = self._run(scope, request, route, ids, values)
            if key is not None and keep:
                record = KeyRecord(route.name, mark, status, body, new_id(12))
                idempotency.keep(tx, scope=route.name, key=key, record=record)
            self._record(tx, request, tree, key, status=status)
        return _answer(status, body)

    def _replay(
        self, tx: Transaction, request: Request, tree: Json, key: str, known: KeyRecord, mark: str
    ) -> Response:  # fmt: skip
        status, body = known.status, known.body
        if known.fingerprint != mark:
            error = errors.key_reused()
            status, body = error.status, dumps(error.body)
        self._record(tx, request, tree, key, status=status, replayed=known.fingerprint == mark)
        return _answer(status, body)

    def _run(
        self, scope: Scope, request: Request, route: Route, ids: tuple[str, ...], values: Json
    ) -> tuple[int, bytes, bool]:
        """Status, body, and whether to keep them under the key."""
        failed = dumps(errors.unhandled(500).body)
        if request.forced_error == "unexecuted":
            return 500, failed, True
        refused: ApiError | None = None
        answer: Json = {}
        try:
            with scope.tx.savepoint():
                answer = self._carried_out(scope, route, ids, values)
                scope.finish()
        except ApiError as error:
            refused = error
        if refused is not None:
            return refused.status, dumps(refused.body), refused.executed
        if request.forced_error:
            return 500, failed, True
        if isinstance(answer.get("_refused"), ApiError):
            refused = answer["_refused"]
            return refused.status, dumps(refused.body), True
        return 200, dumps(answer), True

    @staticmethod
    def _carried_out(scope: Scope, route: Route, ids: tuple[str, ...], values: Json) -> Json:
        """The handler's answer. A decline is an answer too: what it wrote (the failed payment) stays."""
        try:
            return route.handler(scope, values, ids)
        except ApiError as error:
            if error.status != 402:
                raise
            return {"_refused": error}

    @staticmethod
    def _record(
        tx: Transaction, request: Request, tree: Json, key: str | None, *, status: int, replayed: bool = False
    ) -> None:
        journal.record(
            tx, method=request.method, path=request.path, params=tree, status=status, idempotency_key=key,
            api_version=request.header("square-version"), replayed=replayed, fault=request.fault,
        )  # fmt: skip


def _check_token(request: Request) -> None:
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    if scheme != "Bearer" or len(token.strip()) < 16 or token.startswith(_FORBIDDEN_TOKENS):
        raise errors.unauthorised()


def _check_version(request: Request) -> None:
    version = request.header("square-version")
    if version not in (None, API_VERSION):
        raise ApiError(f"Unsupported version `{version}`: the sandbox models {API_VERSION} only.")


def _tree(request: Request, route: Route) -> Json:
    """The body or query as one object. Raises ApiError for what is no JSON object."""
    if request.method == "GET":
        return schema.from_query(dict(route.fields), parse_qsl(request.query, keep_blank_values=True))
    if request.query:
        raise ApiError("Query parameters are not supported here: send them in the body.")
    if not request.body:
        return {}
    if (request.header("content-type") or "").split(";")[0].strip().lower() != "application/json":
        raise ApiError("Send application/json.", status=415, code="UNSUPPORTED_MEDIA_TYPE")
    try:
        tree: Any = json.loads(request.body, parse_float=_no_fraction, parse_constant=_no_fraction)
    except (ValueError, RecursionError):
        raise ApiError("The request body is not valid JSON.") from None
    if not isinstance(tree, dict):
        raise errors.expected("object", "body")
    return tree


def _no_fraction(text: str) -> int:
    raise ValueError(f"{text[:20]}: every number in what the shop sends is whole")


def _answer(status: int, body: bytes) -> Response:
    return Response(status, body, headers={"square-version": API_VERSION, "square-environment": "Sandbox"})
