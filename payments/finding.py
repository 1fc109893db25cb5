"""Finds orders, and what else has an id, by what a person typed (payments/searching.py). Every query has its index.

Threats: a search that reads whole tables (each one's plan is tested), one that lists customers (addresses are shown
masked; at most MOST hits).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from integrations import providers
from integrations.models import Delivery, OutboxEvent
from orders.models import Order, Transition
from payments.models import (
    AuditRecord,
    Capture,
    Case,
    Dispute,
    PaymentAttempt,
    ProviderCall,
    ProviderEvent,
    Refund,
    StaffAction,
)
from payments.searching import Amount, Question
from payments.timeline import OwnPage

MOST = 50
_MOST_OF_ONE_ID = 20


@dataclass(frozen=True, slots=True)
class Hit:
    """One finding: `order_id`, where it belongs to an order, else `page`. `by`: what was found, in words.

    `correlation_id`: by which the order's timeline is to be filtered.
    """

    by: str
    order_id: int | None = None
    page: OwnPage | None = None
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """`orders`: found orders with what each was found by, the best first. `others`: rows that belong to no order."""

    orders: tuple[tuple[Order, Hit], ...]
    others: tuple[Hit, ...]
    more: bool = False

    @property
    def only(self) -> Hit | None:
        """Return the one finding there is, or None."""
        hits = [*(hit for _, hit in self.orders), *self.others]
        return hits[0] if len(hits) == 1 and not self.more else None


def find(question: Question) -> Found:
    """Return what the question finds: exact ids first; only where they find nothing, beginnings and amounts."""
    for step in (_exact, _by_beginning, _by_amount):
        hits = list(step(question))
        if hits:
            return _found(hits)
    return Found((), ())


def _found(hits: list[Hit]) -> Found:
    by_order: dict[int, Hit] = {}
    others: dict[OwnPage, Hit] = {}
    for hit in hits:
        if hit.order_id is not None:
            by_order.setdefault(hit.order_id, hit)
        elif hit.page is not None:
            others.setdefault(hit.page, hit)
    wanted = list(by_order)[:MOST]
    orders = Order.objects.in_bulk(wanted)
    return Found(
        tuple((orders[key], by_order[key]) for key in wanted if key in orders),
        tuple(others.values())[:MOST],
        more=len(by_order) > MOST or len(others) > MOST,
    )


# --- exact: numbers, ids, addresses ----------------------------------------------------------------------------


def _exact(question: Question) -> Iterator[Hit]:
    if question.number is not None:
        yield from _numbered("order", question.number)
    if question.numbered is not None:
        yield from _numbered(*question.numbered)
    if question.word:
        yield from _by_id(question.word)
    if question.email:
        yield from _orders(Order.objects.filter(email=question.email), "its e-mail address")


def _numbered(kind: str, key: int) -> Iterator[Hit]:
    model = _BY_NUMBER[kind]
    for row in model._default_manager.filter(pk=key):
        yield _hit(row, f"{kind} {key}")


def _by_id(word: str) -> Iterator[Hit]:
    words = {word, word.lower()}
    for label, rows in _IDS:
        for row in rows(words).order_by()[:_MOST_OF_ONE_ID]:
            yield _hit(row, f"{label} {word}")
    for identifier in _uuids(word):
        for row in OutboxEvent.objects.filter(uid=identifier):
            yield _hit(row, f"fact {word}")
        for row in StaffAction.objects.filter(uid=identifier):
            yield _hit(row, f"act {word}")
    for model in (ProviderEvent, OutboxEvent, Transition, StaffAction, AuditRecord):
        for row in model._default_manager.filter(correlation_id__in=words).order_by()[:_MOST_OF_ONE_ID]:
            hit = _hit(row, f"correlation id {word}")
            yield Hit(hit.by, hit.order_id, hit.page, row.correlation_id)


def _uuids(word: str) -> Iterator[uuid.UUID]:
    try:
        yield uuid.UUID(word)
    except ValueError:
        return


Lookup = Callable[[set[str]], QuerySet[Any]]

_IDS: tuple[tuple[str, Lookup], ...] = (
    ("order's token", lambda words: Order.objects.filter(token__in=words)),
    ("attempt", lambda words: PaymentAttempt.objects.filter(reference__in=words)),
    ("page", lambda words: PaymentAttempt.objects.filter(page_id__in=words)),
    ("payment", lambda words: PaymentAttempt.objects.filter(intent_id__in=words)),
    ("capture", lambda words: Capture.objects.filter(capture_id__in=words)),
    ("refund", lambda words: Refund.objects.filter(Q(refund_id__in=words) | Q(reference__in=words))),
    ("dispute", lambda words: Dispute.objects.filter(dispute_id__in=words)),
    (
        "event",
        lambda words: ProviderEvent.objects.filter(provider__in=_provider_names(), event_id__in=words),
    ),
    (
        "event about",
        lambda words: ProviderEvent.objects.filter(reference__in=words, attempt=None),
    ),
    ("delivery", lambda words: Delivery.objects.filter(key__in=words)),
    ("our call", lambda words: ProviderCall.objects.filter(idempotency_key__in=words)),
)

_BY_NUMBER: dict[str, type[Any]] = {
    "order": Order,
    "case": Case,
    "action": StaffAction,
    "attempt": PaymentAttempt,
    "event": ProviderEvent,
    "call": ProviderCall,
    "capture": Capture,
    "refund": Refund,
    "delivery": Delivery,
    "dispute": Dispute,
}


def _provider_names() -> list[str]:
    return sorted({*providers.enabled(), *providers.FACTORIES})


# --- to which order a row belongs ------------------------------------------------------------------------------


def _hit(row: Any, by: str) -> Hit:
    return Hit(by, _order_id(row), OwnPage(row._meta.label_lower, row.pk))


def _order_id(row: Any) -> int | None:
    if isinstance(row, Order):
        return row.pk
    if isinstance(row, Delivery):
        row = row.event
    if isinstance(row, ProviderEvent | ProviderCall):
        return row.attempt.order_id if row.attempt is not None else None
    if isinstance(row, OutboxEvent | Transition | AuditRecord):
        return _order_of(row.subject_kind, row.subject_id)
    order_id: int | None = row.order_id
    return order_id


def _order_of(kind: str, key: int) -> int | None:
    if kind == Order.SUBJECT_KIND:
        return key
    if kind == PaymentAttempt.SUBJECT_KIND:
        return PaymentAttempt.objects.filter(pk=key).values_list("order_id", flat=True).first()
    if kind == Refund.SUBJECT_KIND:
        return Refund.objects.filter(pk=key).values_list("order_id", flat=True).first()
    if kind == Dispute.SUBJECT_KIND:
        return Dispute.objects.filter(pk=key).values_list("order_id", flat=True).first()
    if kind == "case":
        return Case.objects.filter(pk=key).values_list("order_id", flat=True).first()
    return None


# --- beginnings of addresses, amounts and days -----------------------------------------------------------------


def _by_beginning(question: Question) -> Iterator[Hit]:
    if question.beginning:
        yield from _orders(Order.objects.filter(email__startswith=question.beginning), "the beginning of its e-mail")


def _by_amount(question: Question) -> Iterator[Hit]:
    """Orders of this amount, and orders for which this much was taken; nearby days only where the day has none."""
    days = [(_begin(day), _begin(day + timedelta(days=1))) for day in question.days]
    nearby = [(begin - timedelta(days=1), end + timedelta(days=1)) for begin, end in days]
    for spans in (days, nearby) if days else ([None],):
        hits = [hit for amount in question.amounts for span in spans for hit in _of_amount(amount, span)]
        if hits:
            yield from hits
            return


def _begin(day: Any) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)


def _of_amount(amount: Amount, span: tuple[datetime, datetime] | None) -> Iterator[Hit]:
    orders = Order.objects.filter(total_minor=amount.minor, currency__in=amount.currencies)
    captures = Capture.objects.filter(amount_minor=amount.minor, currency__in=amount.currencies)
    if span is not None:
        orders = orders.filter(placed_at__gte=span[0], placed_at__lt=span[1])
        captures = captures.filter(captured_at__gte=span[0], captured_at__lt=span[1])
    for key in orders.order_by("-placed_at").values_list("pk", flat=True)[: MOST + 1]:
        yield Hit("its amount", key)
    for key in captures.order_by("-captured_at").values_list("order_id", flat=True)[: MOST + 1]:
        yield Hit("the amount that was taken", key)


def _orders(rows: QuerySet[Order], by: str) -> Iterable[Hit]:
    return [Hit(by, key) for key in rows.order_by("-pk").values_list("pk", flat=True)[: MOST + 1]]
