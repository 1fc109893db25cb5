"""Our rows beside a page of a provider's list: by its ids, and by stretches of time. Never all of them at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.db.models import Q

from integrations.contract import ListedCapture
from payments.models import Capture, PaymentAttempt

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
    rows = Capture.objects.filter(provider=provider, capture_id__in=capture_ids).order_by("pk")
    return {row[1]: Ours(*row) for row in rows.values_list(*FIELDS)}


def between(provider: str, *, low: datetime, high: datetime) -> Iterator[list[Ours]]:
    """Return our captures of [low, high) by captured_at, newest first, in chunks: memory knows no whole list."""
    rows = Capture.objects.filter(provider=provider, captured_at__gte=low).order_by("-captured_at", "-pk")
    below = Q(captured_at__lt=high)
    while True:
        chunk = [Ours(*row) for row in rows.filter(below).values_list(*FIELDS)[:CHUNK]]
        if chunk:
            yield chunk
        if len(chunk) < CHUNK:
            return
        last = chunk[-1]
        below = Q(captured_at__lte=last.captured_at) & (Q(captured_at__lt=last.captured_at) | Q(pk__lt=last.pk))


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
