"""How an order has ended, as rows that any history of it must leave alike: times, row numbers and random ids aside."""

from __future__ import annotations

import json
from typing import Any

from integrations.models import OutboxEvent
from payments.ledger import check as ledger_check
from payments.models import Capture, Case, LedgerEntry, PaymentAttempt, ProviderEvent
from tests.payments.provider_shop import ProviderShop

ATTEMPT = (
    "provider", "presentation", "state", "amount_minor", "currency", "mode", "account", "page_open", "in_review",
    "decline_reason", "decline_code", "look_failures", "look_error",
)  # fmt: skip
CAPTURE = ("provider", "account", "amount_minor", "currency", "fee_minor", "attempt__provider")
ENTRY = ("transaction__cause_kind", "transaction__currency", "account", "amount_minor")
NOT_TOLD = ("number", "token", "status_url", "pay_url", "order", "case", "cause")
"""What a fact tells that is another for each order and case; its cause names the look by its number."""


def end_of(shop: ProviderShop, *, first_decides: bool) -> dict[str, Any]:
    """Return what must be equal. `first_decides`: but for which of two captures pays the order.

    Random ids count too: where rows name the attempt, page, payment or capture, it must be the same one.
    """
    captures = list(Capture.objects.order_by("attempt", "captured_at", "capture_id"))
    return {
        "order": (shop.order.state, shop.order.paid_at is not None),
        "attempts": list(PaymentAttempt.objects.order_by("pk").values_list(*ATTEMPT)),
        "never looked at again": [each.next_look_at is None for each in shop.attempts],
        "captures": sorted(Capture.objects.values_list(*CAPTURE), key=str),
        "dispositions": sorted(each.disposition for each in captures)
        if first_decides
        else [each.disposition for each in captures],
        "ledger": sorted(LedgerEntry.objects.values_list(*ENTRY)),
        "outbox": sorted(_fact(shop, each, captures, whole=not first_decides) for each in OutboxEvent.objects.all()),
        "cases": sorted(Case.objects.values_list("kind", "subject_kind", "amount_minor"), key=str),
        "forbidden": shop.forbidden(),
    }


def _fact(shop: ProviderShop, event: OutboxEvent, captures: list[Capture], *, whole: bool) -> tuple[str, ...]:
    if not whole:
        return event.fact, event.subject_kind
    return event.fact, event.subject_kind, _with_names(_without_times(event.payload), shop, captures)


def _without_times(told: Any) -> Any:
    if isinstance(told, dict):
        return {
            name: _without_times(value)
            for name, value in told.items()
            if not name.endswith("_at") and name not in NOT_TOLD
        }
    return [_without_times(each) for each in told] if isinstance(told, list) else told


def _with_names(told: Any, shop: ProviderShop, captures: list[Capture]) -> str:
    """Return it as JSON, each random id replaced by what it is the id of."""
    names = {}
    for number, attempt in enumerate(shop.attempts):
        names[attempt.reference] = f"reference {number}"
        names[attempt.page_id], names[attempt.intent_id] = f"page {number}", f"intent {number}"
    names |= {capture.capture_id: f"capture {number}" for number, capture in enumerate(captures)}
    text = json.dumps(told, sort_keys=True)
    for each in sorted(filter(None, names), key=len, reverse=True):
        text = text.replace(each, names[each])
    return text


def assert_nothing_is_left(shop: ProviderShop) -> None:
    """All money that moved is recorded, the books are right, and no event waits, is parked or was given up."""
    assert shop.captured_minor() == shop.moved_minor()
    assert not LedgerEntry.objects.filter(account="suspense").exists()
    assert list(ledger_check.check().findings) == []
    waiting = ProviderEvent.objects.exclude(state__in=["processed", "ignored", "rejected"])
    assert list(waiting.values_list("type", "state", "error")) == []
    rejected = ProviderEvent.objects.filter(state="rejected").exclude(error__startswith="A copy: ")
    assert list(rejected.values_list("type", "error")) == []
