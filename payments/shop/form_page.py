"""/pay/<token>/<provider>/: our page around the provider's frame. The card is typed there and never reaches us.

Threats: a card number sent to us (anything but a token and its proof is refused and neither kept nor logged), a script
slipped into the page (strict CSP, widened by hosts of this one provider), a frame of somebody else around it (none is
allowed), a foreign form (CSRF), a guessed token (192 random bits), two tabs and double clicks (one payment an attempt,
payments/checkout.py), a script that has the provider asked without end (integrations/flood.py).
"""

from __future__ import annotations

import re

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from integrations import flood, providers
from integrations.contract import PayForm, ProviderError
from integrations.http import loopback_allowed
from integrations.redaction import luhn_valid
from orders.models import Order
from payments import checkout, expiry
from payments.models import PaymentAttempt
from payments.shop import form_policy, order_view

log = structlog.get_logger(__name__)

FIELDS = frozenset({"csrfmiddlewaretoken", "token", "proof"})
NOT_THIS = "This form takes nothing but the payment provider's token. Nothing was paid or kept. Please try again."
NOTHING_TO_PAY_WITH = "The card form gave nothing to pay with. Nothing was paid. Please type your card again."
TOO_OFTEN = "That was very often within a minute. Nothing was paid just now. Please try again in a minute."
NO_FORM = "The card form does not answer just now. Nothing was paid. Please try again in a moment."
_TOKEN = re.compile(r"[\x21-\x7e]{1,2000}")
_PROOF = re.compile(r"[\x21-\x7e]{0,4000}")
_SEPARATORS = re.compile(r"[ .,_-]")
_LONG_NUMBER = re.compile(r"(?<![0-9A-Za-z-])[0-9]{12,19}(?![0-9A-Za-z-])")
_PARAMETER = re.compile(r"[a-z][a-z0-9_]{0,40}")


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def form(request: HttpRequest, token: str, provider: str) -> HttpResponseBase:
    """GET shows the form of the order's live attempt at `provider`, and changes nothing. POST pays with its token.

    Where there is no such attempt any more (paid, ended, another way chosen) the order's page says how it stands.
    """
    order = get_object_or_404(Order, token=token)
    if provider not in providers.known():
        raise Http404("no such provider")
    attempt = checkout.live_attempt(order.pk)
    if attempt is None or not _has_form(attempt, provider) or expiry.is_over(order, at=timezone.now()):
        return _see_other("payments:order", token)
    if not attempt.page_open:
        return _see_other("payments:return", token)
    if flood.too_many(request, "ask", most_a_minute=settings.SHOPPER_ASKS_A_MINUTE):
        return _render(request, order, provider, None, problem=TOO_OFTEN, status=429)
    if request.method == "POST":
        return _pay(request, order, attempt)
    return _show(request, order, attempt)


def _pay(request: HttpRequest, order: Order, attempt: PaymentAttempt) -> HttpResponseBase:
    """Pay once. However it went, the order's page says so: the answer is a redirect, which a reload cannot repeat."""
    try:
        takes_token = providers.get(attempt.provider).form(attempt.ids).takes_token
    except ProviderError as error:
        log.warning("form_not_paid", attempt=attempt.pk, provider=attempt.provider, why=str(error)[:200])
        return _render(request, order, attempt.provider, None, problem=NO_FORM, status=503)
    if refusal := _unlike_a_token(request) if takes_token else "takes no token":
        log.warning("form_refused", attempt=attempt.pk, provider=attempt.provider, why=refusal)
        problem = NOTHING_TO_PAY_WITH if refusal == "empty" else NOT_THIS
        return _render(request, order, attempt.provider, None, problem=problem, status=400)
    try:
        checkout.pay_with_token(
            order_id=order.pk,
            reference=attempt.reference,
            token=request.POST["token"],
            proof=request.POST.get("proof", ""),
            clock=timezone.now,
            actor="shopper",
        )
    except checkout.CannotPay as refused:
        log.info("form_not_paid", attempt=attempt.pk, provider=attempt.provider, why=refused.code)
    return _see_other("payments:return", order.token)


def _unlike_a_token(request: HttpRequest) -> str:
    """Return why this is no post of our form, in a word that holds nothing of it; empty where it is one.

    What looks like a card number is refused even where a token stands: it must not come to rest here.
    """
    sent = request.POST
    if request.content_type != "application/x-www-form-urlencoded" or request.GET:
        return "content"
    if set(sent) - FIELDS or any(len(sent.getlist(name)) != 1 for name in sent):
        return "fields"
    token, proof = sent.get("token", ""), sent.get("proof", "")
    if not token:
        return "empty"
    if not (_TOKEN.fullmatch(token) and _PROOF.fullmatch(proof)):
        return "shape"
    return "card" if _holds_card(token) or _holds_card(proof) else ""


def _holds_card(text: str) -> bool:
    """Say whether this is a card number, with or without separators, or one stands in it by itself."""
    runs = [_SEPARATORS.sub("", text), *_LONG_NUMBER.findall(text)]
    return any(run.isdigit() and 12 <= len(run) <= 19 and luhn_valid(run) for run in runs)


def _has_form(attempt: PaymentAttempt, provider: str) -> bool:
    """Whether this payment is made on a page of ours, which the shopper was sent to."""
    return attempt.provider == provider and attempt.is_embedded and attempt.url_given_at is not None


def _show(request: HttpRequest, order: Order, attempt: PaymentAttempt) -> HttpResponseBase:
    try:
        form = providers.get(attempt.provider).form(attempt.ids)
        response = _render(request, order, attempt.provider, form)
        form_policy.allow(response, form.policy, loopback=loopback_allowed())
    except (ProviderError, form_policy.PolicyTooLoose) as error:
        log.warning("form_not_shown", attempt=attempt.pk, provider=attempt.provider, why=str(error)[:200])
        return _render(request, order, attempt.provider, None, problem=NO_FORM, status=503)
    # A wallet's or a bank's window speaks to the page that opened it.
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin-allow-popups"
    return response


def _render(
    request: HttpRequest, order: Order, provider: str, form: PayForm | None, *, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "order": order,
        "lines": order_view.lines_of(order),
        "total_display": order.total.format(locale=order.locale),
        "provider": provider,
        "provider_label": order_view.provider_name(provider),
        "form": form,
        "parameters": _attributes(form) if form else (),
        "script": f"payments/forms/{provider}.js",
        "problem": problem,
    }
    return render(request, "payments/form.html", context, status=status)


def _attributes(form: PayForm) -> list[tuple[str, str]]:
    """Return the form's parameters as names of data attributes and their values. Raises PolicyTooLoose."""
    if wrong := [name for name in form.parameters if not _PARAMETER.fullmatch(name)]:
        raise form_policy.PolicyTooLoose(f"{wrong[0]!r} is no name for a parameter of a form")
    return [(name.replace("_", "-"), value) for name, value in form.parameters.items()]


def _see_other(name: str, token: str) -> HttpResponse:
    response = redirect(name, token=token)
    response.status_code = 303
    return response
