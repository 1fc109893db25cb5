"""What goes out: facts, deliveries, receivers, and what a person can do about each."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from integrations import dead_letters
from integrations.facts import Fact
from integrations.models import (
    Breaker,
    BreakerState,
    Delivery,
    DeliveryAttempt,
    DeliveryState,
    Destination,
    OutboxEvent,
    breaker_of,
)
from payments.backoffice.base import ReadOnlyAdmin, ReadOnlyInline
from payments.backoffice.buttons import Button, buttons
from payments.backoffice.filtering import known_values
from payments.roles import Area, Verb, check_may, may


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
    """One fact on its way to one receiver: what was tried, what waits, what a person can do."""

    area = Area.MESSAGES
    list_display = ("id", "event", "destination", "state", "tries", "not_before", "delivered_at")
    list_filter = ("state", "destination")
    search_fields = ("key", "event__uid")
    search_help_text = "A delivery's key (its webhook-id), or a fact's id"
    list_select_related = ("event", "destination")
    inlines = (DeliveryAttemptInline,)
    change_form_template = "admin/integrations/delivery/change_form.html"

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Delivery | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= {
                "subtitle": None,
                "title": f"{obj.event.fact} to {obj.destination.name}",
                "sentences": list(filter(None, [dead_letters.why_waiting(obj)])),
                "buttons": [_replay_button(request, obj), *buttons(request, ("skip_dead_letter",), obj.pk)],
            }
        return super().render_change_form(request, context, add, change, form_url, obj)


def _replay_button(request: HttpRequest, delivery: Delivery) -> Button:
    """Return the way to replay just this one."""
    [button] = buttons(request, ("replay_dead_letters",), 0)
    if button.why_not:
        return button
    if delivery.state != DeliveryState.DEAD:
        return Button(button.label, "", "Only a dead letter is replayed.")
    return Button("Replay this one", f"{button.url}?ids={delivery.pk}")


@admin.register(Destination)
class DestinationAdmin(ReadOnlyAdmin[Destination]):
    """A receiver: what it is told, how it is doing, and pausing it."""

    area = Area.MESSAGES
    list_display = ("name", "kind", "active", "breaker_word", "owner")
    exclude = ("secrets_sealed", "staged_secret_sealed", "staged_mark")
    change_list_template = "admin/integrations/destination/change_list.html"
    change_form_template = "admin/integrations/destination/change_form.html"

    @admin.display(description="breaker")
    def breaker_word(self, receiver: Destination) -> str:
        known = breaker_of(receiver)
        return known.get_state_display() if known else BreakerState.CLOSED.label

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"may_set_up": may(request.user, Verb.REQUEST, Area.KEYS)})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Destination]:
        return super().get_queryset(request).select_related("breaker")

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Destination | None = None,
    ) -> HttpResponse:
        if obj is not None:
            known = breaker_of(obj)
            context |= {
                "subtitle": None,
                "title": f"Receiver {obj.name}",
                "sentences": [_how_it_stands(known)] if known and known.state != BreakerState.CLOSED else [],
                "buttons": [*buttons(request, RECEIVER_ACTS, obj.pk), _secret_button(request, obj)],
            }
        return super().render_change_form(request, context, add, change, form_url, obj)


RECEIVER_ACTS = (
    "pause_receiver",
    "resume_receiver",
    "disable_receiver",
    "enable_receiver",
    "change_receiver",
    "activate_receiver_secret",
)


def _secret_button(request: HttpRequest, receiver: Destination) -> Button:
    """Return the way to a new secret."""
    try:
        check_may(request.user, Verb.REQUEST, Area.KEYS)
    except PermissionDenied as error:
        return Button("Stage a new secret", "", str(error))
    return Button("Stage a new secret", reverse("backoffice:stage_receiver_secret", args=[receiver.pk]))


@admin.register(Breaker)
class BreakerAdmin(ReadOnlyAdmin[Breaker]):
    """What is away or paused, and pausing a provider. A provider or receiver that never failed has no row."""

    area = Area.MESSAGES
    change_list_template = "admin/integrations/breaker/change_list.html"
    list_display = ("id", "name", "state_word", "since", "failures", "last_failure", "last_detail", "actor", "reason")
    list_filter = ("state",)
    list_select_related = ("destination",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"buttons": buttons(request, PROVIDER_ACTS, 0)})


PROVIDER_ACTS = ("pause_provider", "resume_provider")


def _how_it_stands(known: Breaker) -> str:
    """Return the breaker's state as a sentence."""
    if known.state == BreakerState.PAUSED:
        return f"Paused by {known.actor} since {known.since:%Y-%m-%d %H:%M} UTC: {known.reason}"
    probe = f" It is tried again at {known.next_probe_at:%H:%M:%S} UTC." if known.next_probe_at else ""
    return f"{known.get_state_display()}, since {known.since:%Y-%m-%d %H:%M} UTC: {known.last_detail}.{probe}"
