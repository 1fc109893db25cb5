"""What came in and what goes out: inbox, facts, deliveries, receivers. Read-only; no raw payload is shown here."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from integrations.facts import Fact
from integrations.models import Delivery, DeliveryAttempt, Destination, OutboxEvent
from payments.backoffice.base import ReadOnlyAdmin, ReadOnlyInline
from payments.backoffice.filtering import by_provider, known_values, provider_names, recent_values
from payments.models import ProviderEvent
from payments.roles import Area


@admin.register(ProviderEvent)
class ProviderEventAdmin(ReadOnlyAdmin[ProviderEvent]):
    """The inbox. The raw bytes are encrypted; showing them takes a permission and a reason (issue B)."""

    area = Area.MESSAGES
    list_display = ("event_id", "provider", "type", "state_word", "attempt", "received_at", "tries", "error")
    list_filter = (by_provider(), "state", recent_values("type"))
    search_fields = ("event_id", "reference", "attempt__reference", "attempt__page_id", "attempt__intent_id")
    search_help_text = "An event's id, our reference, or the id of a page or payment"
    exclude = ("body_sealed", "headers_sealed")
    list_select_related = ("attempt",)

    def leading_search_lookups(self) -> dict[str, Any]:
        return {"provider__in": provider_names()}


class DeliveryInline(ReadOnlyInline[Delivery]):
    model = Delivery
    fields = ("destination", "state", "tries", "not_before", "delivered_at")
    readonly_fields = fields


@admin.register(OutboxEvent)
class OutboxEventAdmin(ReadOnlyAdmin[OutboxEvent]):
    area = Area.MESSAGES
    list_display = ("uid", "fact", "subject_kind", "subject_id", "created_at")
    list_filter = (known_values("fact", lambda: [(fact.value, fact.value) for fact in Fact]),)
    search_fields = ("uid", "deliveries__key")
    search_help_text = "A fact's id, or a delivery's key"
    exclude = ("payload",)  # names and addresses
    inlines = (DeliveryInline,)


class DeliveryAttemptInline(ReadOnlyInline[DeliveryAttempt]):
    model = DeliveryAttempt


@admin.register(Delivery)
class DeliveryAdmin(ReadOnlyAdmin[Delivery]):
    area = Area.MESSAGES
    list_display = ("id", "event", "destination", "state", "tries", "not_before", "delivered_at")
    list_filter = ("state", "destination")
    search_fields = ("key", "event__uid")
    search_help_text = "A delivery's key (its webhook-id), or a fact's id"
    list_select_related = ("event", "destination")
    inlines = (DeliveryAttemptInline,)


@admin.register(Destination)
class DestinationAdmin(ReadOnlyAdmin[Destination]):
    area = Area.MESSAGES
    list_display = ("name", "kind", "active")
