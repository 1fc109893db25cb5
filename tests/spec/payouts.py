"""What the stories of payouts have in common: the provider's entry of the payment, and bringing in what it tells."""

from __future__ import annotations

from typing import Any

from integrations.contract import (
    BalanceEntry,
    CaptureSnapshot,
    EntryKind,
)
from payments.models import Payout
from payments.payouts.explanation import Explanation, explain
from payments.payouts.mirror import mirror
from tests.world import World


def capture_of(world: World) -> CaptureSnapshot:
    return world.provider.the_payment().captures[0]


def payment_entry(world: World, **changes: Any) -> BalanceEntry:
    """The provider's entry of the order's capture."""
    capture = capture_of(world)
    told: dict[str, Any] = {"fee_minor": 59, "source_id": capture.capture_id, **changes}
    return world.provider.entry(EntryKind.PAYMENT, capture.amount_minor, **told)


def bring_in(world: World) -> None:
    done = mirror("stripe", clock=world.clock)
    assert (done.complete, done.error) == (True, None)


def payout() -> Payout:
    return Payout.objects.get()


def explained() -> Explanation:
    return explain(payout())
