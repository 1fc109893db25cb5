"""Webhooks in every order, doubled, lost and early: the same rows at the end. Generated, on PostgreSQL.

Two attempts that were both paid end the same but for which of the two captures was found first, hence applied: the
states, sums, cases and facts are equal; the digest leaves out which is which.
"""

from __future__ import annotations

import copy
import itertools
import math
import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction

from orders.models import Order
from payments.models import Capture, PaymentAttempt
from tests.fake_provider import FakeProvider
from tests.payments.flows import FLOWS, Flow, Told, payment
from tests.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

BY_NAME = pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)


class _Undo(Exception):
    pass


@contextmanager
def undone() -> Iterator[None]:
    """Roll back what the block did, so that the next history starts from the same rows."""
    block = transaction.atomic()
    block._from_testcase = True  # type: ignore[attr-defined]  # the product's own transactions are durable
    try:
        with block:
            yield
            transaction.get_connection().check_constraints()
            raise _Undo
    except _Undo:
        pass


@contextmanager
def branch(world: World) -> Iterator[None]:
    """As undone(), with the provider and the clock put back as well."""
    now, payments, by_key = world.now, copy.deepcopy(world.provider.payments), dict(world.provider.by_key)
    with undone():
        yield
    world.now, world.provider.payments, world.provider.by_key = now, payments, by_key


def end_of(world: World) -> dict[str, Any]:
    """Return all that must be equal, times and row numbers aside."""
    return {
        "order": (world.order.state, world.order.paid_at is not None),
        "attempts": sorted(
            (attempt.state, attempt.decline_reason, attempt.page_open, attempt.next_look_at is None)
            for attempt in PaymentAttempt.objects.all()
        ),
        "captures": sorted(Capture.objects.values_list("amount_minor", "currency", "disposition", "fee_minor")),
        "ledger": world.balance(),
        "facts": sorted(world.facts()),
        "cases": world.cases(),
        "forbidden": world.forbidden(),
    }


def tell(world: World, told: Told, *, times: int = 1) -> None:
    for _ in range(times):
        world.tell(payment(world, told.payment), told.type, event_id=f"evt_{told.payment}_{told.type}")


def one_sweep(world: World) -> None:
    """What happens anyway: time passes, and each attempt is looked at whenever its next look is due, until none is."""
    world.work()
    while True:
        due = PaymentAttempt.objects.exclude(next_look_at=None).order_by("next_look_at").first()
        if due is not None and due.next_look_at is not None:
            world.now = max(world.now, due.next_look_at)
        elif world.order.state == "placed":
            world.now = world.order.expires_at
        else:
            return
        world.work()


def begun(flow: Flow, *, provider: FakeProvider, order: Order, now: datetime) -> World:
    """Return a world in which nothing has happened yet."""
    provider.payments.clear()
    provider.by_key.clear()
    provider.calls.clear()
    provider._number = itertools.count(1)
    return World(provider=provider, order=order, now=now)


def how_it_ends(world: World) -> dict[str, Any]:
    """Let one sweep go over everything; return what is true then."""
    one_sweep(world)
    end = end_of(world)
    assert not any(account == "suspense" for account in end["ledger"])
    assert sum(end["ledger"].values()) == 0
    return end


def run(flow: Flow, *, provider: FakeProvider, order: Order, now: datetime, deliver: Any) -> dict[str, Any]:
    """Play the flow to its end at the provider; `deliver` decides which hints come, and when."""
    world = begun(flow, provider=provider, order=order, now=now)
    with undone():
        deliver(world, flow)
        return how_it_ends(world)


def after_all(events: Iterable[Told], *, times: int = 1) -> Any:
    """Deliver `events` in this order after everything has happened."""

    def deliver(world: World, flow: Flow) -> None:
        for step, _ in flow.steps:
            step(world)
        for told in events:
            tell(world, told, times=times)
            world.work()

    return deliver


def interleaved(choice: random.Random) -> Any:
    """Deliver each event at a random later moment, twice, or never, with workers running in between or not."""

    def deliver(world: World, flow: Flow) -> None:
        waiting: list[Told] = []
        for step, events in flow.steps:
            step(world)
            waiting += events
            choice.shuffle(waiting)
            while waiting and choice.random() < 0.5:
                if choice.random() < 0.8:
                    tell(world, waiting.pop(), times=choice.choice((1, 1, 2)))
                if choice.random() < 0.7:
                    world.work()
        for told in waiting:
            if choice.random() < 0.7:
                tell(world, told)
        world.work()

    return deliver


@pytest.fixture
def expected(fake: FakeProvider, order: Order, now: datetime) -> Any:
    """Return a function that says how a flow ends when every event comes once and in order."""

    def of(flow: Flow) -> dict[str, Any]:
        end = run(flow, provider=fake, order=order, now=now, deliver=after_all(flow.events))
        assert end["order"][0] == flow.ends
        return end

    return of


@BY_NAME
def test_each_event_doubled(flow: Flow, fake: FakeProvider, order: Order, now: datetime, expected: Any) -> None:
    whole = expected(flow)
    assert run(flow, provider=fake, order=order, now=now, deliver=after_all(flow.events, times=2)) == whole
    twice_around = [*flow.events, *flow.events]
    assert run(flow, provider=fake, order=order, now=now, deliver=after_all(twice_around)) == whole


@BY_NAME
def test_random_moments(flow: Flow, fake: FakeProvider, order: Order, now: datetime, expected: Any) -> None:
    whole = expected(flow)
    for seed in range(8):
        end = run(flow, provider=fake, order=order, now=now, deliver=interleaved(random.Random(seed)))
        assert end == whole, f"seed {seed}"


@pytest.mark.timeout(600)
@BY_NAME
def test_every_order_and_each_subset_lost(
    flow: Flow, fake: FakeProvider, order: Order, now: datetime, expected: Any
) -> None:
    """Histories that begin alike share their beginning: a tree, each branch of which is undone before the next."""
    whole = expected(flow)
    ends: list[tuple[Told, ...]] = []

    def goes_on(came: tuple[Told, ...]) -> None:
        left = [told for told in flow.events if told not in came]
        if not left or came == tuple(told for told in flow.events if told in came):
            with branch(world):
                assert how_it_ends(world) == whole, f"only {[told.type for told in came]} arrived, in this order"
            ends.append(came)
        for told in left:
            with branch(world):
                tell(world, told)
                world.work()
                goes_on((*came, told))

    world = begun(flow, provider=fake, order=order, now=now)
    with undone():
        for step, _ in flow.steps:
            step(world)
        goes_on(())
    count = len(flow.events)
    assert len(set(ends)) == math.factorial(count) + 2**count - 1  # the whole in order is both
