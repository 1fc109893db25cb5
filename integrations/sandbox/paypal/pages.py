"""The approval page: what a payer's browser sees of PayPal, hosted (/checkoutnow) or opened by the buttons' script."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from integrations.sandbox import journal
from integrations.sandbox.objects import Stored
from integrations.sandbox.page import STYLE_HASH, document
from integrations.sandbox.paypal import orders
from integrations.sandbox.paypal.scope import Scope
from integrations.sandbox.paypal.web_sdk import SCRIPT
from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.wire import Json, Request, Response

PAGE_PATH = "/checkoutnow"
SCRIPT_PATH = "/web-sdk/v6/core"
#: What a payer can choose that the capture comes to: the words on the page, and what it means.
CHOICES: dict[str, tuple[str, Json]] = {
    "completed": ("The money moves at once", {"kind": "completed"}),
    "pending": ("PayPal reviews it first (pending)", {"kind": "pending"}),
    "refused": ("The payer's card is refused (INSTRUMENT_DECLINED)", {"kind": "refused"}),
    "declined-5120": ("Declined: insufficient funds (5120)", {"kind": "declined", "code": "5120"}),
    "declined-5400": ("Declined: expired card (5400)", {"kind": "declined", "code": "5400"}),
    "declined-9500": ("Declined: suspected fraud (9500)", {"kind": "declined", "code": "9500"}),
}


@dataclass(frozen=True)
class View:
    """A page with its status, or a redirect. `to`: the URLs that a form on it may lead to."""

    status: int
    page: str = ""
    location: str = ""
    to: tuple[str, ...] = ()


class Pages:
    """Everything that is not API."""

    def __init__(self, *, store: Store, open_scope: Callable[[Transaction], Scope]) -> None:
        self._store = store
        self._open_scope = open_scope

    def handle(self, request: Request) -> Response:
        """Answers one page request and journals it without any field of its form."""
        time.sleep(request.pause_seconds)
        if request.path == SCRIPT_PATH and request.method == "GET":
            return Response(200, SCRIPT.encode(), "text/javascript; charset=utf-8", {"Cache-Control": "no-store"})
        with self._store.transaction() as tx:
            view = self._view(self._open_scope(tx), request)
            journal.record(
                tx, method=request.method, path=request.path, params={}, status=view.status, fault=request.fault
            )
        return _response(view)

    def _view(self, scope: Scope, request: Request) -> View:
        token = (parse_qs(request.query).get("token") or [""])[0]
        order = scope.find("order", token) if request.path == PAGE_PATH else None
        if order is None:
            return View(404, _document("Page not found", "<p>There is no payment at this address.</p>"))
        if request.method == "POST":
            form = {name: values[0] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
            return _pressed(scope, order, form)
        return _shown(order)


def _shown(order: Stored) -> View:
    if order.data["status"] not in (*orders.OPEN, "APPROVED"):
        return View(200, _document("This payment is over", "<p>You were not charged again.</p>"))
    unit, context = order.data["purchase_units"][0], order.private["context"]
    amount = f"{unit['amount']['value']} {unit['amount']['currency_code']}"
    options = "".join(
        f'<option value="{escape(name)}">{escape(words)}</option>' for name, (words, _) in CHOICES.items()
    )
    body = (
        f"<section><p>{escape(unit.get('description', 'Your order'))}: <strong>{escape(amount)}</strong>. You approve "
        "it here; the shop takes the money afterwards.</p>\n"
        f'<form method="post"><input type="hidden" name="method" value="paypal">\n'
        f'<label for="outcome">What happens when the shop takes the money</label>'
        f'<select id="outcome" name="outcome">{options}</select>\n'
        f'<button type="submit" name="press" value="approve">Approve {escape(amount)}</button>\n'
        '<button type="submit" class="second" name="press" value="cancel">Cancel and return to the shop</button>'
        "</form></section>"
    )
    targets = tuple(url for url in (context.get("return_url"), context.get("cancel_url")) if url)
    return View(200, _document(f"Approve {amount}", body), to=targets)


def _pressed(scope: Scope, order: Stored, form: dict[str, str]) -> View:
    context = order.private["context"]
    if form.get("press") == "cancel":
        return _back(context.get("cancel_url", ""), {"token": order.id}, "Cancelled")
    chosen = CHOICES.get(form.get("outcome", "completed"))
    if chosen is None or form.get("press", "approve") != "approve":
        return View(400, _document("Choose one of the two buttons", "<p>Go back and try again.</p>"))
    if order.data["status"] not in (*orders.OPEN, "APPROVED"):
        return _shown(order)
    orders.approve(scope, order, outcome=chosen[1])
    return _back(context.get("return_url", ""), {"token": order.id, "PayerID": orders.PAYER_ID}, "Approved")


def _back(url: str, extra: dict[str, str], word: str) -> View:
    """Send the payer back; without an address (buttons on the shop's page) say so, and their script closes this."""
    if not url:
        return View(200, _document(word, f"<p>{word}. You can close this window.</p>"))
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode(extra)]))
    return View(303, location=urlunsplit(parts._replace(query=query)))


def _document(title: str, body: str) -> str:
    return document(title=title, body=f"<h1>{escape(title)}</h1>\n{body}", stands_in_for="PayPal")


def _response(view: View) -> Response:
    origins = sorted({"{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in view.to})
    headers = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; form-action 'self'"
            + "".join(f" {origin}" for origin in origins)
        ),
    }
    if view.location:
        headers["Location"] = view.location
    return Response(view.status, view.page.encode(), "text/html; charset=utf-8", headers)
