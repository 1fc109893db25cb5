"""Two books that should agree: the scripted provider's and ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connections

from integrations.contract import CaptureSnapshot
from payments import checkout
from payments.models import Case, PaymentAttempt, ReconciliationFinding, ReconciliationRun
from payments.reconciliation import lists
from payments.settlement import look
from tests.factories import make_order
from tests.fake_provider import MOMENT, FakeProvider, Payment


class Books:
    """Makes payments on both sides, or on theirs only, and reconciles."""

    def __init__(self, provider: FakeProvider) -> None:
        self.provider = provider
        self.now = MOMENT
        self._seconds = 0

    def clock(self) -> datetime:
        return self.now

    def attempt(self) -> tuple[PaymentAttempt, Payment]:
        """Open an attempt of a new order."""
        order = make_order(now=self.now)
        known = set(self.provider.payments)
        checkout.open_attempt(order_id=order.pk, provider="stripe", clock=self.clock, actor="shopper")
        [page_id] = set(self.provider.payments) - known
        return PaymentAttempt.objects.get(page_id=page_id), self.provider.payments[page_id]

    def pay(self, payment: Payment, *, look_at: PaymentAttempt | None = None) -> CaptureSnapshot:
        """Let money move, each payment a second before the one made before it; look, if so asked."""
        capture = self.provider.pay(payment)
        self._seconds += 1
        moved = CaptureSnapshot(
            capture_id=capture.capture_id,
            amount_minor=capture.amount_minor,
            currency=capture.currency,
            captured_at=MOMENT - timedelta(seconds=self._seconds),
            fee_minor=capture.fee_minor,
        )
        payment.captures[-1] = moved
        if look_at is not None:
            look(look_at.pk, clock=self.clock, actor="test")
        return moved

    def paid(self) -> tuple[PaymentAttempt, Payment, CaptureSnapshot]:
        """Make a payment that both sides know."""
        attempt, payment = self.attempt()
        capture = self.pay(payment, look_at=attempt)
        return PaymentAttempt.objects.get(pk=attempt.pk), payment, capture

    def reconcile(
        self, *, days: float = 1, dry_run: bool = False, told: Callable[[ReconciliationRun], None] = lambda _: None
    ) -> ReconciliationRun:
        """Read both sides of the last days."""
        [run] = lists.reconcile(
            "stripe",
            since=self.now - timedelta(days=days),
            dry_run=dry_run,
            actor="test",
            clock=self.clock,
            pause=lambda _: None,
            told=told,
        )
        return run

    def found(self, run: ReconciliationRun | None = None) -> list[tuple[str, str]]:
        """Return difference and upshot of each finding (of one run)."""
        rows = ReconciliationFinding.objects.filter(run=run) if run else ReconciliationFinding.objects.all()
        return sorted(rows.values_list("difference", "upshot"))

    def cases(self) -> list[str]:
        return sorted(Case.objects.filter(closed_at=None).values_list("kind", flat=True))


def rewrite(table: str, row_id: int, **columns: str | int) -> None:
    """Change a row behind the product's back, as its owner with the triggers off. Needs a committed row."""
    assignments = ", ".join(f"{name} = %s" for name in columns)
    with connections["owner"].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        cursor.execute(f"UPDATE {table} SET {assignments} WHERE id = %s", [*columns.values(), row_id])
        cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
