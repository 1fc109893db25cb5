"""What `rebuild_check` reads of some hundred orders at once: their rows, steps, calls and postings. Reads only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Max, Min

from orders.models import Order, OrderLine, Transition
from payments.models import Capture, LedgerEntry, PaymentAttempt, ProviderCall, Refund

Lines = dict[str, int]
"""Of one posting: account → minor units, debit positive."""

_POSTED_FOR = {"capture": ("capture", "fee", "application"), "refund": ("refund", "refund_reversal")}


@dataclass(slots=True)
class OrderFacts:
    """Everything that is known of one order, each kind of rows in the order of their keys."""

    order: Order
    lines_minor: int | None = None
    """What its lines come to; None where it has none."""
    attempts: list[PaymentAttempt] = field(default_factory=list)
    captures: list[Capture] = field(default_factory=list)
    refunds: list[Refund] = field(default_factory=list)
    calls: list[ProviderCall] = field(default_factory=list)
    steps: dict[tuple[str, int], list[Transition]] = field(default_factory=dict)
    postings: dict[tuple[str, int], Lines] = field(default_factory=dict)


def facts_of(orders: Sequence[Order]) -> list[OrderFacts]:
    """Return what is known of each of these orders; a dozen queries, however many they are."""
    by_order = {order.pk: OrderFacts(order=order) for order in orders}
    keys = list(by_order)
    for line in OrderLine.objects.filter(order_id__in=keys).order_by("pk"):
        facts = by_order[line.order_id]
        facts.lines_minor = (facts.lines_minor or 0) + line.quantity * line.unit_price_minor
    for attempt in PaymentAttempt.objects.filter(order_id__in=keys).order_by("pk"):
        by_order[attempt.order_id].attempts.append(attempt)
    for capture in Capture.objects.filter(order_id__in=keys).order_by("pk"):
        by_order[capture.order_id].captures.append(capture)
    for refund in Refund.objects.filter(order_id__in=keys).order_by("pk"):
        by_order[refund.order_id].refunds.append(refund)
    for call in ProviderCall.objects.filter(attempt__order_id__in=keys).select_related("attempt").order_by("pk"):
        by_order[call.attempt.order_id].calls.append(call)
    found = list(by_order.values())
    _add_steps(found)
    _add_postings(found)
    return found


def orders_after(key: int, *, most: int) -> list[Order]:
    """Return the next orders by key."""
    return list(Order.objects.filter(pk__gt=key).order_by("pk")[:most])


def key_range() -> tuple[int, int]:
    """Return the lowest and the highest order number; zeros where there is none."""
    ends = Order.objects.aggregate(low=Min("pk"), high=Max("pk"))
    return ends["low"] or 0, ends["high"] or 0


def _add_steps(found: Iterable[OrderFacts]) -> None:
    owners: dict[tuple[str, int], OrderFacts] = {}
    for facts in found:
        owners["order", facts.order.pk] = facts
        owners |= {("attempt", attempt.pk): facts for attempt in facts.attempts}
        owners |= {("refund", refund.pk): facts for refund in facts.refunds}
    for kind in ("order", "attempt", "refund"):
        keys = [key for each, key in owners if each == kind]
        for step in Transition.objects.filter(subject_kind=kind, subject_id__in=keys).order_by("sequence"):
            steps = owners[kind, step.subject_id].steps
            steps.setdefault((kind, step.subject_id), []).append(step)


def _add_postings(found: Iterable[OrderFacts]) -> None:
    owners: dict[str, dict[int, OrderFacts]] = defaultdict(dict)
    for facts in found:
        owners["capture"] |= {capture.pk: facts for capture in facts.captures}
        owners["refund"] |= {refund.pk: facts for refund in facts.refunds}
    for model, kinds in _POSTED_FOR.items():
        entries = LedgerEntry.objects.filter(
            transaction__cause_kind__in=kinds, transaction__cause_id__in=list(owners[model])
        ).select_related("transaction")
        for entry in entries:
            cause = (entry.transaction.cause_kind, entry.transaction.cause_id)
            lines = owners[model][entry.transaction.cause_id].postings.setdefault(cause, {})
            lines[entry.account] = lines.get(entry.account, 0) + entry.amount_minor
