"""Orders: read-only."""

from __future__ import annotations

from django.contrib import admin

from orders.models import Order, OrderLine
from payments.backoffice.base import ReadOnlyAdmin, ReadOnlyInline
from payments.backoffice.filtering import recent_values
from payments.backoffice.money import CaptureInline
from payments.models import PaymentAttempt
from payments.roles import Area


class LineInline(ReadOnlyInline[OrderLine]):
    model = OrderLine


class AttemptInline(ReadOnlyInline[PaymentAttempt]):
    model = PaymentAttempt
    fields = ("reference", "provider", "state", "amount", "decline_reason", "created_at")
    readonly_fields = fields


@admin.register(Order)
class OrderAdmin(ReadOnlyAdmin[Order]):
    """What is owed. Search by number, token, e-mail, our reference, or any id of a provider."""

    area = Area.ORDER
    list_display = ("number", "state_word", "total", "email", "placed_at", "paid_at")
    list_filter = ("state", recent_values("currency"), "placed_at")
    search_fields = (
        "id",
        "token",
        "email",
        "attempts__reference",
        "attempts__page_id",
        "attempts__intent_id",
        "captures__capture_id",
        "attempts__events__event_id",
    )
    search_help_text = "Order number, e-mail, or any id: ours, the provider's, an event's"
    fields = ("number", "state", "total", "email", "locale", "placed_at", "expires_at", "paid_at")
    readonly_fields = fields
    inlines = (LineInline, AttemptInline, CaptureInline)
