"""Answers Stripe's API: key check, strict decoding, idempotency, routing, the journal."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable

from integrations.sandbox import idempotency, journal
from integrations.sandbox.idempotency import InFlight, KeyInUse, KeyRecord
from integrations.sandbox.objects import Stored
from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.stripe import account, errors, forms, present, resources, schema
from integrations.sandbox.stripe.errors import ApiError
from integrations.sandbox.stripe.events import API_VERSION
from integrations.sandbox.stripe.resources import Route
from integrations.sandbox.stripe.scope import Scope, new_id
from integrations.sandbox.wire import Json, Request, Response, dumps

KEY_LIFETIME_SECONDS = 24 * 3600
KEY_MAX_LENGTH = 255
_ACCOUNT_PATH = "/v1/account"


class Api:
    """The endpoints under /v1/. One request is one transaction."""

    def __init__(
        self,
        *,
        store: Store,
        account_id: str,
        open_scope: Callable[[Transaction, str | None, str | None], Scope],
    ) -> None:
        self._store = store
        self._account = account_id
        self._open_scope = open_scope
        self._in_flight = InFlight()

    def handle(self, request: Request) -> Response:
        """Answers one API request and writes it into the journal."""
        request_id = new_id("req", 14)
        params: Json = {}
        key = None
        try:
            self._check_key(request)
            self._check_account(request)
            self._check_version(request)
            key = self._idempotency_key(request)
            params = self._params(request)
            with self._in_flight.claim(scope=self._account, key=key):
                time.sleep(request.pause_seconds)
                return self._execute(request, request_id, key, params)
        except KeyInUse:
            error = ApiError(
                "There is currently another in-progress request using this Idempotent Key. Please try again"
                " later.",
                status=409, kind="idempotency_error", code="idempotency_key_in_use",
            )  # fmt: skip
        except ApiError as raised:
            error = raised
        with self._store.transaction() as tx:
            body = dumps(error.body, pretty=True)
            self._record(tx, request, request_id, key, params, status=error.status, replayed=False)
        return self._response(error.status, body, request_id, key)

    def refusal(self, status: int) -> Response:
        """A 429 or 500 that was not handled. Neither is kept under a key."""
        return self._response(status, dumps(_refusal(status).body, pretty=True), new_id("req", 14), None)

    # Before execution: nothing here is kept under the key.

    def _check_key(self, request: Request) -> None:
        secret = _bearer(request.header("authorization"))
        if secret is None:
            raise errors.unauthorised(
                "You did not provide an API key. You need to provide your API key in the Authorization"
                " header, using Bearer"
                " auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
            )
        if secret.startswith(("sk_live_", "rk_live_")):
            raise errors.unauthorised("This is a sandbox: it never accepts live keys. Rotate the key if it is real.")
        if secret.startswith(("sk_test_revoked", "rk_test_revoked")):
            raise errors.unauthorised(f"Expired API Key provided: {secret[:8]}***", code="api_key_expired")
        if not secret.startswith(("sk_test_", "rk_test_")) or len(secret) <= len("sk_test_"):
            raise errors.unauthorised(f"Invalid API Key provided: {secret[:8]}***")

    def _check_account(self, request: Request) -> None:
        wanted = request.header("stripe-account")
        if wanted not in (None, self._account):
            raise ApiError(
                f"The provided key does not have access to account '{wanted}' (or that account does not exist).",
                status=403,
                code="account_invalid",
            )

    def _check_version(self, request: Request) -> None:
        version = request.header("stripe-version")
        if version not in (None, API_VERSION):
            raise ApiError(f"Invalid Stripe API version: {version}. The sandbox models {API_VERSION} only.")

    def _idempotency_key(self, request: Request) -> str | None:
        key = request.header("idempotency-key")
        if key is None or request.method != "POST":
            return None
        if len(key) > KEY_MAX_LENGTH:
            raise ApiError(f"Idempotency keys can be at most {KEY_MAX_LENGTH} characters.", kind="idempotency_error")
        return key

    def _params(self, request: Request) -> Json:
        if request.method == "GET":
            return forms.decode(request.query)
        if request.query:
            raise ApiError("Query parameters are not supported for POST requests: send them in the body.")
        content_type = (request.header("content-type") or "").split(";")[0].strip().lower()
        if request.body and content_type != "application/x-www-form-urlencoded":
            raise ApiError("Invalid request: send application/x-www-form-urlencoded.")
        return forms.decode(request.body)

    # Execution.

    def _execute(self, request: Request, request_id: str, key: str | None, params: Json) -> Response:
        endpoint = f"{request.method} {request.path}"
        mark = idempotency.fingerprint(method=request.method, path=request.path, params=params)
        with self._store.transaction() as tx:
            scope = self._open_scope(tx, request_id, key)
            if key is not None:
                known = idempotency.find(tx, scope=self._account, key=key, lifetime_seconds=KEY_LIFETIME_SECONDS)
                if known is not None:
                    _check_same(known, key=key, endpoint=endpoint, mark=mark, path=request.path)
                    self._record(tx, request, request_id, key, params, status=known.status, replayed=True)
                    return self._response(known.status, known.body, request_id, key, original=known.request_id)
            status, body, keep = self._run(scope, request, params)
            if key is not None and keep:
                record = KeyRecord(endpoint, mark, status, body, request_id)
                idempotency.keep(tx, scope=self._account, key=key, record=record)
            self._record(tx, request, request_id, key, params, status=status, replayed=False)
        return self._response(status, body, request_id, key)

    def _run(self, scope: Scope, request: Request, params: Json) -> tuple[int, bytes, bool]:
        """Status, body, and whether to keep them under the key."""
        if request.forced_error == "unexecuted":
            return 500, dumps(_refusal(500).body, pretty=True), True
        try:
            with scope.tx.savepoint():
                answer = self._dispatch(scope, request, params)
        except ApiError as error:
            return error.status, dumps(error.body, pretty=True), error.executed
        if request.forced_error:
            return 500, dumps(_refusal(500).body, pretty=True), True
        if isinstance(answer, ApiError):
            return answer.status, dumps(answer.body, pretty=True), True
        return 200, dumps(answer, pretty=True), True

    def _dispatch(self, scope: Scope, request: Request, params: Json) -> Json | ApiError:
        if request.method == "GET" and request.path == _ACCOUNT_PATH:
            schema.read(schema.EXPAND, params)
            return account.show(scope)
        route, ids = _find_route(request)
        values = schema.read(route.schema, params)
        if route.handler is None:
            return resources.list_kind(scope, route, values, request.path, ids)
        expand = present.check_expand(route.kind, values.get("expand", []), many=False)
        answer = route.handler(scope, values, ids)
        scope.finish()
        return present.show(scope, answer, expand) if isinstance(answer, Stored) else answer

    # Answers.

    def _record(
        self, tx: Transaction, request: Request, request_id: str, key: str | None, params: Json, *,
        status: int, replayed: bool
    ) -> None:  # fmt: skip
        journal.record(
            tx, method=request.method, path=request.path, params=params, status=status, idempotency_key=key,
            api_version=request.header("stripe-version"), request_id=request_id, replayed=replayed,
            fault=request.fault,
        )  # fmt: skip

    def _response(
        self, status: int, body: bytes, request_id: str, key: str | None, *, original: str | None = None
    ) -> Response:
        headers = {"Request-Id": request_id, "Stripe-Version": API_VERSION}
        if key is not None and key.isascii() and key.isprintable():
            headers["Idempotency-Key"] = key
        if original is not None:
            headers |= {"Idempotent-Replayed": "true", "Original-Request": original}
        if status == 409:
            headers["Stripe-Should-Retry"] = "true"
        return Response(status, body, headers=headers)


def _bearer(header: str | None) -> str | None:
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode("ascii").partition(":")[0] or None
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


def _refusal(status: int) -> ApiError:
    if status == 429:
        message = "Request rate limit exceeded. Learn more about rate limits at https://stripe.com/docs/rate-limits."
        return ApiError(message, status=429, code="rate_limit")
    message = "An unknown error occurred while processing your request. Please try again."
    return ApiError(message, status=500, kind="api_error")


def _check_same(known: KeyRecord, *, key: str, endpoint: str, mark: str, path: str) -> None:
    if known.endpoint != endpoint:
        message = (
            "Keys for idempotent requests can only be used for the same endpoint they were first used for"
            f" ('{known.endpoint.split(' ', 1)[1]}' vs '{path}'). Try using a key other than '{key}' if you"
            " meant to execute"
            " a different request."
        )
        raise ApiError(message, kind="idempotency_error")
    if known.fingerprint != mark:
        message = (
            "Keys for idempotent requests can only be used with the same parameters they were first used"
            " with. Try using a"
            f" key other than '{key}' if you meant to execute a different request."
        )
        raise ApiError(message, kind="idempotency_error")


def _find_route(request: Request) -> tuple[Route, tuple[str, ...]]:
    for route in resources.ROUTES:
        match = route.pattern.match(request.path)
        if match and route.method == request.method:
            return route, match.groups()
    message = (
        f"Unrecognized request URL ({request.method}: {request.path}). The sandbox models only"
        " what docs/sandbox.md lists."
    )
    raise ApiError(message, status=404)
