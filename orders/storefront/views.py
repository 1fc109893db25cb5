"""The shop's pages up to the placed order. GET shows; each POST makes one domain call and answers 303.

A refusal shows the page again with its sentence, as 4xx. Only these views read the clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers, patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme

from integrations import flood
from integrations.failpoints import failpoint
from orders import baskets, operations, queries
from orders.baskets import BasketClosed
from orders.lines import OrderRefused, UnknownProduct
from orders.operations import BasketChanged, UnknownBasket
from orders.states import OrderState
from orders.storefront.forms import AddForm, ChangeForm, CheckoutForm, CurrencyForm, RemoveForm
from orders.storefront.visit import Visit

View = Callable[..., HttpResponse]

SEE_OTHER = 303
BAD_REQUEST, NOT_FOUND, NOT_ALLOWED, CONFLICT, UNPROCESSABLE, TOO_MANY = 400, 404, 405, 409, 422, 429


def shop_page(*methods: str) -> Callable[[View], View]:
    """Allow these methods only, and keep the page out of shared caches: it shows one visitor's locale and basket."""

    def decorate(view: View) -> View:
        @wraps(view)
        def wrapped(request: HttpRequest, **arguments: Any) -> HttpResponse:
            if request.method not in methods:
                response = render(request, "405.html", {"methods": methods}, status=NOT_ALLOWED)
                response["Allow"] = ", ".join(methods)
            elif request.method == "POST" and _writes_too_often(request):
                response = render(request, "too_often.html", status=TOO_MANY)
                response["Retry-After"] = str(flood.WINDOW_SECONDS)
            else:
                response = view(request, **arguments)
            add_never_cache_headers(response)
            patch_vary_headers(response, ["Accept-Language"])
            return response

        return wrapped

    return decorate


def _writes_too_often(request: HttpRequest) -> bool:
    return flood.too_many(request, "shop", most_a_minute=settings.SHOP_WRITES_A_MINUTE)


@shop_page("GET", "HEAD")
def products(request: HttpRequest) -> HttpResponse:
    """All that is sold, in the visitor's currency."""
    return _show_products(request)


@shop_page("GET", "HEAD")
def product(request: HttpRequest, slug: str) -> HttpResponse:
    """One product."""
    return _show_product(request, slug)


@shop_page("POST")
def currency(request: HttpRequest) -> HttpResponse:
    """Choose a currency; a filled basket is priced anew in it, or stays as it is where that cannot be done."""
    visit, form = Visit(request), CurrencyForm(request.POST)
    if not form.is_valid() or form.cleaned_data["currency"] not in queries.currencies():
        return _show_products(request, error="Choose one of the currencies in the list.", status=BAD_REQUEST)
    chosen = form.cleaned_data["currency"]
    try:
        if visit.basket_token and queries.pieces_in(visit.basket_token):
            baskets.change_currency(token=visit.basket_token, currency=chosen)
    except OrderRefused as refused:
        return _show_basket(request, error=refused.message, status=_status(refused))
    visit.remember_currency(chosen)
    return _see_other(_own_page(form.cleaned_data["next"]))


@shop_page("GET", "HEAD")
def basket(request: HttpRequest) -> HttpResponse:
    """What is in the basket, or what became of it."""
    return _show_basket(request)


@shop_page("POST")
def add(request: HttpRequest) -> HttpResponse:
    """Put a product into the basket."""
    visit, form = Visit(request), AddForm(request.POST)
    if not form.is_valid():
        return _show_products(request, error=_first_error(form), status=BAD_REQUEST)
    try:
        filled = baskets.add(
            token=visit.basket_token or None,
            sku=form.cleaned_data["sku"],
            quantity=form.cleaned_data["quantity"],
            currency=visit.currency(),
            now=timezone.now(),
        )
    except OrderRefused as refused:
        return _show_products(request, error=refused.message, status=_status(refused))
    visit.remember_basket(filled)
    messages.success(request, "It is in your basket.")
    return _see_other(reverse("storefront:basket"))


@shop_page("POST")
def change(request: HttpRequest) -> HttpResponse:
    """Set the quantity of a product in the basket."""
    form = ChangeForm(request.POST)
    if not form.is_valid():
        return _show_basket(request, error=_first_error(form), status=BAD_REQUEST)
    return _change_basket(
        request,
        lambda token: baskets.change(token=token, sku=form.cleaned_data["sku"], quantity=form.cleaned_data["quantity"]),
        said="Your basket is up to date.",
    )


@shop_page("POST")
def remove(request: HttpRequest) -> HttpResponse:
    """Take a product out of the basket."""
    form = RemoveForm(request.POST)
    if not form.is_valid():
        return _show_basket(request, error=_first_error(form), status=BAD_REQUEST)
    return _change_basket(
        request, lambda token: baskets.remove(token=token, sku=form.cleaned_data["sku"]), said="Removed."
    )


@shop_page("POST")
def again(request: HttpRequest, token: str) -> HttpResponse:
    """Begin a new basket with the goods of an order; whoever holds the order's token may."""
    order = queries.order(token)
    if order is None:
        raise Http404("There is no such order.")
    Visit(request).remember_basket(baskets.again(order, now=timezone.now()))
    messages.success(request, f"The goods of order {order.number} are in a new basket, at today's prices.")
    return _see_other(reverse("storefront:basket"))


