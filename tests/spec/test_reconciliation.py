"""Money that nobody told us of, told as stories: every webhook is lost, and the books are put right all the same."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations import providers
from integrations.contract import ListedEvent, ProviderIds
from orders.models import Order
from payments import backfill, checkout, working
from payments.models import Case, PaymentAttempt, ProviderEvent
from payments.reconciliation import lists
from tests.factories import make_order
from tests.world import World

pytestmark = pytest.mark.django_db

ORDERS, EVERY_MINUTES, WITHIN_MINUTES = 12, 5, 15


@pytest.fixture(autouse=True)
def only_stripe(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "enabled", lambda: ("stripe",))


def _pay(world: World) -> int:
    """Let a shopper order and pay at this moment; no webhook will tell of it."""
    order = make_order(now=world.now)
    known = set(world.provider.payments)
    checkout.open_attempt(order_id=order.pk, provider="stripe", clock=world.clock, actor="shopper")
    [page_id] = set(world.provider.payments) - known
    payment = world.provider.payments[page_id]
    world.provider.pay(payment)
    return order.pk


def _is_paid(order_id: int) -> bool:
    return Order.objects.filter(pk=order_id, state="paid").exists()


@pytest.mark.slow
def test_every_webhook_of_an_hour_is_lost_and_each_order_is_right_within_fifteen_minutes(world: World) -> None:
    """Nobody does anything: the sweeper looks."""
    paid_at = {}
    late = []
    for minute in range(60 + WITHIN_MINUTES + 1):
        if minute < 60 and minute % EVERY_MINUTES == 0:
            paid_at[_pay(world)] = minute
        working.keep_house(clock=world.clock)
        world.work()
        late += [
            order_id
            for order_id, since in paid_at.items()
            if minute - since >= WITHIN_MINUTES and not _is_paid(order_id)
        ]
        world.wait(minutes=1)
    assert len(paid_at) == ORDERS and late == []
    assert all(map(_is_paid, paid_at))
    assert not ProviderEvent.objects.exists(), "no webhook ever came"
    assert not Case.objects.exclude(kind__in=["provider_silent", "worker_silent"]).exists()  # no process runs here
    assert Case.objects.filter(kind="provider_silent").exists(), "a person hears that they stay away"


def test_with_reconcile_at_once(world: World) -> None:
    orders = [_pay(world) for _ in range(ORDERS)]
    assert not any(map(_is_paid, orders))
    lists.reconcile(
        "stripe",
        since=world.now - timedelta(days=1),
        dry_run=False,
        actor="command:reconcile",
        clock=world.clock,
        pause=lambda _: None,
    )
    assert all(map(_is_paid, orders))
    assert world.balance() == {"clearing:stripe": 1941 * ORDERS, "fees": 59 * ORDERS, "sales": -2000 * ORDERS}
    assert world.cases() == []


def test_the_missed_events_are_fetched_and_say_the_same(world: World) -> None:
    orders = [_pay(world) for _ in range(3)]
    for number, payment in enumerate(world.provider.payments.values()):
        told = world.provider.notification(
            f"evt_{number}",
            created_at=world.now,
            reference=payment.request.reference,
            ids=ProviderIds(page_id=payment.page_id, intent_id=payment.intent_id),
        )
        world.provider.events.append(ListedEvent(notification=told, body=b"{}"))
    fetched = backfill.fetch("stripe", since=None, dry_run=False, clock=world.clock)
    assert fetched.missed == 3
    world.work()
    assert all(map(_is_paid, orders))
    assert set(ProviderEvent.objects.values_list("source", "state")) == {("backfill", "processed")}
    assert PaymentAttempt.objects.filter(state="paid").count() == 3
