"""Tells facts to one receiver and reads what came of it, for the tests of the single kinds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from integrations import delivery
from integrations.facts import Fact
from integrations.models import Delivery, Destination
from tests.conformance.connectors import CAPTURE, REFUND
from tests.integrations.deliveries import make_destination, tell


class Told:
    """One destination, and the clock of its facts."""

    def __init__(self, *, kind: str, address: str, secret: str, options: dict[str, Any], facts: list[Fact]) -> None:
        self.now = datetime.now(tz=UTC)
        self.destination: Destination = make_destination(
            now=self.now,
            kind=kind,
            address=address,
            secrets=(secret,),
            options=options,
            idempotent=False,
            facts=[fact.value for fact in facts],
        )

    def record(self, fact: Fact, **payload: Any) -> Delivery:
        """Let a fact become true, a minute after the one before; nobody is told yet."""
        self.now += timedelta(minutes=1)
        more = {Fact.ORDER_PAID: CAPTURE, Fact.CAPTURE_UNAPPLIED: CAPTURE, Fact.REFUND_SUCCEEDED: REFUND}
        (row,) = tell(now=self.now, fact=fact, **{**more.get(fact, {}), **payload})
        return row

    def deliver(self, row: Delivery) -> Delivery:
        """Make one try at `row` alone, and return it as it stands then."""
        Delivery.objects.exclude(pk=row.pk).filter(state="queued").update(not_before=self.now + timedelta(days=30))
        Delivery.objects.filter(pk=row.pk).update(not_before=self.now)
        (claimed,) = delivery.claim(now=self.now, limit=1)
        delivery.mark(claimed, delivery.attempt(claimed, now=self.now), now=self.now)
        row.refresh_from_db()
        return row

    def tell(self, fact: Fact, **payload: Any) -> Delivery:
        """Record a fact and deliver it."""
        return self.deliver(self.record(fact, **payload))
