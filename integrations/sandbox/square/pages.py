"""The page of a payment link: what a shopper's browser sees of Square."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlsplit

from integrations.sandbox import journal
from integrations.sandbox.objects import Stored
from integrations.sandbox.page import STYLE_HASH
from integrations.sandbox.square import cards, html, links
from integrations.sandbox.square.cards import Wrong
from integrations.sandbox.square.scope import Scope, new_id
from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.wire import Request, Response

_PAY_PATH = re.compile(r"/pay/([A-Z0-9]{16})")
_KEPT_PRESSES = 20
_URL_SAFE = ":/?#[]@!$&'()*+,;=%~"
_DECLINE_TEXT = "Your card was declined. Try another card."


@dataclass(frozen=True)
class View:
    """What a step decided: a page with its status, or a redirect. `to`: the URL its form may lead to."""

    status: int
    page: str = ""
    location: str = ""
    to: str = ""


class Pages:
    """Everything that is neither under /v2/ nor the frame."""

    def __init__(self, *, store: Store, open_scope: Callable[[Transaction], Scope]) -> None:
        self._store = store
        self._open_scope = open_scope

    def handle(self, request: Request) -> Response:
        """Answers one page request and journals it without any field of its form."""
        time.sleep(request.pause_seconds)
        with self._store.transaction() as tx:
            scope = self._open_scope(tx)
            view = _view(scope, request)
            scope.finish()
            journal.record(
                tx, method=request.method, path=request.path, params={}, status=view.status, fault=request.fault
            )
        return _response(view)


def _view(scope: Scope, request: Request) -> View:
    match = _PAY_PATH.fullmatch(request.path)
    link = scope.find(match[1] if match else None)
    if link is None or link.private["kind"] != "payment_link" or link.private.get("deleted"):
        return View(404, html.message_page("Page not found", "There is nothing to pay at this address."))
    if request.method not in ("GET", "POST"):
        return View(405, html.message_page("This page cannot do that", "Open it in a browser."))
    if request.method == "POST":
        return _press(scope, link, dict(parse_qsl(request.body.decode("utf-8", "replace"))))
    order = scope.get("order", link.data["order_id"])
    if order.data.get("tenders"):
        return View(200, html.message_page("You have already paid", "You were not charged again."))
    return _form(scope, link)


def _form(scope: Scope, link: Stored, *, wrong: Wrong | None = None, status: int = 200) -> View:
    order = scope.get("order", link.data["order_id"])
    to = link.data.get("checkout_options", {}).get("redirect_url", "")
    return View(status, html.pay_page(order.data, nonce=new_id(16), wrong=wrong), to=to)


def _press(scope: Scope, link: Stored, form: dict[str, str]) -> View:
    """One press of *Pay*. The form's hidden `attempt` makes a double press one payment; a second tab has another."""
    attempt = form.get("attempt", "")
    pressed = link.private["pressed"]
    if pressed.get(attempt):
        return View(303, location=pressed[attempt])
    card = cards.read(form, now=scope.now)
    if isinstance(card, Wrong):
        return _form(scope, link, wrong=card, status=400)
    # The bank's page (3-D Secure) is taken as passed: Square's own page sees to it.
    payment = links.pay(scope, link, card, verified=True)
    if payment.data["status"] == "FAILED":
        return _form(scope, link, wrong=Wrong("number", _DECLINE_TEXT), status=402)
    location = links.returns_to(scope, link, payment) or f"{scope.base_url}/pay/{link.id}"
    if attempt:
        link.private["pressed"] = dict([*pressed.items(), (attempt, location)][-_KEPT_PRESSES:])
        scope.save(link)
    return View(303, location=location)


def _response(view: View) -> Response:
    headers = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": _policy(view.to),
    }
    if view.location:
        headers["Location"] = quote(view.location, safe=_URL_SAFE)
    return Response(view.status, view.page.encode(), "text/html; charset=utf-8", headers)


def _policy(target: str) -> str:
    """No script at all. Browsers hold `form-action` against redirects too, so the shop's own origin stands in it."""
    parts = urlsplit(target)
    origin = f" {parts.scheme}://{parts.netloc}" if target else ""
    return (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self'{origin}"
    )
