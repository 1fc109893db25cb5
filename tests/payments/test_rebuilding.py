"""`rebuild_check`: nothing differs after whatever may happen, and each row that is tampered with is named once."""

from __future__ import annotations

import json
import random
from datetime import datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orders.models import Order
from payments import rebuilding
from payments.ledger import check as ledger_check
from payments.models import Capture, PaymentAttempt, Refund
from payments.rebuilding import check
from tests.audit_rows import tamper
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.payments.flows import FLOWS, Flow
from tests.payments.test_histories import begun, interleaved, one_sweep, undone
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)  # the owner tampers past the application's transaction


def give_back(world: World, choice: random.Random) -> None:
    """Let some money go back: asked for here or made at the provider, at once or late, for good or not."""
    for capture in Capture.objects.filter(order_id=world.order_id):
        for _ in range(choice.randrange(3)):
            world.provider.refund_status = choice.choice(("succeeded", "pending", "failed"))
            amount = choice.randrange(1, capture.amount_minor // 3)
            if choice.random() < 0.5:
                world.refund(amount, capture=capture)
            else:
                holder = world.provider.payment_of(capture.capture_id)
                world.provider.refund_at_provider(holder, capture_id=capture.capture_id, amount_minor=amount)
            world.wait(minutes=1)
            if choice.random() < 0.5:  # no sweep to the end: an undecided refund is looked at for ever
                world.work()
    world.provider.refund_status = "succeeded"
    told = Refund.objects.exclude(refund_id="").order_by("pk").values_list("refund_id", "state")
    for refund_id, _ in [each for each in told if each[1] != "failed"]:
        if choice.random() < 0.4:
            world.provider.decide_refund(refund_id, choice.choice(("succeeded", "failed")))
    for attempt in world.attempts:
        look_again(world, attempt)


def look_again(world: World, attempt: PaymentAttempt) -> None:
    from payments.settlement import look

    world.wait(minutes=1)
    look(attempt.pk, clock=world.clock, actor="test")


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.django_db
@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_nothing_differs_after_any_history(flow: Flow, fake: FakeProvider, order: Order, now: datetime) -> None:
    for seed in range(4):
        choice = random.Random(seed)
        world = begun(flow, provider=fake, order=order, now=now)
        with undone():
            interleaved(choice)(world, flow)
            assert check().differences == [], f"seed {seed}, under way"
            one_sweep(world)
            give_back(world, choice)
            assert check().differences == [], f"seed {seed}"
            assert ledger_check.check().findings == [], f"seed {seed}"


# --- what is planted -----------------------------------------------------------------------------------------


@pytest.fixture
def world(fake: FakeProvider, now: datetime) -> World:
    """An order paid twice on one page, 5.00 of it given back; beside it two orders that nothing is wrong with."""
    for each in (make_order(now=now), make_order(now=now)):
        paid = World(provider=fake, order=each, now=now)
        paid.press_pay()
        payment = list(fake.payments.values())[-1]
        fake.pay(payment)
        if each.pk % 2:
            fake.pay(payment)
        look_again(paid, paid.attempt)
    World(provider=fake, order=make_order(now=now), now=now).press_pay()
    twice = Capture.objects.filter(disposition="unapplied").get()
    world = World(provider=fake, order=twice.order, now=now)
    world.wait(minutes=5)
    world.refund(500, capture=Capture.objects.get(order=twice.order, disposition="applied"))
    assert world.order.state == "partially_refunded"
    assert check().differences == []
    return world


def applied(world: World) -> Capture:
    return Capture.objects.get(order_id=world.order_id, disposition="applied")


ORDER, ATTEMPT = "orders_order", "payments_paymentattempt"
CAPTURE, REFUND, STEP = "payments_capture", "payments_refund", "orders_transition"
ENTRY = "payments_ledgerentry"
_OF_ORDER = "WHERE subject_kind = 'order' AND subject_id = %(order)s"
_OF_CAPTURE = "WHERE transaction_id = (SELECT id FROM payments_ledgertransaction WHERE cause_kind = 'capture' AND "
PLANTED = [
    (ORDER, "UPDATE orders_order SET state = 'paid' WHERE id = %(order)s", "order", "state", "partially_refunded"),
    (ORDER, "UPDATE orders_order SET state = 'expired' WHERE id = %(order)s", "order", "state", "partially_refunded"),
    (ORDER, "UPDATE orders_order SET paid_at = NULL WHERE id = %(order)s", "order", "paid_at", "2026-11-21T12:0"),
    (ORDER, "UPDATE orders_order SET total_minor = 1 WHERE id = %(order)s", "order", "total_minor", "2000"),
    (
        ATTEMPT,
        "UPDATE payments_paymentattempt SET state = 'failed' WHERE order_id = %(order)s",
        "attempt",
        "state",
        "partially_refunded",
    ),
    (
        ATTEMPT,
        "UPDATE payments_paymentattempt SET amount_minor = 1 WHERE order_id = %(order)s",
        "attempt",
        "amount_minor",
        "2000",
    ),
    (CAPTURE, "UPDATE payments_capture SET amount_minor = 1 WHERE id = %(capture)s", "capture", "amount_minor", "2000"),
    (CAPTURE, "UPDATE payments_capture SET fee_minor = 0 WHERE id = %(capture)s", "capture", "fee_minor", "59"),
    (
        CAPTURE,
        "UPDATE payments_capture SET disposition = 'suspense' WHERE id = %(capture)s",
        "capture",
        "disposition",
        "applied",
    ),
    (REFUND, "UPDATE payments_refund SET state = 'pending' WHERE id = %(refund)s", "refund", "state", "succeeded"),
    (REFUND, "UPDATE payments_refund SET state = 'failed' WHERE id = %(refund)s", "refund", "state", "succeeded"),
    (REFUND, "UPDATE payments_refund SET amount_minor = 1 WHERE id = %(refund)s", "refund", "amount_minor", "500"),
    (STEP, f"UPDATE orders_transition SET to_state = 'expired' {_OF_ORDER} AND sequence = 2", "order", "state",
     "expired"),
    (STEP, f"DELETE FROM orders_transition {_OF_ORDER} AND sequence = 1", "steps of order", "chain", "step 1"),
    (STEP, f"UPDATE orders_transition SET to_state = 'expired' {_OF_ORDER} AND sequence = 1", "steps of order", "chain",
     "from expired"),
    (
        ENTRY,
        f"UPDATE {ENTRY} SET account = 'suspense' {_OF_CAPTURE} cause_id = %(capture)s) AND account = 'sales'",
        "capture",
        "disposition",
        "suspense",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("table", "statement", "subject", "name", "derived"), PLANTED)
def test_what_is_planted_is_named_once(
    world: World, table: str, statement: str, subject: str, name: str, derived: str
) -> None:
    refund = Refund.objects.get()
    keys = {"order": world.order_id, "capture": applied(world).pk, "refund": refund.pk}
    for key, value in keys.items():
        statement = statement.replace(f"%({key})s", str(value))
    tamper(table, statement)
    [difference] = check().differences
    assert (difference.order, difference.field) == (world.order_id, name)
    assert difference.subject.startswith(subject)
    assert difference.derived.startswith(derived)
    assert difference.stored != difference.derived


def test_both_sources_are_named(world: World) -> None:
    tamper(ORDER, "UPDATE orders_order SET state = 'expired' WHERE id = %s", world.order_id)
    [difference] = check().differences
    assert difference.source == "its steps and its captures and refunds"
    assert f"reconcile --order {world.order_id}" in str(difference)


def test_small_pages_find_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tamper(ORDER, "UPDATE orders_order SET state = 'expired' WHERE id = %s", world.order_id)
    whole = check()
    monkeypatch.setattr(rebuilding, "AT_ONCE", 1)
    assert check() == whole
    assert whole.orders == Order.objects.count()


class TestTheCommand:
    def test_clean(self, world: World, capsys: Any) -> None:
        call_command("rebuild_check")
        assert capsys.readouterr().out.strip() == "3 orders derived anew, 0 differences"

    def test_differences_end_with_3(self, world: World, capsys: Any) -> None:
        tamper(ORDER, "UPDATE orders_order SET state = 'expired' WHERE id = %s", world.order_id)
        with pytest.raises(SystemExit) as ended:
            call_command("rebuild_check", "--json")
        assert ended.value.code == 3
        report = json.loads(capsys.readouterr().out)
        assert report["difference_count"] == 1
        assert report["differences"][0]["stored"] == "expired"

    def test_one_order(self, world: World, capsys: Any) -> None:
        tamper(ORDER, "UPDATE orders_order SET state = 'expired' WHERE id = %s", world.order_id)
        other = Order.objects.exclude(pk=world.order_id).values_list("pk", flat=True)[0]
        call_command("rebuild_check", "--order", str(other))
        assert capsys.readouterr().out.strip() == "1 orders derived anew, 0 differences"
        with pytest.raises(SystemExit):
            call_command("rebuild_check", "--order", str(world.order_id))

    @pytest.mark.parametrize("number", ["0", "999999999", "9" * 30, "-1"])
    def test_an_order_that_is_none(self, world: World, number: str) -> None:
        with pytest.raises(CommandError, match="There is no order"):
            call_command("rebuild_check", f"--order={number}")
