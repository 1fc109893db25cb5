"""Refunds whatever happens: killed at every step, and in random company. In the end provider, rows and ledger agree."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import datetime

import pytest

from integrations.contract import InvalidRequest, ProviderError, RateLimited, Unavailable
from orders.models import Order
from payments import settlement
from payments.calls import answers as call_answers
from payments.calls import sending as calls
from payments.ledger import check as ledger_check
from payments.models import Capture, ProviderCall, Refund
from payments.refunds import recording as refunds
from payments.refunds.requests import CannotRefund
from payments.settlement import look
from payments.states import HELD_REFUNDS, UNDECIDED_REFUNDS
from tests.fake_provider import FakeProvider, Payment
from tests.world import World

MORE = int(os.environ.get("REFUND_HISTORIES", "40"))
"""How many more random histories the slow part plays; 200 were played when this was written."""

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

STEPS = (
    *("call.before_send", "call.after_send", "call.before_store", "call.after_store"),
    *("look.before_fetch", "look.after_fetch", "refund.before_posting", "settle.before_commit", "settle.after_commit"),
)


class Killed(BaseException):
    """What no handler catches, as the death of a process is."""


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    fake.pay(fake.the_payment())
    look(world.attempt.pk, clock=world.clock, actor="test")
    return world


@pytest.fixture
def kill_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the process die once, the next time it passes this step."""
    armed: list[str] = []

    def failpoint(name: str) -> None:
        if armed and armed[0] == name:
            armed.clear()
            raise Killed(name)

    for module in (calls, call_answers, settlement, refunds):
        monkeypatch.setattr(module, "failpoint", failpoint)

    def arm(name: str) -> None:
        armed[:] = [name]

    return arm


def agree(world: World) -> None:
    """Hold what must be true at the end: money here is the money there, posted; states follow; nothing is too much."""
    told = [refund for payment in world.provider.payments.values() for refund in payment.refunds]
    gone = sum(refund.amount_minor for refund in told if refund.status == "succeeded")
    ours = Refund.objects.filter(order_id=world.order_id)
    assert not ours.filter(state__in=UNDECIDED_REFUNDS).exists()
    assert sum(ours.filter(state="succeeded").values_list("amount_minor", flat=True)) == gone
    captured = sum(Capture.objects.filter(order_id=world.order_id).values_list("amount_minor", flat=True))
    held = ours.filter(made_by="ours", state__in=HELD_REFUNDS)
    assert sum(held.values_list("amount_minor", flat=True)) <= captured
    assert world.balance().get("refunds", 0) == gone
    assert sum(world.balance().values()) == 0
    assert ledger_check.check().findings == []
    expected = "refunded" if gone == 2000 else "partially_refunded" if gone else "paid"
    assert (world.order.state, world.attempt.state) == (expected, expected)
    keys = [what for verb, what in world.provider.calls if verb == "refund"]
    assert len(set(keys)) <= ProviderCall.objects.filter(operation="refund").count()


def settled(world: World) -> bool:
    return not Refund.objects.filter(state__in=UNDECIDED_REFUNDS).exists()


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_each_step_it_is_made_once(world: World, kill_at: Callable[[str], None], step: str) -> None:
    kill_at(step)
    with pytest.raises(Killed):
        world.refund(500)
    world.sweep_until(lambda: settled(world), limit_minutes=30)
    assert world.refund_states() == ["succeeded"]
    assert len(world.provider.the_payment().refunds) == 1
    agree(world)


@pytest.mark.parametrize("step", STEPS)
def test_killed_while_a_failure_is_put_back(world: World, kill_at: Callable[[str], None], step: str) -> None:
    refund = world.refund(500)
    world.provider.decide_refund(refund.refund_id, "failed")
    world.tell(world.provider.the_payment(), "refund.failed")
    kill_at(step)
    if not step.startswith(("call", "refund")):
        with pytest.raises(Killed):
            world.work()
    world.wait(minutes=2)
    world.work()
    assert world.refund_states() == ["failed"]
    agree(world)


class Company:
    """What may happen to one paid order, in any order."""

    def __init__(self, world: World, choice: random.Random) -> None:
        self.world, self.choice = world, choice
        self.payment: Payment = world.provider.the_payment()

    def act(self) -> None:
        self.choice.choice((self.ours, self.ours, self.theirs, self.decide, self.tell, self.look, self.wait))()

    def ours(self) -> None:
        """Somebody here refunds; the provider refuses, is away, or answers and is not heard."""
        troubles: list[ProviderError] = [Unavailable("away"), RateLimited("slow down"), InvalidRequest("refused")]
        self.world.provider.refund_status = self.choice.choice(("succeeded", "pending"))
        self.world.provider.fail_next = [self.choice.choice((*troubles, None, None, None))]
        self.world.provider.lose_answer_once = self.choice.random() < 0.3
        try:
            refund = self.world.ask_refund(self.choice.choice((100, 700, 2000)))
        except CannotRefund:
            return
        if self.choice.random() < 0.8:
            calls.send(refund.calls.get().pk, clock=self.world.clock)

    def theirs(self) -> None:
        try:
            self.world.provider.refund_at_provider(self.payment, amount_minor=self.choice.choice((100, 700)))
        except InvalidRequest:
            return

    def decide(self) -> None:
        """The bank decides, or takes back what it had decided."""
        made = [refund for refund in self.payment.refunds if refund.status != "failed"]
        if made:
            told = self.choice.choice(made)
            self.world.provider.decide_refund(told.refund_id, self.choice.choice(("succeeded", "failed")))

    def tell(self) -> None:
        for _ in range(self.choice.choice((1, 2))):
            self.world.tell(self.payment, self.choice.choice(("refund.updated", "charge.refunded", "refund.failed")))

    def look(self) -> None:
        look(self.world.attempt.pk, clock=self.world.clock, actor="test")

    def wait(self) -> None:
        self.world.wait(minutes=self.choice.choice((1, 10, 600)))
        self.world.work()


def _play(world: World, seed: int) -> None:
    company = Company(world, random.Random(seed))
    for _ in range(12):
        company.act()
    world.provider.fail_next, world.provider.lose_answer_once = [], False
    world.provider.refund_status = "succeeded"  # what is sent only now is decided too
    for told in list(company.payment.refunds):
        if told.status == "pending":
            world.provider.decide_refund(told.refund_id, "succeeded")
    world.sweep_until(lambda: settled(world), step_minutes=15, limit_minutes=3 * 24 * 60)
    look(world.attempt.pk, clock=world.clock, actor="test")
    agree(world)


@pytest.mark.parametrize("seed", range(12))
def test_in_any_company_all_agree_in_the_end(world: World, seed: int) -> None:
    _play(world, seed)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", range(100, 100 + MORE))
def test_in_much_more_company(world: World, seed: int) -> None:
    _play(world, seed)