@shop_page("GET", "HEAD", "POST")
def checkout(request: HttpRequest) -> HttpResponse:
    """Ask for the address, then place the order and go to pay it. Placing twice leads to the same order."""
    if request.method != "POST":
        return _show_checkout(request, CheckoutForm(initial=_shown(request)))
    visit, form = Visit(request), CheckoutForm(request.POST)
    if not form.is_valid():
        return _show_checkout(request, form, status=BAD_REQUEST)
    try:
        if not visit.owns(form.cleaned_data["basket"]):
            raise BasketChanged("Your basket has changed. Please check it, then place the order.")
        order = operations.place_order(
            basket_token=form.cleaned_data["basket"],
            email=form.cleaned_data["email"],
            locale=visit.locale,
            now=timezone.now(),
            seen=form.cleaned_data["seen"],
        )
    except OrderRefused as refused:
        again = CheckoutForm(initial={**_shown(request), "email": form.cleaned_data["email"]})
        return _show_checkout(request, again, error=refused.message, status=_status(refused))
    failpoint("order.after_commit")
    return _see_other(reverse("payments:pay", kwargs={"token": order.token}))


def _show_products(request: HttpRequest, *, error: str = "", status: int = 200) -> HttpResponse:
    chosen = Visit(request).currency()
    offers = [(each, each.price_in(chosen)) for each in queries.products()]
    return render(request, "storefront/products.html", _with(request, chosen, error, offers=offers), status=status)


def _show_product(request: HttpRequest, slug: str) -> HttpResponse:
    found = queries.product(slug)
    if found is None:
        raise Http404("We no longer sell this product.")
    chosen = Visit(request).currency()
    context = _with(request, chosen, "", product=found, price=found.price_in(chosen))
    return render(request, "storefront/product.html", context)


def _show_basket(request: HttpRequest, *, error: str = "", status: int = 200) -> HttpResponse:
    visit = Visit(request)
    contents, ordered = queries.basket(visit.basket_token), queries.order_of_basket(visit.basket_token)
    context = _with(request, visit.currency(), error, contents=contents, ordered=ordered)
    if ordered is not None:
        context |= {"waits": ordered.state == OrderState.PLACED, "lines": list(ordered.lines.all())}
        context["can_start_over"] = ordered.state in (OrderState.PLACED, OrderState.EXPIRED, OrderState.CANCELLED)
    return render(request, "storefront/basket.html", context, status=status)


def _show_checkout(request: HttpRequest, form: CheckoutForm, *, error: str = "", status: int = 200) -> HttpResponse:
    visit = Visit(request)
    ordered = queries.order_of_basket(visit.basket_token)
    if ordered is not None and not error:
        return redirect("payments:pay", token=ordered.token)
    contents = queries.basket(visit.basket_token)
    if contents is None or contents.total is None:
        return _show_basket(request, error=error or (contents.problem if contents else ""), status=status)
    context = _with(request, contents.currency, error, contents=contents, form=form)
    return render(request, "storefront/checkout.html", context, status=status)


def _shown(request: HttpRequest) -> dict[str, str]:
    """Return the hidden values of a checkout as it is shown now."""
    contents = queries.basket(Visit(request).basket_token)
    return {"basket": contents.basket.token, "seen": contents.fingerprint} if contents else {}


def _change_basket(request: HttpRequest, operation: Callable[[str], None], *, said: str) -> HttpResponse:
    try:
        operation(Visit(request).basket_token)
    except OrderRefused as refused:
        return _show_basket(request, error=refused.message, status=_status(refused))
    messages.success(request, said)
    return _see_other(reverse("storefront:basket"))


def _with(request: HttpRequest, currency: str, error: str, **more: Any) -> dict[str, Any]:
    here = request.path if request.method != "POST" else ""
    return {"currency": currency, "currencies": queries.currencies(), "error": error, "here": here, **more}


def _first_error(form: Any) -> str:
    """Return one sentence about a form that a browser would not have sent."""
    name, errors = next(iter(form.errors.items()))
    return f"{name.capitalize()}: {errors[0]}"


def _status(refused: OrderRefused) -> int:
    if isinstance(refused, UnknownProduct):
        return NOT_FOUND
    return CONFLICT if isinstance(refused, BasketChanged | BasketClosed | UnknownBasket) else UNPROCESSABLE


def _own_page(path: str) -> str:
    """Return `path` if it is a page of this shop, else the first page; nobody may send a visitor elsewhere with it.

    Ours are printable ASCII (RFC 3986, 2); of other characters no Location can be made.
    """
    ascii_path = re.fullmatch(r"/[!-~]*", path) is not None
    own = ascii_path and url_has_allowed_host_and_scheme(path, allowed_hosts=None, require_https=False)
    return path if own else reverse("storefront:products")


def _see_other(url: str) -> HttpResponse:
    response = HttpResponse(status=SEE_OTHER)
    response["Location"] = url
    return response
