"""The hosted Checkout page and the 3-D Secure page: what a shopper's browser sees of Stripe."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from integrations.sandbox import journal
from integrations.sandbox.objects import Stored
from integrations.sandbox.page import STYLE_HASH
from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.stripe import cards, embedded, html, payments, sessions
from integrations.sandbox.stripe.html import Filled, FormError
from integrations.sandbox.stripe.payment_methods import CardDetails
from integrations.sandbox.stripe.scope import Scope, new_id
from integrations.sandbox.wire import Request, Response

_EXPIRY = re.compile(r"(\d{1,2})\s*/\s*(\d{2}|\d{4})")
_PAY_PATH = re.compile(r"/c/pay/(cs_test_[A-Za-z0-9]+)")
_CHALLENGE_PATH = re.compile(r"/3ds/(pi_[A-Za-z0-9]+)")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_KEPT_PRESSES = 20
#: Which field of the form a parameter of Stripe's errors means.
_FIELDS = {"exp_month": "expiry", "cvc": "cvc", "number": "number"}
_URL_SAFE = ":/?#[]@!$&'()*+,;=%~"


@dataclass(frozen=True)
class View:
    """What a page step decided: a page with its status, or a redirect.

    `to` are the URLs a form on it may lead to; `framed`: a page of the shop may show it in a frame.
    """

    status: int
    page: str = ""
    location: str | None = None
    to: tuple[str | None, ...] = ()
    framed: bool = False


class Pages:
    """Everything that is not under /v1/."""

    def __init__(self, *, store: Store, open_scope: Callable[[Transaction], Scope]) -> None:
        self._store = store
        self._open_scope = open_scope

    def handle(self, request: Request) -> Response:
        """Answers one page request and journals it without any field of its form."""
        if request.method == "GET" and (script := embedded.script(request.path)) is not None:
            return script
        time.sleep(request.pause_seconds)
        with self._store.transaction() as tx:
            view = self._view(self._open_scope(tx), request)
            journal.record(
                tx,
                method=request.method,
                path=request.path,
                params={},
                status=view.status,
                fault=request.fault,
            )
        return _response(view)

    def _view(self, scope: Scope, request: Request) -> View:
        if request.method not in ("GET", "POST"):
            return _message(405, "This page cannot do that", "Open it in a browser.")
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"))) if request.method == "POST" else None
        pay, challenge = _PAY_PATH.fullmatch(request.path), _CHALLENGE_PATH.fullmatch(request.path)
        stored = scope.find((pay or challenge or [None, None])[1])
        if stored is None:
            return _message(404, "Page not found", "There is no payment at this address.")
        view = _pay(scope, stored, form) if pay else _challenge(scope, stored, form)
        scope.finish()
        session = stored if pay else scope.find(stored.private.get("session"))
        return replace(view, framed=session is not None and embedded.is_embedded(session))


def success_url(session: Stored) -> str:
    """Where the browser goes after paying, with Stripe's placeholder filled in."""
    url = session.data["return_url"] if embedded.is_embedded(session) else session.data["success_url"]
    return str(url).replace("{CHECKOUT_SESSION_ID}", session.id)


def _finished(session: Stored) -> View:
    """What follows a payment: the shop's page, which a frame leaves to the page around it."""
    if embedded.is_embedded(session):
        return View(200, embedded.done_page(success_url(session)))
    return View(303, location=success_url(session))


def _message(status: int, title: str, text: str, link: tuple[str, str] | None = None) -> View:
    return View(status, html.message_page(title=title, text=text, link=link))


def _pay(scope: Scope, session: Stored, form: dict[str, str] | None) -> View:
    status = session.data["status"]
    if status == "complete" and (form is not None or embedded.is_embedded(session)):
        return _finished(session)
    if status == "complete":
        text = "This payment is complete. You were not charged again."
        return _message(200, "You have already paid", text, ("Back to the shop", success_url(session)))
    if status == "expired":
        link = ("Back to the shop", session.data["cancel_url"]) if session.data["cancel_url"] else None
        return _message(200, "This payment page has expired", "You were not charged. Start again from the shop.", link)
    if form is None:
        intent = scope.find(session.data["payment_intent"])
        if intent is not None and intent.data["status"] == "requires_action":
            return View(303, location=f"{scope.base_url}/3ds/{intent.id}")
        return _pay_form(session, Filled(error=_last_error(intent)))
    return _press(scope, session, form)


def _last_error(intent: Stored | None) -> FormError | None:
    error = intent.data["last_payment_error"] if intent is not None else None
    return FormError(error["message"], code=error.get("decline_code") or error["code"]) if error else None


def _pay_form(session: Stored, filled: Filled, *, status: int = 200) -> View:
    filled.nonce = new_id("try", 16)
    page = html.pay_page(session=session.data, items=session.private["line_items"], filled=filled)
    return View(status, page, to=(success_url(session), session.data["cancel_url"]))


