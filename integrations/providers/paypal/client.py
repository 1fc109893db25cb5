"""PayPal's SDK and the parts of its API that the SDK lacks, each call answered as plain data or as one of our errors.

The SDK drops an option whose name it does not know, even a misspelt idempotency key; so nobody but this file writes
option names, and a test holds them against the SDK's own source.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import urlencode

import requests
from paypalserversdk.configuration import Configuration, Server
from paypalserversdk.exceptions.api_exception import ApiException
from paypalserversdk.http.auth.o_auth_2 import ClientCredentialsAuthCredentials
from paypalserversdk.models.o_auth_token import OAuthToken
from paypalserversdk.paypal_serversdk_client import PaypalServersdkClient
from urllib3.exceptions import HTTPError

from integrations import http
from integrations.contract import ConfigurationError, InvalidRequest, ProviderError, Unavailable
from integrations.guard import note_request
from integrations.http import OutboundFailed, OutboundRefused, OutboundTimeout, TransactionOpen
from integrations.http_session import GuardedSession
from integrations.providers.api_bases import is_loopback
from integrations.providers.paypal import errors
from integrations.providers.paypal.answers import answers, parsed
from integrations.providers.paypal.tokens import SharedToken, Token

RAW_DEADLINE_SECONDS = 10
MAX_RAW_BYTES = 8 * 1024 * 1024
_ID = re.compile(r"[A-Za-z0-9_-]{1,60}")
_WHOLE = "return=representation"

Sdk = Any
"""PaypalServersdkClient: the SDK has no annotations."""
Call = Callable[[Sdk], Any]
Wanted = TypeVar("Wanted", bound=BaseException)


class _At(Configuration):  # type: ignore[misc]  # without annotations
    """The SDK's configuration, aimed at one address: it knows PayPal's two only."""

    def __init__(self, api_base: str, **more: Any) -> None:
        self._api_base = api_base
        super().__init__(**more)

    def get_base_uri(self, server: Server = Server.DEFAULT) -> str:
        return self._api_base


class _Session(GuardedSession):
    """JSON is UTF-8 (RFC 8259); requests would guess."""

    def send(self, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        response = super().send(request, **more)
        response.encoding = "utf-8"
        return response


class Client:
    """One account at one address, under our timeouts and guards. `on_use` is told when the credentials were of use."""

    def __init__(
        self,
        *,
        client_id: str,
        client_secret: str,
        api_base: str,
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
        on_use: Callable[[], None],
    ) -> None:
        self._client_id, self._client_secret = client_id, client_secret
        self._api_base = api_base.removesuffix("/")
        self._allow_loopback = is_loopback(api_base)
        self._timeout = (connect_timeout_seconds, read_timeout_seconds)
        self._session = _Session(allow_loopback=self._allow_loopback)
        self._on_use = on_use
        self._token = SharedToken(
            client_id=client_id, client_secret=client_secret, api_base=self._api_base, fetch=self._fetch_token
        )
        self._sdk_with = lru_cache(maxsize=2)(self._make_sdk)

    # --- orders ----------------------------------------------------------------------------------------------

    def create_order(self, *, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        """POST /v2/checkout/orders. Raises ProviderError, as all of these."""
        options = {"body": dict(body), "paypal_request_id": key, "prefer": _WHOLE}
        return self._ask(lambda sdk: sdk.orders.create_order(options))

    def get_order(self, order_id: str) -> dict[str, Any]:
        """GET /v2/checkout/orders/{id}, with its payments."""
        options = {"id": checked(order_id)}
        return self._ask(lambda sdk: sdk.orders.get_order(options))

    def patch_order(self, order_id: str, *, operations: Sequence[Mapping[str, str]]) -> None:
        """PATCH /v2/checkout/orders/{id}. PayPal takes no key here: the operations must bear repeating."""
        options = {"id": checked(order_id), "body": [dict(each) for each in operations]}
        self._ask(lambda sdk: sdk.orders.patch_order(options), empty=True)

    def capture_order(self, order_id: str, *, key: str) -> dict[str, Any]:
        """POST /v2/checkout/orders/{id}/capture."""
        options = {"id": checked(order_id), "paypal_request_id": key, "prefer": _WHOLE}
        return self._ask(lambda sdk: sdk.orders.capture_order(options))

    # --- payments --------------------------------------------------------------------------------------------

    def get_capture(self, capture_id: str) -> dict[str, Any]:
        """GET /v2/payments/captures/{id}."""
        options = {"capture_id": checked(capture_id)}
        return self._ask(lambda sdk: sdk.payments.get_captured_payment(options))

    def refund_capture(self, capture_id: str, *, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        """POST /v2/payments/captures/{id}/refund."""
        options = {
            "capture_id": checked(capture_id),
            "body": dict(body),
            "paypal_request_id": key,
            "prefer": _WHOLE,
        }
        return self._ask(lambda sdk: sdk.payments.refund_captured_payment(options))

    def void_authorization(self, authorization_id: str, *, key: str) -> None:
        """POST /v2/payments/authorizations/{id}/void."""
        options = {"authorization_id": checked(authorization_id), "paypal_request_id": key, "prefer": _WHOLE}
        self._ask(lambda sdk: sdk.payments.void_payment(options), empty=True)

    # --- reports ---------------------------------------------------------------------------------------------

    def search(self, *, start_date: str, end_date: str, page: int, page_size: int) -> dict[str, Any]:
        """GET /v1/reporting/transactions, at most 31 days."""
        options = {
            "start_date": start_date,
            "end_date": end_date,
            "fields": "transaction_info",
            "page": page,
            "page_size": page_size,
        }
        return self._ask(lambda sdk: sdk.transaction_search.search_transactions(options))

    def balances(self) -> dict[str, Any]:
        """GET /v1/reporting/balances, which tells whose account this is."""
        return self._ask(lambda sdk: sdk.transaction_search.search_balances({}))

    # --- what the SDK lacks ----------------------------------------------------------------------------------

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET a path of the API. `path` holds checked() ids only."""
        return self._raw("GET", path + (f"?{urlencode(query)}" if query else ""), b"")

    def post(self, path: str, body: bytes, *, key: str = "") -> dict[str, Any]:
        """POST JSON bytes, exactly these."""
        return self._raw("POST", path, body, key=key)

    def _raw(self, method: str, path: str, body: bytes, *, key: str = "") -> dict[str, Any]:
        def send(token: str) -> dict[str, Any]:
            headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
            headers |= {"Content-Type": "application/json"} if body else {}
            headers |= {"PayPal-Request-Id": key} if key else {}
            answer = http.send(
                method, self._api_base + path, headers=headers, body=body, deadline_seconds=RAW_DEADLINE_SECONDS,
                allow_loopback=self._allow_loopback, max_body_bytes=MAX_RAW_BYTES,
            )  # fmt: skip
            return _read(answer.status, answer.body.decode("utf-8", "replace"), answer.headers)

        return self._with_token(send)

    # --- how each call goes ----------------------------------------------------------------------------------

    def _ask(self, call: Call, *, empty: bool = False) -> dict[str, Any]:
        def send(token: str) -> dict[str, Any]:
            response = call(self._sdk_with(token))
            return _read(response.status_code, response.text or "", response.headers, empty=empty)

        return self._with_token(send)

    def _with_token(self, send: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        """Send with the shared token; once more with a new one where PayPal no longer takes it (nothing was done)."""
        token = self._token.get()
        try:
            answer = _translated(lambda: send(token))
        except ConfigurationError as refused:
            if refused.http_status != 401:
                raise
            self._token.forget(token)
            answer = _translated(lambda: send(self._token.get()))
        self._on_use()
        return answer

    def _make_sdk(self, token: str) -> Sdk:
        return PaypalServersdkClient(
            config=_At(
                self._api_base,
                http_client_instance=self._session,
                timeout=self._timeout,
                # Each try is a row of ours (ProviderCall) or a numbered look; a retry inside the SDK would be neither.
                max_retries=0,
                client_credentials_auth_credentials=ClientCredentialsAuthCredentials(
                    self._client_id, self._client_secret, o_auth_token=OAuthToken(token, "Bearer")
                ),
            )
        )

    def _fetch_token(self) -> Token:
        """Ask for a new token. Raises ProviderError."""
        basic = base64.b64encode(f"{self._client_id}:{self._client_secret}".encode()).decode()
        sdk = self._make_sdk("none yet")
        answer = _translated(
            lambda: _sdk_answer(sdk.o_auth_authorization.request_token({"authorization": f"Basic {basic}"}))
        )
        seconds = answer.get("expires_in")
        return Token(answers.text(answer, "access_token"), seconds if type(seconds) is int else 0)


def checked(object_id: str) -> str:
    """Return an id as it is. Raises InvalidRequest for what is none of PayPal's: it would enter a path."""
    if not _ID.fullmatch(object_id):
        raise InvalidRequest("this is no id of PayPal's", code="id")
    return object_id


def _sdk_answer(response: Any) -> dict[str, Any]:
    return _read(response.status_code, response.text or "", response.headers)


def _read(status: int, text: str, headers: Mapping[str, str], *, empty: bool = False) -> dict[str, Any]:
    """Return a 2xx answer as data. Raises ProviderError. `empty`: it has no body, or one that nobody needs."""
    if not 200 <= status < 300:
        raise errors.from_status(status, _body(text), headers)
    lower = {name.lower(): value for name, value in headers.items()}
    note_request(errors.word(lower.get("paypal-debug-id", "")))
    return {} if empty else parsed(text)


def _translated(send: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run one request. Raises ProviderError and TransactionOpen, nothing else."""
    try:
        return send()
    except (ProviderError, TransactionOpen):
        raise
    except ApiException as error:
        # The SDK's own text holds the whole body, and breaks where that is no JSON: neither goes on.
        status, text = error.response_code, error.response.text
        raise errors.from_status(status, _body(text), error.response.headers or {}) from None
    except OutboundRefused as error:
        raise ConfigurationError(f"our own guard refused the call: {error}") from None
    except (requests.RequestException, HTTPError, OutboundFailed, OutboundTimeout, OSError) as error:
        if opened := _cause(error, TransactionOpen):
            raise opened from None
        if refused := _cause(error, OutboundRefused):
            raise ConfigurationError(f"our own guard refused the call: {refused}") from None
        raise Unavailable(f"no answer from PayPal ({type(error).__name__})", code="no_answer") from None
    except Exception as error:  # noqa: BLE001 - the SDK raises whatever its models stumble over
        raise Unavailable(f"PayPal's answer cannot be read ({type(error).__name__})", code="shape") from None


def _cause(error: BaseException | None, kind: type[Wanted]) -> Wanted | None:
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, kind):
            return error
        error, seen = error.__cause__ or error.__context__, seen + 1
    return None


def _body(text: object) -> dict[str, Any]:
    try:
        body = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        body = None
    return body if isinstance(body, dict) else {}
