"""The simple acts of an order's page: note, mail again, ask the provider. And the one look at a revealed address.

Each is a POST with its token (CSRF), calls one operation, says what came of it, and goes back to the page.
"""

from __future__ import annotations

import uuid

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from orders.models import Order
from payments import asking, notes, resending, revealing
from payments.backoffice.access import by_subject, needs
from payments.backoffice.order_page import url_of_order
from payments.models import StaffAction
from payments.notes import EmptyNote
from payments.resending import NoReason
from payments.roles import Area, Verb
from payments.staff_operations import NotPossible


@needs(Area.NOTE, Verb.DO)
@require_POST
def note(request: HttpRequest, order_id: int) -> HttpResponse:
    """Keep what the person wrote."""
    order = get_object_or_404(Order, pk=order_id)
    try:
        uid = uuid.UUID(request.POST.get("uid", ""))
        notes.add(order=order, user=request.user, text=request.POST.get("text", ""), uid=uid, at=timezone.now())
    except EmptyNote as error:
        messages.error(request, str(error))
    except ValueError:
        messages.error(request, "This form was not complete. Nothing was kept; please write the note again.")
    else:
        messages.success(request, "The note is kept.")
    return redirect(url_of_order(order_id))


@needs(Area.NOTE, Verb.DO)
@require_POST
def resend(request: HttpRequest, order_id: int) -> HttpResponse:
    """Send a mail to the shopper again."""
    order = get_object_or_404(Order, pk=order_id)
    chosen = request.POST.get("delivery", "")
    try:
        done = resending.resend(
            order,
            delivery_id=int(chosen) if chosen.isascii() and chosen.isdigit() else 0,
            user=request.user,
            reason=request.POST.get("reason", ""),
            at=timezone.now(),
        )
    except (NotPossible, NoReason) as error:
        messages.error(request, str(error))
    else:
        messages.success(request, done)
    return redirect(url_of_order(order_id))


@needs(Area.ASK_PROVIDER, Verb.DO)
@require_POST
def ask(request: HttpRequest, order_id: int) -> HttpResponse:
    """Ask the provider, and say what it answered."""
    order = get_object_or_404(Order, pk=order_id)
    try:
        asked = asking.ask(order, user=request.user, clock=timezone.now)
    except NotPossible as error:
        messages.warning(request, str(error))
    else:
        (messages.success if asked.answered else messages.warning)(request, asked.sentence)
    return redirect(url_of_order(order_id))


@by_subject
@require_http_methods(["GET", "POST"])
def person(request: HttpRequest, action_id: int) -> HttpResponse:
    """GET offers to show the revealed address, POST shows it, once."""
    action = get_object_or_404(StaffAction, pk=action_id)
    now, email = timezone.now(), ""
    try:
        if request.method == "POST":
            email = revealing.shown(action_id, user=request.user, at=now)
        else:
            revealing.check_shown(action, user=request.user, at=now)
    except NotPossible as error:
        messages.error(request, str(error))
        return redirect(action)
    context = {**admin.site.each_context(request), "title": "E-mail address", "action": action, "email": email}
    response = TemplateResponse(request, "admin/acting/person.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response