def _press(scope: Scope, session: Stored, form: dict[str, str]) -> View:
    """One press of a pay button. The form's hidden `attempt` makes a double press one try."""
    attempt = form.get("attempt", "")
    pressed = session.private["pressed"]
    if attempt and attempt in pressed:
        return View(303, location=f"{scope.base_url}/c/pay/{session.id}")
    email = session.data["customer_email"] or form.get("email", "").strip()
    filled = Filled(email=email)
    if not _EMAIL.fullmatch(email):
        filled.error = FormError("Enter your email address, like name@example.org.", "email")
        return _pay_form(session, filled, status=400)
    if attempt:
        session.private["pressed"] = dict([*pressed.items(), (attempt, scope.now)][-_KEPT_PRESSES:])
        scope.save(session)
    if form.get("method") == "debit" and any(kind != "card" for kind in session.data["payment_method_types"]):
        sessions.pay_by_debit(scope, session, email=email)
        return _finished(session)
    return _press_card(scope, session, form, filled)


def _press_card(scope: Scope, session: Stored, form: dict[str, str], filled: Filled) -> View:
    read = read_card(form, now=scope.now)
    if isinstance(read, FormError):
        filled.error = read
        return _pay_form(session, filled, status=400)
    card, behaviour = read
    decline = sessions.pay_by_card(scope, session, card=card, behaviour=behaviour, email=filled.email)
    if decline is not None:
        filled.error = FormError(
            decline.message, _FIELDS.get(decline.param or ""), decline.decline_code or decline.code
        )
        return _pay_form(session, filled, status=402)
    if session.data["status"] == "complete":
        return _finished(session)
    return View(303, location=f"{scope.base_url}/3ds/{session.data['payment_intent']}")


def read_card(form: dict[str, str], *, now: int) -> tuple[CardDetails, cards.Behaviour] | FormError:
    """The card as typed and what it does, or what is wrong with the form. `now` in seconds decides what has expired."""
    number = re.sub(r"[ -]", "", form.get("number", ""))
    if not re.fullmatch(r"[0-9]{12,19}", number):
        return FormError("Your card number is incomplete.", "number", "incomplete_number")
    expiry = _EXPIRY.fullmatch(form.get("expiry", "").strip())
    month, year = (int(expiry[1]), int(expiry[2])) if expiry else (0, 0)
    year += 2000 if year < 100 else 0
    today = datetime.fromtimestamp(now, UTC)
    if not 1 <= month <= 12:
        return FormError("Your card's expiration date is incomplete.", "expiry", "incomplete_expiry")
    if (year, month) < (today.year, today.month):
        return FormError("Your card's expiration date is in the past.", "expiry", "invalid_expiry_year_past")
    if not re.fullmatch(r"[0-9]{3,4}", form.get("cvc", "").strip()):
        return FormError("Your card's security code is incomplete.", "cvc", "incomplete_cvc")
    found = cards.find(number)
    if isinstance(found, cards.Decline):
        return FormError(found.message, "number", found.decline_code or found.code)
    return CardDetails(number, month, year), found


def _challenge(scope: Scope, intent: Stored, form: dict[str, str] | None) -> View:
    session = scope.find(intent.private.get("session"))
    over = intent.data["status"] != "requires_action" or (session is not None and session.data["status"] != "open")
    if over and session is not None:
        return View(303, location=f"{scope.base_url}/c/pay/{session.id}")
    if over:
        return _message(200, "Nothing to confirm", "This payment does not wait for your bank.")
    back = intent.data["next_action"]["redirect_to_url"]["return_url"]
    if form is None:
        page = html.challenge_page(amount=intent.data["amount"], currency=intent.data["currency"])
        return View(200, page, to=(back, success_url(session) if session else None))
    return _answer_challenge(scope, intent, session, outcome=form.get("outcome", ""), back=back)


def _answer_challenge(scope: Scope, intent: Stored, session: Stored | None, *, outcome: str, back: str | None) -> View:
    if outcome not in ("complete", "fail"):
        return _message(400, "Choose one of the two buttons", "Go back and try again.")
    if session is not None:
        sessions.authenticate(scope, session, success=outcome == "complete")
        done = session.data["status"] == "complete"
        return _finished(session) if done else View(303, location=f"{scope.base_url}/c/pay/{session.id}")
    payments.authenticate(scope, intent, success=outcome == "complete")
    if not back:
        return _message(200, "Thank you", "You may close this page.")
    return View(303, location=_with_intent(back, intent, outcome))


def _with_intent(url: str, intent: Stored, outcome: str) -> str:
    parts = urlsplit(url)
    extra = {
        "payment_intent": intent.id,
        "payment_intent_client_secret": intent.data["client_secret"],
        "redirect_status": "succeeded" if outcome == "complete" else "failed",
    }
    query = "&".join(filter(None, [parts.query, urlencode(extra)]))
    return urlunsplit(parts._replace(query=query))


def _response(view: View) -> Response:
    headers = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": _policy(view.to, framed=view.framed),
    }
    if view.location is not None:
        headers["Location"] = quote(view.location, safe=_URL_SAFE)
    return Response(view.status, view.page.encode(), "text/html; charset=utf-8", headers)


def _policy(targets: tuple[str | None, ...], *, framed: bool) -> str:
    """No script, but for the end of what is shown in a frame. Browsers hold `form-action` against redirects too, so the
    shop's own origins stand in it."""
    origins = sorted({"{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in targets if url})
    ancestors = "http://127.0.0.1:* http://localhost:*" if framed else "'none'"
    return (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; base-uri 'none'; frame-ancestors {ancestors};"
        + (" script-src 'self';" if framed else "")
        + " form-action 'self'"
        + "".join(f" {origin}" for origin in origins)
    )
