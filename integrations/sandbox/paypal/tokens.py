"""Access tokens. POST /v1/oauth2/token, https://developer.paypal.com/api/rest/authentication/

The first client that asks is the one this sandbox knows; from then on another secret under its id is refused.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from urllib.parse import parse_qs

from integrations.sandbox.paypal import errors
from integrations.sandbox.paypal.scope import Scope
from integrations.sandbox.wire import Json, Request, Response, json_response

PATH = "/v1/oauth2/token"
LIFETIME_SECONDS = 32_400
_CLIENTS = "paypal_clients"
_SCOPES = (
    "https://uri.paypal.com/services/payments/payment/authcapture https://uri.paypal.com/services/payments/refund "
    "https://uri.paypal.com/services/reporting/search/read https://uri.paypal.com/services/disputes/update-seller "
    "https://uri.paypal.com/services/applications/webhooks openid"
)


def issue(scope: Scope, request: Request) -> Response:
    """A new token for the client that Basic authentication names; 401 and 400 as OAuth 2 words them."""
    client = _client(request.header("authorization"))
    if client is None or not _is_known(scope, *client):
        return _refused(401, "invalid_client", "Client Authentication failed")
    form = parse_qs(request.body.decode("utf-8", "replace"))
    if form.get("grant_type") != ["client_credentials"]:
        return _refused(400, "unsupported_grant_type", "Grant Type is NULL")
    token = "A21AA" + secrets.token_urlsafe(60)
    scope.insert("token", {"id": token, "expires": scope.now + LIFETIME_SECONDS})
    return json_response(
        {
            "scope": _SCOPES,
            "access_token": token,
            "token_type": "Bearer",
            "app_id": "APP-80W284485P519543T",
            "expires_in": LIFETIME_SECONDS,
            "nonce": f"2026-11-26T00:00:00Z{secrets.token_hex(16)}",
        }
    )


def check(scope: Scope, request: Request) -> None:
    """Raises ApiError unless the request carries a token that holds."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    known = scope.find("token", token.strip()) if scheme.lower() == "bearer" and token.strip() else None
    if known is None or known.data["expires"] <= scope.now:
        raise errors.unauthenticated()


def expire_all(scope: Scope, _args: Json) -> Json:
    """Makes PayPal forget every token, long before its time."""
    scope.tx.run("DELETE FROM objects WHERE kind = 'token'")
    return {}


def _client(header: str | None) -> tuple[str, str] | None:
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, found, secret = base64.b64decode(value, validate=True).decode("ascii").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (client_id, secret) if found and client_id and secret else None


def _is_known(scope: Scope, client_id: str, secret: str) -> bool:
    known: dict[str, str] = scope.tx.setting(_CLIENTS, {})
    if not known:
        scope.tx.set_setting(_CLIENTS, {client_id: secret})
        return True
    return secrets.compare_digest(known.get(client_id, ""), secret)


def _refused(status: int, code: str, description: str) -> Response:
    return json_response({"error": code, "error_description": description}, status=status)
