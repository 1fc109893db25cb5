"""What came in and what goes out: inbox, facts, deliveries, receivers. Read-only; no raw payload is shown here."""

from __future__ import annotations

from django.contrib import admin

from integrations.models import Delivery, DeliveryAttempt, Destination, OutboxEvent
from payments.backoffice.base import ReadOnlyAdmin, ReadOnlyInline
from payments.models import ProviderEvent
from payments.roles import Area


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnlyAdmin[ProviderEvent]):
    """The inbox. The raw bytes are encrypted; showing them takes a permission and a reason (issue B)."""

    area = Area.MESSAGES
    list_display = ("event_id", "provider", "type", "state_word", "attempt", "received_at", "tries", "error")
    list_filter = ("provider", "state", "type")
    search_fields = ("=event_id", "=reference", "=page_id", "=intent_id")
    exclude = ("body_sealed", "headers_sealed")
    list_select_related = ("attempt",)


class DeliveryInline(ReadOnlyInline[Delivery]):
    model = Delivery
    fields = ("destination", "state", "tries", "not_before", "delivered_at")
    readonly_fields = fields


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin[OutboxEvent]):
    area = Area.MESSAGES
    list_display = ("uid", "fact", "subject_kind", "subject_id", "created_at")
    list_filter = ("fact",)
    search_fields = ("=uid", "=subject_id")
    exclude = ("payload",)  # names and addresses
    inlines = (DeliveryInline,)


class DeliveryAttemptInline(ReadOnlyInline[DeliveryAttempt]):
    model = DeliveryAttempt


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin[Delivery]):
    area = Area.MESSAGES
    list_display = ("id", "event", "destination", "state", "tries", "not_before", "delivered_at")
    list_filter = ("state", "destination")
    list_select_related = ("event", "destination")
    inlines = (DeliveryAttemptInline,)


@admin.register(Destination)
class DestinationAdmin(ReadOnlyAdmin[Destination]):
    area = Area.MESSAGES
    list_display = ("name", "kind", "active")
