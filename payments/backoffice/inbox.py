"""The inbox: what providers sent, masked, with its state apart from the answer they got; reveal and process again."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from integrations import providers
from payments import payloads
from payments.backoffice.access import by_subject
from payments.backoffice.base import ReadOnlyAdmin
from payments.backoffice.buttons import buttons
from payments.backoffice.filtering import by_provider, recent_values
from payments.models import ProviderEvent, StaffAction
from payments.offers import Offer
from payments.roles import Area
from payments.staff_operations import NotPossible


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnlyAdmin[ProviderEvent]):
    """The raw bytes are sealed: the page shows what is safe of them; all of them take a role, a reason, a step-up."""

    area = Area.MESSAGES
    offers = (Offer.EVENTS,)
    list_display = ("event_id", "provider", "type", "state_word", "attempt", "received_at", "tries", "error")
    list_filter = (by_provider(), "state", recent_values("type"))
    search_fields = ("event_id", "reference", "attempt__reference", "attempt__page_id", "attempt__intent_id")
    search_help_text = "An event's id, our reference, or the id of a page or payment"
    exclude = ("body_sealed", "headers_sealed")
    list_select_related = ("attempt",)
    change_form_template = "admin/payments/providerevent/change_form.html"

    def leading_search_lookups(self) -> dict[str, Any]:
        return {"provider__in": list(providers.known())}

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: ProviderEvent | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= {
                "subtitle": None,
                "title": f"{obj.provider} {obj.type}",
                "event": obj,
                "masked": payloads.masked_payload(obj, user=request.user),
                "buttons": buttons(request, ("requeue_event", "reveal_payload"), obj.pk),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)


@by_subject
def payload(request: HttpRequest, action_id: int) -> HttpResponse:
    """Show the raw bytes of a revealed event to whoever asked, for five minutes; each showing is recorded."""
    action = get_object_or_404(StaffAction, pk=action_id)
    try:
        raw = payloads.revealed(action, user=request.user, at=timezone.now())
    except NotPossible as error:
        messages.error(request, str(error))
        return redirect(action)
    context = {**admin.site.each_context(request), "title": "Raw payload", "action": action, "raw": raw}
    response = TemplateResponse(request, "admin/acting/payload.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response
