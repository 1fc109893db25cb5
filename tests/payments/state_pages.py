"""Addresses of a test shop that shows each state's page as the real templates render it, without any payment."""

from __future__ import annotations

from types import SimpleNamespace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from config.urls import urlpatterns as shop_urls
from payments.shop.form_page import NO_FORM
from payments.shop.order_view import PROVIDER_NAMES
from payments.shop.pages import page_for, receipt_for
from tests.payments.shop_states import FORMS, STATES

WAYS = [{"name": name, "label": label} for name, label in PROVIDER_NAMES.items()]


def show(request: HttpRequest, key: str) -> HttpResponse:
    """Render one state."""
    view = (STATES | FORMS)[key]
    page = page_for(view)
    context = {
        "page": page,
        "order": SimpleNamespace(number=view.order_number, token="token"),
        "lines": [{"name": "Stoneware mug", "quantity": 2, "total_display": "€42.00"}],
        "total_display": view.total_display,
        "receipt": receipt_for(view),
        "providers": [way for way in WAYS if way["label"] not in view.ways_away][: view.provider_count],
        "away": view.ways_away,
        "status_version": "1",
    }
    template = "payments/pay.html" if view.paying or page.show_pay_form else "payments/order.html"
    return render(request, template, context)


def form_away(request: HttpRequest) -> HttpResponse:
    """Render the page of a provider's form where the provider has none to give."""
    context = {
        "order": SimpleNamespace(number=1042, token="token"),
        "lines": [{"name": "Stoneware mug", "quantity": 2, "total_display": "€42.00"}],
        "total_display": "€42.00",
        "provider": "nmi",
        "provider_label": PROVIDER_NAMES["nmi"],
        "form": None,
        "problem": NO_FORM,
    }
    return render(request, "payments/form.html", context)


urlpatterns = [
    *shop_urls,
    path("states/form_away/", form_away),
    path("states/<str:key>/", show, name="state"),
]
