"""Addresses of a test shop that shows each state's page as the real templates render it, without any payment."""

from __future__ import annotations

from types import SimpleNamespace

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from config.urls import urlpatterns as shop_urls
from payments.shop.pages import page_for, receipt_for
from tests.payments.shop_states import FORMS, STATES


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
        "providers": [{"name": "stripe", "label": "Card or bank (Stripe)"}, {"name": "paypal", "label": "PayPal"}],
        "status_version": "1",
    }
    template = "payments/pay.html" if view.paying or page.show_pay_form else "payments/order.html"
    return render(request, template, context)


urlpatterns = [*shop_urls, path("states/<str:key>/", show, name="state")]
