"""Lines of what moves money: the order, its attempts, calls, looks, captures, and every passage of their states."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import Model, Q

from orders.models import Order, Transition
from orders.transitions import Edge, edges_of
from payments.models import Capture, Dispute, Look, PaymentAttempt, ProviderCall, Refund
from payments.models.capture import Disposition
from payments.situation import provider_label
from payments.states import CallState
from payments.timeline import disputes, refunds
from payments.timeline.entry import Chip, Entry, OwnPage, Scope, Source, known, stamp

EVERY = Q()
_MACHINES: dict[str, type[Model]] = {each.SUBJECT_KIND: each for each in (Order, PaymentAttempt, Refund, Dispute)}
_TROUBLED_CALLS = ~Q(error_category="") | Q(state__in=[CallState.UNKNOWN, CallState.ABANDONED])


def _order(order: Order, scope: Scope) -> Entry:
    return Entry(kind="order", pk=order.pk, at=order.placed_at, title=f"Order placed: {order.total}", actor="shopper")


def _attempt(attempt: PaymentAttempt, scope: Scope) -> Entry:
    return Entry(
        kind="attempt",
        pk=attempt.pk,
        at=attempt.created_at,
        title=f"Payment attempt at {provider_label(attempt.provider)}: {attempt.amount}",
        correlation_id=attempt.correlation_id,
        tags=(attempt.state.replace("_", " "),),
        details=known(
            ("Reference", attempt.reference),
            ("Page", attempt.page_id),
            ("Intent", attempt.intent_id),
            ("Account", attempt.account),
            ("Last decline", " ".join(filter(None, (attempt.decline_reason, attempt.decline_code)))),
            ("Last look", stamp(attempt.looked_at)),
            ("Looks without an answer", attempt.look_failures),
            ("Error", attempt.look_error),
        ),
        problem=bool(attempt.look_failures),
        page=_page_of(attempt.pk),
    )


def _page_given(attempt: PaymentAttempt, scope: Scope) -> Entry:
    assert attempt.url_given_at is not None  # nosec B101  the source's filter
    return Entry(
        kind="page_given",
        pk=attempt.pk,
        at=attempt.url_given_at,
        title=f"The shopper was sent to the pay page at {provider_label(attempt.provider)}",
        actor="shopper",
        technical=True,
        details=known(("Page", attempt.page_id), ("Open until", stamp(attempt.page_expires_at))),
        page=_page_of(attempt.pk),
    )


def _call(call: ProviderCall, scope: Scope) -> Entry:
    trouble = bool(call.error_category) or call.state in (CallState.UNKNOWN, CallState.ABANDONED)
    return Entry(
        kind="call",
        pk=call.pk,
        at=call.created_at,
        title=f"Our call to {scope.attempts[call.attempt_id]}: {call.get_operation_display().lower()}",
        correlation_id=call.correlation_id,
        tags=(call.state,),
        problem=trouble,
        technical=not trouble,
        details=known(
            ("State", call.get_state_display()),
            ("Tries", call.tries),
            ("First sent", stamp(call.first_sent_at)),
            ("Answered", stamp(call.answered_at)),
            ("Next try", stamp(call.next_try_at)),
            ("Error", ": ".join(filter(None, (call.error_category, call.error)))),
            ("Idempotency key", call.idempotency_key),
        ),
        page=_page_of(call.attempt_id, f"call-{call.pk}"),
    )


def _look(look: Look, scope: Scope) -> Entry:
    return Entry(
        kind="look",
        pk=look.pk,
        at=look.at,
        title=f"We asked {scope.attempts[look.attempt_id]}, which said: {look.status.replace('_', ' ')}",
        correlation_id=look.correlation_id,
        technical=True,
        details=known(("Look", look.number)),
        said=json.dumps(look.said, indent=2, ensure_ascii=False, sort_keys=True),
        page=_page_of(look.attempt_id, f"look-{look.pk}"),
    )


def _capture(capture: Capture, scope: Scope) -> Entry:
    applied = capture.disposition == Disposition.APPLIED
    return Entry(
        kind="capture",
        pk=capture.pk,
        at=capture.created_at,
        provider_at=capture.captured_at,
        title=f"{provider_label(capture.provider)} took {capture.amount} for us",
        correlation_id=capture.correlation_id,
        tags=(str(capture.disposition),),
        problem=not applied,
        details=known(
            ("Capture", capture.capture_id), ("Fee", capture.fee), ("It is", capture.get_disposition_display())
        ),
        page=OwnPage("payments.capture", capture.pk),
    )


def _transition(row: Transition, scope: Scope) -> Entry:
    subject = "order" if row.subject_kind == Order.SUBJECT_KIND else f"{row.subject_kind} {row.subject_id}"
    edges = [edge for edge in _edges(row.subject_kind) if edge.event == row.event]
    to = row.to_state or " or ".join(sorted({edge.target for edge in edges})) or "?"
    passage = f"{row.from_state.replace('_', ' ')} → {to.replace('_', ' ')}"
    return Entry(
        kind="transition",
        pk=row.pk,
        at=row.at,
        title=f"Forbidden for {subject}: {passage}" if row.forbidden else f"{subject.capitalize()}: {passage}",
        actor=row.actor,
        correlation_id=row.correlation_id,
        tags=("forbidden",) if row.forbidden else (),
        problem=row.forbidden,
        technical=not row.forbidden and row.subject_kind != Order.SUBJECT_KIND,
        details=known(
            ("Event", row.event),
            ("Rule", _rule(row, edges) if row.forbidden else ""),
            ("Cause", row.cause),
            ("Step", row.sequence),
        ),
        page=OwnPage("orders.transition", row.pk),
    )


def _rule(row: Transition, edges: list[Edge]) -> str:
    sources = ", ".join(sorted({edge.source.replace("_", " ") for edge in edges})) or "no state at all"
    return f"“{row.event}” leads from {sources} only; it was {row.from_state.replace('_', ' ')}. Nothing moved."


def _edges(subject_kind: str) -> list[Edge]:
    model = _MACHINES.get(subject_kind)
    return edges_of(model) if model is not None else []


def _page_of(attempt_id: int, fragment: str = "") -> OwnPage:
    return OwnPage("payments.paymentattempt", attempt_id, fragment)


def _of_attempts(model: type[Any]) -> Any:
    return lambda scope: model.objects.filter(attempt__in=list(scope.attempts))


SOURCES = (
    *refunds.SOURCES,
    *disputes.SOURCES,
    Source(
        kind="order",
        time="placed_at",
        rows=lambda scope: Order.objects.filter(pk=scope.order.pk),
        entry=_order,
        chips={Chip.MONEY: EVERY},
        correlation="",
    ),
    Source(
        kind="attempt",
        time="created_at",
        rows=lambda scope: PaymentAttempt.objects.filter(order=scope.order),
        entry=_attempt,
        chips={Chip.MONEY: EVERY, Chip.PROBLEMS: Q(look_failures__gt=0)},
    ),
    Source(
        kind="call",
        time="created_at",
        rows=_of_attempts(ProviderCall),
        entry=_call,
        chips={Chip.MONEY: EVERY, Chip.PROBLEMS: _TROUBLED_CALLS},
    ),
    Source(
        kind="page_given",
        time="url_given_at",
        rows=lambda scope: PaymentAttempt.objects.filter(order=scope.order, url_given_at__isnull=False),
        entry=_page_given,
        chips={Chip.MONEY: EVERY},
        correlation="",
    ),
    Source(kind="look", time="at", rows=_of_attempts(Look), entry=_look, chips={Chip.MONEY: EVERY}),
    Source(
        kind="capture",
        time="created_at",
        rows=lambda scope: Capture.objects.filter(order=scope.order),
        entry=_capture,
        chips={Chip.MONEY: EVERY, Chip.PROBLEMS: ~Q(disposition=Disposition.APPLIED)},
    ),
    Source(
        kind="transition",
        time="at",
        rows=lambda scope: Transition.objects.filter(
            Q(subject_kind=Order.SUBJECT_KIND, subject_id=scope.order.pk)
            | Q(subject_kind=PaymentAttempt.SUBJECT_KIND, subject_id__in=list(scope.attempts))
            | disputes.passages(scope)
            | refunds.passages(scope)
        ),
        entry=_transition,
        chips={Chip.MONEY: EVERY, Chip.PROBLEMS: Q(forbidden=True), Chip.PEOPLE: Q(actor__startswith="user:")},
    ),
)
