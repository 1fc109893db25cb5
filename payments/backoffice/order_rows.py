"""The rows behind an order's page, each with a page of its own: attempt, capture, transition. Read-only."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orders.models import Order, Transition
from payments.backoffice.base import ReadOnlyAdmin, ReadOnlyInline
from payments.backoffice.filtering import by_provider, recent_values
from payments.models import Capture, Dispute, Look, PaymentAttempt, ProviderCall, Refund
from payments.offers import Offer
from payments.roles import Area

_ATTEMPT_FIELDS: dict[str, tuple[str, ...]] = {
    "": ("order", "state", "amount", "provider", "mode", "created_at", "correlation_id"),
    "Ids": ("reference", "page_id", "intent_id", "account"),
    "Its page": ("presentation", "page_open", "url_given_at", "page_expires_at", "close_requested_at", "in_review"),
    "Last decline": ("decline_reason", "decline_code"),
    "Looks": ("looked_at", "next_look_at", "look_failures", "look_error", "look_number", "applied_look"),
}


class CaptureInline(ReadOnlyInline[Capture]):
    model = Capture
    fields = ("capture_id", "amount", "disposition", "captured_at")
    readonly_fields = fields


class LookInline(ReadOnlyInline[Look]):
    """What the provider said, masked, at each look that told something new."""

    model = Look
    fields = ("number", "at", "status", "what_it_said")
    readonly_fields = fields
    verbose_name_plural = "what the provider said, masked"

    @admin.display(description="said")
    def what_it_said(self, look: Look) -> SafeString:
        said = json.dumps(look.said, indent=2, ensure_ascii=False, sort_keys=True)
        return format_html(
            '<pre class="act-payload" id="look-{}" tabindex="0" aria-label="Look {}">{}</pre>',
            look.pk,
            look.number,
            said,
        )


class CallInline(ReadOnlyInline[ProviderCall]):
    """Our calls, without what they asked for: that holds the shopper's address."""

    model = ProviderCall
    fields = ("what", "state", "tries", "first_sent_at", "answered_at", "error_category", "error", "idempotency_key")
    readonly_fields = fields
    verbose_name_plural = "our calls"

    @admin.display(description="operation")
    def what(self, call: ProviderCall) -> SafeString:
        return format_html('<span id="call-{}">{}</span>', call.pk, call.get_operation_display())


class OrderRowAdmin(ReadOnlyAdmin[Any]):
    """A row of an order. Its page is titled as the row reads, once."""

    area = Area.ORDER

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        context |= {"title": str(obj), "subtitle": None}
        return super().render_change_form(request, context, add, change, form_url, obj)


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(OrderRowAdmin):
    """One try to pay, with its calls and what the provider said."""

    list_display = ("reference", "order", "provider", "state_word", "amount", "created_at", "looked_at", "next_look_at")
    list_filter = (by_provider(), "state", recent_values("mode"))
    search_fields = ("reference", "page_id", "intent_id", "order__id")
    list_select_related = ("order",)
    inlines = (CallInline, CaptureInline, LookInline)
    # Without page_url: whoever holds it can pay in the shopper's place.
    fieldsets = tuple((title or None, {"fields": names}) for title, names in _ATTEMPT_FIELDS.items())
    readonly_fields = tuple(name for names in _ATTEMPT_FIELDS.values() for name in names)


@admin.register(Capture)
class CaptureAdmin(OrderRowAdmin):
    """Money that moved."""

    offers = (Offer.FEES,)
    list_display = ("capture_id", "order", "provider", "amount", "disposition", "captured_at", "fee_minor")
    list_filter = (by_provider(), "disposition", recent_values("currency"))
    search_fields = ("capture_id", "order__id")
    list_select_related = ("order",)
    fields = (
        *(
            "order",
            "attempt",
            "amount",
            "disposition",
            "provider",
            "account",
            "capture_id",
            "captured_at",
            "created_at",
        ),
        *("fee", "correlation_id"),
    )
    readonly_fields = fields


@admin.register(Refund)
class RefundAdmin(OrderRowAdmin):
    """Money that goes back."""

    list_display = (
        "id_or_reference",
        "order",
        "provider",
        "amount",
        "state",
        "made_by",
        "requested_at",
        "succeeded_at",
    )
    list_filter = (by_provider(), "state", "made_by", recent_values("currency"))
    search_fields = ("refund_id", "reference", "order__id")
    list_select_related = ("order",)
    fields = (
        *("order", "attempt", "capture", "amount", "state", "made_by", "reason", "action", "provider", "account"),
        *("refund_id", "reference", "requested_at", "succeeded_at", "failed_at", "failure_reason", "correlation_id"),
    )
    readonly_fields = fields

    @admin.display(description="refund")
    def id_or_reference(self, refund: Refund) -> str:
        """The provider's id; ours while it has told none."""
        return refund.refund_id or refund.reference


@admin.register(Transition)
class TransitionAdmin(OrderRowAdmin):
    """One step of a state machine, or a refused one."""

    list_display = (
        "at",
        "subject_kind",
        "subject_id",
        "from_state",
        "to_state",
        "event",
        "forbidden",
        "actor",
        "cause",
    )
    list_filter = (recent_values("subject_kind"), "forbidden")
    search_fields = ("subject_id",)
    search_help_text = "The number of an order, or the key of an attempt or dispute"
    fields = (
        *("subject", "from_state", "to_state", "event", "forbidden", "actor", "cause", "at", "sequence"),
        "correlation_id",
    )
    readonly_fields = fields

    def leading_search_lookups(self) -> dict[str, Any]:
        return {"subject_kind__in": [Order.SUBJECT_KIND, PaymentAttempt.SUBJECT_KIND, Dispute.SUBJECT_KIND]}

    @admin.display(description="subject")
    def subject(self, row: Transition) -> str:
        """The order or attempt it is about, as a link."""
        pages = {
            Order.SUBJECT_KIND: "orders_order",
            PaymentAttempt.SUBJECT_KIND: "payments_paymentattempt",
            Dispute.SUBJECT_KIND: "payments_dispute",
            Refund.SUBJECT_KIND: "payments_refund",
        }
        name = f"{row.subject_kind} {row.subject_id}"
        if row.subject_kind not in pages:
            return name
        return format_html(
            '<a href="{}">{}</a>', reverse(f"admin:{pages[row.subject_kind]}_change", args=[row.subject_id]), name
        )
