"""What goes out: facts, deliveries, receivers. Read-only."""

from __future__ import annotations

from django.contrib import admin

from integrations.facts import Fact
from integrations.models import Breaker, Delivery, DeliveryAttempt, Destination, OutboxEvent
from payments.backoffice.base import ReadOnlyAdmin, ReadOnlyInline
from payments.backoffice.filtering import known_values
from payments.roles import Area


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


@admin.register(Breaker)
class BreakerAdmin(ReadOnlyAdmin[Breaker]):
    """What is away or paused. A provider or receiver that never failed has no row."""

    area = Area.MESSAGES
    list_display = ("id", "name", "state", "since", "failures", "last_failure", "last_detail", "actor", "reason")
    list_filter = ("state",)
    list_select_related = ("destination",)
