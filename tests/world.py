"""A small shop for histories: one order, a scripted provider, hints in any order, and a clock that the test moves."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from integrations.contract import ProviderIds, RefundReason
from orders.models import Order, Transition
from orders.money import Money
from payments import checkout, expiry, inbox, settlement, working
from payments.calls import sending as calls
from payments.models import Capture, Case, LedgerEntry, PaymentAttempt, ProviderEvent, Refund
from payments.refunds import requests as refund_requests
from tests.fake_provider import FakeProvider, Payment


class World:
    """Moves the shop as its people and processes would, without processes."""

    def __init__(self, *, provider: FakeProvider, order: Order, now: datetime) -> None:
        self.provider = provider
        self.order_id = order.pk
        self.now = now
        self._events = itertools.count(1)

    def clock(self) -> datetime:
        return self.now

    def wait(self, **duration: float) -> None:
        """Let time pass, e.g. `minutes=5`."""
        self.now += timedelta(**duration)

    # --- the shopper -----------------------------------------------------------------------------------------

    def press_pay(self, provider: str = "stripe") -> checkout.Opening:
        return checkout.open_attempt(order_id=self.order_id, provider=provider, clock=self.clock, actor="shopper")

    # --- the shop's people -----------------------------------------------------------------------------------

    def ask_refund(self, amount_minor: int | None = None, *, capture: Capture | None = None) -> Refund:
        """Have a refund written down, as an approved act does: what is left of the one capture, unless told."""
        with transaction.atomic():
            order = Order.objects.select_for_update(no_key=True).get(pk=self.order_id)
            chosen = capture or Capture.objects.get(order=order)
            settlement.lock(chosen.attempt_id)
            locked = Capture.objects.select_for_update(no_key=True).get(pk=chosen.pk)
            left = refund_requests.left_of(locked)
            return refund_requests.request_refund(
                locked,
                amount=left if amount_minor is None else Money(amount_minor, locked.currency),
                reason=RefundReason.REQUESTED_BY_CUSTOMER,
                action=None,
                at=self.now,
            )

    def refund(self, amount_minor: int | None = None, *, capture: Capture | None = None) -> Refund:
        """Ask for a refund, send its call and look, as an approved act does."""
        refund = self.ask_refund(amount_minor, capture=capture)
        calls.send(refund.calls.get().pk, clock=self.clock)
        settlement.look(refund.attempt_id, clock=self.clock, actor="test")
        return Refund.objects.get(pk=refund.pk)

    # --- the provider ----------------------------------------------------------------------------------------

    def tell(
        self, payment: Payment, type: str = "checkout.session.completed", *, event_id: str = "", **more: Any
    ) -> bool:
        """Let the provider's webhook arrive; True if it was new."""
        told: dict[str, Any] = {
            "reference": payment.request.reference,
            "ids": ProviderIds(page_id=payment.page_id, intent_id=payment.intent_id),
            "object_ids": tuple(filter(None, (payment.page_id, payment.intent_id))),
        }
        told.update(more)
        notification = self.provider.notification(event_id or f"evt_{next(self._events)}", type, **told)
        return inbox.receive(notification, body=b'{"id": "evt"}', at=self.now)

    # --- the workers -----------------------------------------------------------------------------------------

    def work(self) -> None:
        """Let the workers do all that is due at this moment, in this thread."""
        for _ in range(50):
            jobs = working._look_jobs(self.clock)
            if not jobs:
                break
            for job in jobs:
                job()
        for order_id in expiry.orders_to_expire(at=self.now, most=10):
            expiry.expire_order(order_id, clock=self.clock, actor="worker:keep")

    def sweep_until(self, quiet: Callable[[], bool], *, step_minutes: int = 1, limit_minutes: int = 300) -> None:
        """Move the clock on, working at each step, until `quiet()`."""
        for _ in range(limit_minutes // step_minutes):
            self.work()
            if quiet():
                return
            self.wait(minutes=step_minutes)

    # --- what is true now ------------------------------------------------------------------------------------

    @property
    def order(self) -> Order:
        return Order.objects.get(pk=self.order_id)

    @property
    def attempts(self) -> list[PaymentAttempt]:
        return list(PaymentAttempt.objects.filter(order_id=self.order_id).order_by("pk"))

    @property
    def attempt(self) -> PaymentAttempt:
        (attempt,) = self.attempts
        return attempt

    def balance(self) -> dict[str, int]:
        """Return the ledger: account → minor units, debit positive."""
        accounts: dict[str, int] = {}
        for entry in LedgerEntry.objects.all():
            accounts[entry.account] = accounts.get(entry.account, 0) + entry.amount_minor
        return accounts

    def facts(self) -> list[str]:
        from integrations.models import OutboxEvent

        return list(OutboxEvent.objects.order_by("pk").values_list("fact", flat=True))

    def cases(self) -> list[str]:
        return sorted(Case.objects.filter(closed_at=None).values_list("kind", flat=True))

    def dispositions(self) -> list[str]:
        return sorted(Capture.objects.values_list("disposition", flat=True))

    def refund_states(self) -> list[str]:
        return list(Refund.objects.order_by("pk").values_list("state", flat=True))

    def event_states(self) -> list[str]:
        return sorted(ProviderEvent.objects.values_list("state", flat=True))

    def forbidden(self) -> int:
        return Transition.objects.filter(forbidden=True).count()
