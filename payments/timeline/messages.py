"""Lines of what came in and went out: the provider's events, facts, every try to deliver them, dead letters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Q, QuerySet

from integrations.models import (
    AttemptOutcome,
    Delivery,
    DeliveryAttempt,
    DeliveryRepeat,
    DeliveryReplay,
    DeliverySkip,
    DeliveryState,
    DestinationKind,
    OutboxEvent,
)
from orders.models import Order
from payments.models import ProviderEvent
from payments.situation import provider_label
from payments.states import EventState
from payments.timeline.entry import Chip, Entry, OwnPage, Scope, Source, clean, known, stamp

EVERY = Q()
_TROUBLED = (EventState.FAILED, EventState.DEAD, EventState.PARKED, EventState.UNVERIFIED, EventState.REJECTED)
_NOT_CONFIRMED = (AttemptOutcome.FAILED, AttemptOutcome.UNFINISHED)


def _event(event: ProviderEvent, scope: Scope) -> Entry:
    trouble = event.state in _TROUBLED
    return Entry(
        kind="event",
        pk=event.pk,
        at=event.received_at,
        provider_at=event.provider_created_at,
        title=f"{provider_label(event.provider)} told us: {clean(event.type)}",
        correlation_id=event.correlation_id,
        tags=(event.state,),
        problem=trouble,
        technical=not trouble,
        details=known(
            ("Event", event.event_id),
            ("State", event.get_state_display()),
            ("Error", event.error),
            ("Tries", event.tries),
            ("Next try", stamp(event.next_try_at)),
            ("Used by look", event.used_by_look),
        ),
        page=OwnPage("payments.providerevent", event.pk),
    )


def _fact(fact: OutboxEvent, scope: Scope) -> Entry:
    return Entry(
        kind="fact",
        pk=fact.pk,
        at=fact.created_at,
        title=f"Fact {fact.fact}",
        correlation_id=fact.correlation_id,
        technical=True,
        details=known(
            *((delivery.destination.name, _standing(delivery)) for delivery in fact.deliveries.all()),
            ("Event", fact.uid),
        ),
        page=OwnPage("integrations.outboxevent", fact.pk),
    )


def _standing(delivery: Delivery) -> str:
    if delivery.state == DeliveryState.DELIVERED:
        where = f"confirmed {stamp(delivery.delivered_at)}"
    elif delivery.state == DeliveryState.DEAD:
        where = f"given up {stamp(delivery.died_at)}: {delivery.dead_reason}"
    else:
        where = f"{delivery.state}, next try {stamp(delivery.not_before)}"
    theirs = ", ".join(f"{kind} {name}" for kind, name in delivery.external_ids.items())
    return f"{where}; key {delivery.key}" + (f"; there: {theirs}" if theirs else "")


def _try(row: DeliveryAttempt, scope: Scope) -> Entry:
    receiver = row.delivery.destination
    is_mail = receiver.kind == DestinationKind.MAIL
    what = f"Mail “{row.delivery.event.fact}”" if is_mail else f"{receiver.name} told of {row.delivery.event.fact}"
    trouble = row.outcome in _NOT_CONFIRMED
    return Entry(
        kind="try",
        pk=row.pk,
        at=row.started_at,
        title=f"{what}: {row.get_outcome_display().lower() if row.outcome else 'on its way'}",
        correlation_id=row.delivery.event.correlation_id,
        tags=("mail",) if is_mail else (),
        problem=trouble,
        technical=not trouble and not is_mail,
        details=known(
            ("Receiver", receiver.name),
            ("Try", row.number),
            ("Answer", row.http_status),
            ("Failure", row.failure),
            ("Detail", row.detail),
            ("Ended", stamp(row.finished_at)),
            ("Key", row.delivery.key),
        ),
        page=_page_of(row.delivery_id),
    )


def _dead(row: Delivery, scope: Scope) -> Entry:
    assert row.died_at is not None  # nosec B101  the source's filter
    return Entry(
        kind="dead_letter",
        pk=row.pk,
        at=row.died_at,
        title=f"Given up: {row.destination.name} was not told of {row.event.fact}",
        correlation_id=row.event.correlation_id,
        tags=("dead letter",),
        problem=True,
        details=known(("Why", row.get_dead_reason_display()), ("Detail", row.last_detail), ("Tries", row.tries)),
        page=_page_of(row.pk),
    )


def _replay(row: DeliveryReplay, scope: Scope) -> Entry:
    return Entry(
        kind="replay",
        pk=row.pk,
        at=row.at,
        title=f"Queued again: {row.delivery.event.fact} to {row.delivery.destination.name}",
        actor=row.actor,
        correlation_id=row.delivery.event.correlation_id,
        details=known(("Reason", row.reason), ("It had died of", row.get_dead_reason_display()), ("Tries", row.tries)),
        page=_page_of(row.delivery_id),
    )


def _repeat(row: DeliveryRepeat, scope: Scope) -> Entry:
    return Entry(
        kind="repeat",
        pk=row.pk,
        at=row.at,
        title=f"Mail “{row.delivery.event.fact}” to be sent once more",
        actor=row.actor,
        correlation_id=row.delivery.event.correlation_id,
        tags=("mail",),
        details=known(("Reason", row.reason), ("Key", row.delivery.key)),
        page=_page_of(row.delivery_id),
    )


def _skip(row: DeliverySkip, scope: Scope) -> Entry:
    return Entry(
        kind="skip",
        pk=row.pk,
        at=row.at,
        title=f"Let later ones pass: {row.delivery.event.fact} to {row.delivery.destination.name}",
        actor=row.actor,
        correlation_id=row.delivery.event.correlation_id,
        details=known(("Reason", row.reason)),
        page=_page_of(row.delivery_id),
    )


def _page_of(delivery_id: int) -> OwnPage:
    return OwnPage("integrations.delivery", delivery_id)


def _about(scope: Scope, path: str = "") -> Q:
    """Return the filter for facts of this order, and of its cases. `path`: from the row to its fact."""
    of_order = Q(**{f"{path}subject_kind": Order.SUBJECT_KIND, f"{path}subject_id": scope.order.pk})
    return of_order | Q(**{f"{path}subject_kind": "case", f"{path}subject_id__in": scope.cases})


def _of_deliveries(model: type[Any]) -> Callable[[Scope], QuerySet[Any]]:
    return lambda scope: model.objects.filter(_about(scope, "delivery__event__")).select_related(
        "delivery__event", "delivery__destination"
    )


SOURCES = (
    Source(
        kind="event",
        time="received_at",
        rows=lambda scope: ProviderEvent.objects.filter(
            Q(attempt__in=list(scope.attempts)) | Q(attempt=None, reference__in=scope.references)
        ).defer("body_sealed", "headers_sealed"),
        entry=_event,
        chips={Chip.MESSAGES: EVERY, Chip.PROBLEMS: Q(state__in=_TROUBLED)},
    ),
    Source(
        kind="fact",
        time="created_at",
        rows=lambda scope: OutboxEvent.objects.filter(_about(scope)).prefetch_related("deliveries__destination"),
        entry=_fact,
        chips={Chip.MESSAGES: EVERY},
    ),
    Source(
        kind="try",
        time="started_at",
        rows=_of_deliveries(DeliveryAttempt),
        entry=_try,
        chips={Chip.MESSAGES: EVERY, Chip.PROBLEMS: Q(outcome__in=_NOT_CONFIRMED)},
        correlation="delivery__event__correlation_id",
    ),
    Source(
        kind="dead_letter",
        time="died_at",
        rows=lambda scope: Delivery.objects.filter(_about(scope, "event__"), state=DeliveryState.DEAD).select_related(
            "event", "destination"
        ),
        entry=_dead,
        chips={Chip.MESSAGES: EVERY, Chip.PROBLEMS: EVERY},
        correlation="event__correlation_id",
    ),
    *(
        Source(
            kind=kind,
            time="at",
            rows=_of_deliveries(model),
            entry=entry,
            chips={Chip.MESSAGES: EVERY, Chip.PEOPLE: EVERY},
            correlation="delivery__event__correlation_id",
        )
        for kind, model, entry in (
            ("replay", DeliveryReplay, _replay),
            ("repeat", DeliveryRepeat, _repeat),
            ("skip", DeliverySkip, _skip),
        )
    ),
)
