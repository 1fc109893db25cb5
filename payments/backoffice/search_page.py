"""The search box: one finding goes straight to its page, several are listed, none is explained."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from orders import locales
from payments.backoffice.access import needs
from payments.backoffice.order_page import url_of, url_of_order
from payments.finding import MOST, Found, Hit, find
from payments.masking import masked_address
from payments.roles import Area, Verb, check_may
from payments.searching import question_of


@needs(Area.ORDER, Verb.VIEW)
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Show what was found by `?q=`. Raises PermissionDenied without the right to see orders."""
    check_may(request.user, Verb.VIEW, Area.ORDER)
    typed = request.GET.get("q", "")
    question = question_of(typed, today=timezone.now().date())
    found = find(question) if question.makes_sense else Found((), ())
    if found.only is not None and (url := _url(request, found.only)):
        return redirect(url)
    locale = locales.of(request.headers)
    context = {
        **admin.site.each_context(request),
        "title": "Search",
        "typed": question.text,
        "orders": [
            {
                "order": order,
                "url": url_of_order(order.pk, correlation_id=hit.correlation_id),
                "state_word": str(order.get_state_display()).partition(":")[0],
                "amount": order.total.format(locale=locale),
                "masked_email": masked_address(order.email),
                "by": hit.by,
            }
            for order, hit in found.orders
        ],
        "others": [{"by": hit.by, "url": _url(request, hit)} for hit in found.others],
        "more": found.more,
        "most": MOST,
    }
    response = TemplateResponse(request, "admin/search.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def _url(request: HttpRequest, hit: Hit) -> str:
    if hit.order_id is not None:
        return url_of_order(hit.order_id, correlation_id=hit.correlation_id)
    return url_of(request, hit.page) if hit.page is not None else ""
