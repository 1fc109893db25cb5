"""What a browser gets of NMI: Collect.js, the frames with the card's fields, and the token that they make.

Threats: a page of somebody else that makes tokens with our key (the real gateway has the same: the key is public),
card data outside the frames (the answers hold the last four digits only; the journal holds no field).
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from html import escape
from pathlib import Path
from urllib.parse import parse_qs

from integrations.sandbox import journal
from integrations.sandbox.nmi import tokens
from integrations.sandbox.nmi.scope import Scope
from integrations.sandbox.nmi.tokens import BadCard
from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.wire import Json, Request, Response, json_response

_ASSETS = Path(__file__).parent / "assets"
_KEY = re.compile(r"sandbox_token_[A-Za-z0-9_]{8,}")
_TYPES = {"Collect.js": ("collect.js", "text/javascript"), "frame.js": ("frame.js", "text/javascript")}
_TYPES["frame.css"] = ("frame.css", "text/css")
_FIELDS = {
    "ccnumber": ("Card number", "cc-number", "4111 1111 1111 1111", 23),
    "ccexp": ("Expiry date (MM / YY)", "cc-exp", "MM / YY", 7),
    "cvv": ("Security code", "cc-csc", "123", 4),
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors http://127.0.0.1:* http://localhost:*"
)


class Frames:
    """Everything under /token/."""

    def __init__(self, *, store: Store, open_scope: Callable[[Transaction], Scope]) -> None:
        self._store = store
        self._open_scope = open_scope

    def handle(self, request: Request) -> Response:
        """Answers one request of a browser and journals it without what was typed."""
        time.sleep(request.pause_seconds)
        name = request.path.removeprefix("/token/")
        with self._store.transaction() as tx:
            response = self._answer(self._open_scope(tx), request, name)
            journal.record(
                tx, method=request.method, path=request.path, params={}, status=response.status, fault=request.fault
            )
        return response

    def _answer(self, scope: Scope, request: Request, name: str) -> Response:
        if request.method == "GET" and name in _TYPES:
            file, content_type = _TYPES[name]
            return Response(200, (_ASSETS / file).read_bytes(), f"{content_type}; charset=utf-8", _headers())
        if request.method == "GET" and name == "frame":
            return _frame(parse_qs(request.query).get("field", [""])[0])
        if request.method == "POST" and name == "create":
            return _create(scope, request)
        return Response(404, b"There is no such page.\n", "text/plain; charset=utf-8", _headers())


def _headers() -> dict[str, str]:
    return {"Content-Security-Policy": _POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def _frame(field: str) -> Response:
    if field not in _FIELDS:
        return Response(404, b"There is no such field.\n", "text/plain; charset=utf-8", _headers())
    label, autocomplete, placeholder, longest = _FIELDS[field]
    page = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<title>{escape(label)}</title>\n<link rel="stylesheet" href="/token/frame.css">\n</head>\n<body>\n'
        f'<input name="{field}" aria-label="{escape(label)}" autocomplete="{autocomplete}" inputmode="numeric" '
        f'placeholder="{placeholder}" maxlength="{longest}">\n<script src="/token/frame.js"></script>\n'
        "</body>\n</html>\n"
    )
    return Response(200, page.encode(), "text/html; charset=utf-8", _headers())


def _create(scope: Scope, request: Request) -> Response:
    if request.header("origin") not in (None, scope.base_url):
        return _wrong("", "Tokens are made by the frames only", status=403)
    try:
        typed: Json = json.loads(request.body)
        key, *card = (str(typed[name]) for name in ("tokenization_key", "number", "expiry", "cvv"))
    except (ValueError, LookupError, TypeError):
        return _wrong("", "Send tokenization_key, number, expiry and cvv as JSON", status=400)
    if not _KEY.fullmatch(key):
        return _wrong("", "Invalid tokenization key", status=401)
    try:
        made = tokens.make(scope, number=card[0], expiry=card[1], cvv=card[2])
    except BadCard as bad:
        return _wrong(bad.field, str(bad), status=200)
    return json_response(made, headers=_headers())


def _wrong(field: str, message: str, *, status: int) -> Response:
    return json_response({"field": field, "message": message}, status=status, headers=_headers())
