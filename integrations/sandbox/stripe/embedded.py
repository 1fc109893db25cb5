"""Checkout in a frame on the shop's page (`ui_mode: embedded_page`): which addresses it takes, its script, its end.

https://docs.stripe.com/payments/accept-a-payment?ui=embedded-form. The frame shows the same page as the hosted one;
once it is paid, Stripe.js takes the page around it to `return_url`.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from integrations.sandbox import page
from integrations.sandbox.objects import Stored
from integrations.sandbox.stripe import errors
from integrations.sandbox.stripe.scope import new_id
from integrations.sandbox.wire import Json, Response

EMBEDDED, HOSTED = "embedded_page", "hosted_page"
SCRIPTS = {"/endive/stripe.js": "stripe.js", "/embedded/done.js": "done.js"}
_ASSETS = Path(__file__).parent / "assets"
_ONLY = {EMBEDDED: ("return_url",), HOSTED: ("success_url", "cancel_url")}
_NEEDED = {EMBEDDED: "return_url", HOSTED: "success_url"}


def mode_of(params: Json) -> str:
    """How a session shall be shown. Raises ApiError for modes the sandbox does not model and addresses of the other."""
    mode = str(params.get("ui_mode", HOSTED))
    if mode not in _ONLY:
        raise errors.invalid("ui_mode", f"The sandbox models {HOSTED} and {EMBEDDED} only, not `{mode}`.")
    other = EMBEDDED if mode == HOSTED else HOSTED
    for name in _ONLY[other]:
        if name in params:
            raise errors.invalid(name, f"You cannot pass `{name}` when `ui_mode` is `{mode}`.")
    if _NEEDED[mode] not in params:
        raise errors.missing(_NEEDED[mode])
    return mode


def fields(session_id: str, params: Json) -> Json:
    """What a session has of it: a hosted one no secret, an embedded one no page of its own."""
    mode = mode_of(params)
    if mode == HOSTED:
        return {"ui_mode": mode}
    return {
        "ui_mode": mode,
        "client_secret": f"{session_id}_{new_id('secret', 40)}",
        "return_url": params["return_url"],
    }


def is_embedded(session: Stored) -> bool:
    """Whether it is shown in a frame."""
    return bool(session.data["ui_mode"] == EMBEDDED)


def done_page(url: str) -> str:
    """What the frame shows when it is paid: its script tells the page around it where to go."""
    return page.document(
        title="Paid",
        stands_in_for="Stripe Checkout",
        body=f'<h1>Paid</h1>\n<p data-return-url="{escape(url, quote=True)}">You are taken back to the shop.</p>\n'
        '<script src="/embedded/done.js"></script>',
    )


def script(path: str) -> Response | None:
    """One of the scripts for browsers, if `path` is one."""
    name = SCRIPTS.get(path)
    if name is None:
        return None
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return Response(200, (_ASSETS / name).read_bytes(), "text/javascript; charset=utf-8", headers)
