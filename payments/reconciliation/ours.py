"""Our rows beside a page of a provider's list: by its ids, and by stretches of time. Never all of them at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Exists, OuterRef, Q, QuerySet

from integrations.contract import ListedCapture
from payments.models import Capture, Dispute, PaymentAttempt

CHUNK = 500


class Ours(NamedTuple):
    """What is compared of one capture of ours and its attempt. Amounts in minor units."""

    pk: int
    capture_id: str
    account: str
    amount_minor: int
    currency: str
    fee_minor: int | None
    captured_at: datetime
    disposition: str
    attempt_id: int
    order_id: int
    attempt_state: str
    mode: str
    disputed: bool


FIELDS = (
    "pk",
    "capture_id",
    "account",
    "amount_minor",
    "currency",
    "fee_minor",
    "captured_at",
    "disposition",
    "attempt_id",
    "order_id",
    "attempt__state",
    "attempt__mode",
    "disputed",
)


@dataclass(frozen=True, slots=True)
class OurAttempt:
    """The attempt that a payment of theirs without a capture of ours belongs to."""

    pk: int
    order_id: int
    state: str
    order_state: str
    mode: str
    account: str
    has_capture: bool


def by_ids(provider: str, capture_ids: Collection[str]) -> dict[str, Ours]:
    """Return our captures of these ids of the provider's."""
    rows = _captures().filter(provider=provider, capture_id__in=capture_ids).order_by("pk")
    return {row[1]: Ours(*row) for row in rows.values_list(*FIELDS)}


def between(provider: str, *, low: datetime, high: datetime) -> Iterator[list[Ours]]:
    """Return our captures of [low, high) by captured_at, newest first, in chunks: memory knows no whole list."""
    rows = _captures().filter(provider=provider, captured_at__gte=low)
    for chunk in newest_first(rows, by="captured_at", below=high, fields=FIELDS):
        yield [Ours(*row) for row in chunk]


def _captures() -> QuerySet[Capture]:
    return Capture.objects.annotate(disputed=Exists(Dispute.objects.filter(capture=OuterRef("pk"))))


def newest_first(
    rows: QuerySet[Any], *, by: str, below: datetime, fields: Sequence[str]
) -> Iterator[list[tuple[Any, ...]]]:
    """Return these fields of the rows whose time `by` is before `below`, newest first, in chunks by key.

    `fields` must hold `pk` and `by`.
    """
    ordered = rows.order_by(f"-{by}", "-pk")
    key, moment = fields.index("pk"), fields.index(by)
    beyond = Q(**{f"{by}__lt": below})
    while True:
        chunk = list(ordered.filter(beyond).values_list(*fields)[:CHUNK])
        if chunk:
            yield chunk
        if len(chunk) < CHUNK:
            return
        at, pk = chunk[-1][moment], chunk[-1][key]
        beyond = Q(**{f"{by}__lte": at}) & (Q(**{f"{by}__lt": at}) | Q(pk__lt=pk))


def attempt_of(provider: str, listed: ListedCapture) -> OurAttempt | None:
    """Return the attempt that a listed payment names: by our reference, else by the provider's intent."""
    attempts = PaymentAttempt.objects.filter(provider=provider).select_related("order")
    found = attempts.filter(reference=listed.reference).first() if listed.reference else None
    if found is None and not listed.reference and listed.ids.intent_id:
        found = attempts.filter(intent_id=listed.ids.intent_id).first()
    if found is None:
        return None
    return OurAttempt(
        pk=found.pk,
        order_id=found.order_id,
        state=found.state,
        order_state=found.order.state,
        mode=found.mode,
        account=found.account,
        has_capture=found.captures.exists(),
    )
