"""The shop's pages from *pay* onwards. The browser decides nothing: each page shows what the database holds.

Threats: a guessed token (192 random bits; an unknown one is a plain 404), a forged return (its query string is never
read; it only makes us look), clickjacking and injected script (strict CSP), a foreign form (CSRF on each POST), a
hammering reload (status.json never asks the provider, and the return page looks once every few seconds at most), a
script with many orders that drains the provider's rate limit (payments/flood.py).
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_safe

from integrations import flood, providers
from integrations.http import total_deadline
from orders.models import Order
from payments import checkout, ways_to_pay
from payments.models import PaymentAttempt
from payments.settlement import look
from payments.shop import order_view
from payments.shop.pages import page_for, receipt_for

log = structlog.get_logger(__name__)

RETURN_LOOKS_FOR_SECONDS = 3
TOO_OFTEN = "That was very often within a minute. No payment was begun just now. Please try again in a minute."
NO_ANSWER = "The payment service does not answer just now. No money was taken. Please try again in a moment."
LOOKED_JUST_NOW = timedelta(seconds=2)


@never_cache
def pay(request: HttpRequest, token: str) -> HttpResponseBase:
    """GET shows the total and the ways to pay, and opens nothing. POST opens or continues an attempt.

    While an attempt is under way a GET goes by the return page: whoever comes back by the browser's own button, or in
    another tab, would otherwise read "please don't pay again" until a worker had looked, though nothing is paid.
    """
    order = get_object_or_404(Order, token=token)
    if request.method == "POST":
        return _start(request, order)
    if request.method not in ("GET", "HEAD"):
        return HttpResponse(status=405, headers={"Allow": "GET, HEAD, POST"})
    attempt = order.attempts.order_by("-pk").first()
    if attempt is not None and attempt.url_given_at and "other" not in request.GET and _may_have_news(attempt):
        return _see_other("payments:return", token)
    return _render_pay(request, order)


@never_cache
@require_safe
def returned(request: HttpRequest, token: str) -> HttpResponseBase:
    """The provider sends the shopper back here: look for at most 3 s, then go to the order, which says what is true."""
    order = get_object_or_404(Order, token=token)
    attempt = order.attempts.order_by("-pk").first()
    if attempt is not None and _may_have_news(attempt) and not _asks_too_often(request):
        _look_briefly(attempt.pk)
    return _see_other("payments:order", token)


@never_cache
@require_safe
def order(request: HttpRequest, token: str) -> HttpResponseBase:
    """Status and receipt at one address."""
    shown = get_object_or_404(Order, token=token)
    view = order_view.view_of(shown, now=timezone.now())
    page = page_for(view)
    context = {
        "page": page,
        "order": shown,
        "lines": order_view.lines_of(shown),
        "total_display": view.total_display,
        "receipt": receipt_for(view) if page.show_receipt else (),
        "status_version": order_view.version_of(shown),
    }
    return render(request, "payments/order.html", context)


@require_GET
def status(request: HttpRequest, token: str) -> HttpResponseBase:
    """What the page's script polls. Reads the database only, answers 304 while nothing has changed."""
    shown = get_object_or_404(Order, token=token)
    page = page_for(order_view.view_of(shown, now=timezone.now()))
    version = f"{order_view.version_of(shown)}-{page.key}"
    etag = f'"{version}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    if request.headers.get("If-None-Match") == etag:
        return HttpResponse(status=304, headers=headers)
    return JsonResponse({"state": page.key, "order_state": shown.state, "version": version}, headers=headers)


def _start(request: HttpRequest, order: Order) -> HttpResponseBase:
    if _asks_too_often(request):
        return _render_pay(request, order, problem=TOO_OFTEN, status=429)
    provider = request.POST.get("provider") or _usual_provider(order)
    try:
        opening = checkout.open_attempt(
            order_id=order.pk,
            provider=provider,
            clock=timezone.now,
            actor="shopper",
            anew=request.POST.get("action") == "another",
            client=request.META.get("REMOTE_ADDR", ""),
        )
    except checkout.CannotPay as refused:
        if refused.http_status in (400, 502):
            return _render_pay(request, order, problem=refused.message, status=refused.http_status)
        return _see_other("payments:order", order.token)
    if not opening.redirect_url:
        if opening.attempt.is_live and opening.attempt.url_given_at is None:  # nobody can have paid anything
            return _render_pay(request, order, problem=NO_ANSWER, status=503)
        return _see_other("payments:order", order.token)
    return HttpResponse(status=303, headers={"Location": opening.redirect_url})


def _render_pay(request: HttpRequest, order: Order, *, problem: str = "", status: int = 200) -> HttpResponse:
    now = timezone.now()
    view = order_view.view_of(order, now=now, paying=True, choosing="other" in request.GET)
    page = page_for(view)
    context = {
        "page": page,
        "order": order,
        "lines": order_view.lines_of(order),
        "total_display": view.total_display,
        "receipt": receipt_for(view) if page.show_receipt else (),
        "providers": [
            {"name": name, "label": order_view.provider_name(name)}
            for name in ways_to_pay.available(order.currency, at=now)
        ],
        "away": view.ways_away,
        "problem": problem,
        "status_version": order_view.version_of(order),
    }
    return render(request, "payments/pay.html", context, status=status)


def _usual_provider(order: Order) -> str:
    """Return where a button without a choice goes: on with the live attempt, back to the last one's, else to the first
    that is available."""
    if live := checkout.live_attempt(order.pk):
        return live.provider
    available = ways_to_pay.available(order.currency, at=timezone.now())
    last = order.attempts.order_by("-pk").values_list("provider", flat=True).first()
    return last if last in available else next(iter(available or providers.enabled()), "")


def _may_have_news(attempt: PaymentAttempt) -> bool:
    """Whether the provider may know more about it than we do, and was not asked just now."""
    return attempt.is_live and (attempt.looked_at is None or attempt.looked_at <= timezone.now() - LOOKED_JUST_NOW)


def _asks_too_often(request: HttpRequest) -> bool:
    """Whether this address has had a provider asked so often that others would have to wait for it."""
    return flood.too_many(request, "ask", most_a_minute=settings.SHOPPER_ASKS_A_MINUTE)


def _look_briefly(attempt_id: int) -> None:
    """Look, but let the shopper wait for 3 s at most; what is not known by then, a worker finds out."""
    try:
        with total_deadline(RETURN_LOOKS_FOR_SECONDS):
            look(attempt_id, clock=timezone.now, actor="return_page")
    except Exception:
        log.exception("return_look_failed", attempt=attempt_id)  # the shopper is shown what is known


def _see_other(name: str, token: str) -> HttpResponse:
    response = redirect(name, token=token)
    response.status_code = 303
    return response
