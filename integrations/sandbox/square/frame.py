"""What stands in for the Web Payments SDK: its script for the shop's page, and the frame that the card is typed into.

https://developer.squareup.com/reference/sdks/web/payments. The frame belongs to this origin, so that the shop's page
never sees the card: it gets a single-use token by message, as from Square's frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import parse_qsl

from integrations.sandbox import journal
from integrations.sandbox.page import STYLE, STYLE_HASH
from integrations.sandbox.square import cards, html
from integrations.sandbox.square.scope import Scope, new_id
from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.wire import Request, Response, json_response

SCRIPT_PATH = "/v1/square.js"
FRAME_PATH = "/frame/card"
FRAME_SCRIPT_PATH = "/frame/card.js"
TOKENS_PATH = "/frame/tokens"
_PATHS = {SCRIPT_PATH: "GET", FRAME_PATH: "GET", FRAME_SCRIPT_PATH: "GET", TOKENS_PATH: "POST"}

# What Square's script offers of it: payments(application, location).card() → attach(), tokenize().
SCRIPT = """"use strict";
(() => {
  const origin = new URL(document.currentScript.src).origin;
  const asked = new Map();
  let frame = null;
  window.addEventListener("message", (event) => {
    if (event.origin !== origin || !frame || event.source !== frame.contentWindow) return;
    const settle = asked.get(event.data.id);
    if (!settle) return;
    asked.delete(event.data.id);
    settle(event.data.result);
  });
  const card = async () => ({
    attach: async (target) => {
      const place = typeof target === "string" ? document.querySelector(target) : target;
      frame = document.createElement("iframe");
      frame.title = "Secure Credit Card Form";
      frame.height = "340";
      frame.src = `${origin}/frame/card`;
      const loaded = new Promise((resolve) => frame.addEventListener("load", resolve));
      place.append(frame);
      await loaded;
    },
    tokenize: (details) => new Promise((resolve) => {
      const id = crypto.randomUUID();
      asked.set(id, resolve);
      frame.contentWindow.postMessage({ id, details }, origin);
    }),
    destroy: async () => { if (frame) frame.remove(); frame = null; },
  });
  window.Square = {
    payments: (applicationId, locationId) => {
      if (!/^sandbox-sq0idb-/.test(applicationId)) throw new Error("InvalidApplicationIdError");
      if (!locationId) throw new Error("InvalidLocationIdError");
      return { card };
    },
  };
})();
"""
FRAME_SCRIPT = """"use strict";
window.addEventListener("message", async (event) => {
  if (event.source !== window.parent) return;
  const body = new URLSearchParams(new FormData(document.querySelector("form")));
  let result = { status: "Error", errors: [{ type: "UNKNOWN", message: "The form does not answer." }] };
  try {
    const answer = await fetch("/frame/tokens", { method: "POST", body });
    result = await answer.json();
  } catch (error) { /* told as above */ }
  for (const field of document.querySelectorAll("input")) {
    const wrong = (result.errors || []).some((each) => each.field === field.name);
    field.setAttribute("aria-invalid", String(wrong));
  }
  window.parent.postMessage({ id: event.data.id, result }, event.origin);
});
"""
_FRAME = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Secure card form</title>'
    f'<style>{STYLE}</style><script src="{FRAME_SCRIPT_PATH}" defer></script></head>'
    f"<body><main><form novalidate>{html.fields()}</form></main></body></html>\n"
)


class Frame:
    """The script, the frame and its tokens."""

    def __init__(self, *, store: Store, open_scope: Callable[[Transaction], Scope]) -> None:
        self._store = store
        self._open_scope = open_scope

    @staticmethod
    def serves(request: Request) -> bool:
        """Whether this is one of ours."""
        return _PATHS.get(request.path) == request.method

    def handle(self, request: Request) -> Response:
        """Answers one request and journals it without any field of the card."""
        time.sleep(request.pause_seconds)
        with self._store.transaction() as tx:
            response = _STATIC[request.path] if request.path in _STATIC else _token(self._open_scope(tx), request)
            journal.record(
                tx, method=request.method, path=request.path, params={}, status=response.status, fault=request.fault
            )
        return response


def new_token(scope: Scope, card: cards.Card) -> str:
    """A single-use token for a card."""
    token = f"cnon:{new_id(24)}"
    scope.insert("token", {"id": token}, private={"card": card.kept(), "used": False})
    return token


def _token(scope: Scope, request: Request) -> Response:
    card = cards.read(dict(parse_qsl(request.body.decode("utf-8", "replace"))), now=scope.now)
    if isinstance(card, cards.Wrong):
        error = {"type": "VALIDATION_ERROR", "field": card.field, "message": card.message}
        return json_response({"status": "Invalid", "errors": [error]})
    details = {"method": "Card", "card": {"brand": card.brand, "last4": card.last_4,
               "expMonth": card.exp_month, "expYear": card.exp_year}}  # fmt: skip
    return json_response({"status": "OK", "token": new_token(scope, card), "details": details})


def _script(text: str) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(200, text.encode(), "text/javascript; charset=utf-8", headers)


_STATIC = {
    SCRIPT_PATH: _script(SCRIPT),
    FRAME_SCRIPT_PATH: _script(FRAME_SCRIPT),
    FRAME_PATH: Response(
        200,
        _FRAME.encode(),
        "text/html; charset=utf-8",
        {
            "Cache-Control": "no-store",
            "Content-Security-Policy": f"default-src 'none'; script-src 'self'; connect-src 'self'; "
            f"style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'none'",
        },
    ),
}
