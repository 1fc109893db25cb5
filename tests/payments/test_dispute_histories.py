"""The events of a dispute in every order, doubled, lost and early; and at once: the same rows, the same money."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integrations.contract import MovementKind
from payments.ledger import check as ledger_check
from payments.models import Case, Dispute, DisputeMovement, LedgerTransaction
from payments.settlement import look
from tests.fake_provider import FakeProvider, Payment
from tests.payments.test_at_once import at_once
from tests.payments.test_dispute_acts import PROOF, open_desk
from tests.payments.test_histories import branch
from tests.world import World

Step = Callable[[World, str], None]
EVENTS = ("created", "updated", "funds_withdrawn", "funds_reinstated", "closed")


def _moves(status: str, *, money: bool = True) -> Step:
    return lambda world, dispute_id: world.provider.decide(dispute_id, status, money=money)


def _answered(world: World, dispute_id: str) -> None:
    world.provider.change(dispute_id, status="under_review", evidence_submitted=True)


def _money(world: World, dispute_id: str) -> None:
    world.provider.move_money(dispute_id, MovementKind.REINSTATED)


FLOWS: dict[str, tuple[bool, tuple[Step, ...]]] = {
    "won": (False, (_answered, _moves("won"))),
    "won, money later": (False, (_answered, _moves("won", money=False), _money)),
    "lost": (False, (_answered, _moves("lost"))),
    "never answered": (False, (_moves("lost"),)),
    "inquiry closed": (True, (_moves("closed"),)),
    "inquiry escalated and lost": (True, (_moves("open"), _moves("lost"))),
    "inquiry escalated and won": (True, (_moves("open"), _answered, _moves("won"))),
}
"""Whether it begins as an inquiry, and what the bank then does."""
FLOW = pytest.mark.parametrize("flow", FLOWS)


@pytest.fixture
def world(fake: FakeProvider, order: Any, now: Any) -> World:
    """A paid order."""
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    fake.pay(fake.the_payment())
    world.tell(fake.the_payment())
    world.work()
    return world


def end_of(world: World) -> dict[str, Any]:
    """Return all that must be equal, times and row numbers aside."""
    dispute = Dispute.objects.get()
    assert ledger_check.check().findings == []
    return {
        "dispute": (dispute.state, dispute.amount_minor, dispute.evidence_submitted_at is not None),
        "order": (world.order.state, world.attempt.state),
        "balance": {account: minor for account, minor in world.balance().items() if minor},
        "movements": sorted(DisputeMovement.objects.values_list("kind", "amount_minor", "fee_minor")),
        "facts": sorted(fact for fact in world.facts() if fact != "case.opened"),
        "cases": world.cases(),
        "forbidden": world.forbidden(),
    }


def play(world: World, flow: str, *, told: Callable[[int], list[str]]) -> dict[str, Any]:
    """Let it happen step by step; `told(step)`: the events that arrive after it. Then wait until all is quiet."""
    inquiry, steps = FLOWS[flow]
    payment: Payment = world.provider.the_payment()
    dispute_id = world.provider.dispute(payment, inquiry=inquiry)
    _tell(world, payment, ["created"])  # the first is never lost here: without it nobody knows to look
    for number, step in enumerate(steps):
        step(world, dispute_id)
        _tell(world, payment, told(number))
    world.sweep_until(lambda: world.attempt.next_look_at is None, step_minutes=60, limit_minutes=60 * 24 * 9)
    return end_of(world)


def _tell(world: World, payment: Payment, events: list[str]) -> None:
    for event in events:
        world.tell(payment, f"charge.dispute.{event}")
    if events:
        world.work()


@pytest.mark.slow
@FLOW
@pytest.mark.django_db
def test_events_in_any_order_doubled_and_lost_end_the_same(world: World, flow: str) -> None:
    expected: dict[str, Any] | None = None
    for told in histories(len(FLOWS[flow][1])):
        with branch(world):
            ends = play(world, flow, told=told)
        expected = expected or ends
        assert ends == expected


def histories(steps: int) -> Iterator[Callable[[int], list[str]]]:
    """Yield: every event after every step; none; each subset of steps told; and drawn ones, doubled and mixed."""
    yield lambda step: list(EVENTS)
    yield lambda step: []
    for chosen in itertools.product((True, False), repeat=steps):
        yield lambda step, chosen=chosen: ["updated"] if chosen[step] else []  # type: ignore[misc]
    for seed in range(6):
        drawn = [random.Random(f"{seed}:{step}").choices(EVENTS, k=seed) for step in range(steps)]
        yield lambda step, drawn=drawn: drawn[step]  # type: ignore[misc]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_32_looks_write_a_dispute_once(fake: FakeProvider, now: Any) -> None:
    desk = open_desk(fake, now)
    fake.decide(desk.dispute_id, "lost")
    attempt_id = desk.world.attempt.pk
    found = at_once(lambda number: look(attempt_id, clock=desk.world.clock, actor=f"t{number}"))
    assert [each for each in found if isinstance(each, Exception)] == []
    assert (Dispute.objects.count(), DisputeMovement.objects.count()) == (1, 1)
    assert LedgerTransaction.objects.filter(cause_kind="dispute_loss").count() == 1
    assert desk.world.facts().count("dispute.closed") == 1
    assert Case.objects.filter(kind="provider_dispute").count() == 1


@pytest.mark.django_db(transaction=True)
def test_eight_agreements_at_once_submit_once(fake: FakeProvider, now: Any) -> None:
    desk = open_desk(fake, now)
    desk.do("stage_dispute_evidence", **PROOF)
    asked = [desk.ask("submit_dispute_evidence") for _ in range(8)]
    answers = at_once(lambda number: desk.agree(asked[number]), count=8)
    assert desk.bank.submitted == 1
    executed = [each for each in answers if getattr(each, "state", "") == "executed"]
    assert len(executed) == 1
