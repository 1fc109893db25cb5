"""Webhooks in every order, doubled and lost, at each provider: the same rows at the end. Generated.

The real adapters before their sandboxes; the events are those that the sandboxes sent, and come in by the real door.
test_histories.py does the same in Stripe's shapes with a scripted provider, for more flows.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from integrations import providers
from integrations.providers import FACTORIES
from tests.conformance.stands.nmi import NmiStand
from tests.conformance.stands.paypal import PayPalStand
from tests.conformance.stands.sandbox import SandboxStand
from tests.conformance.stands.square import SquareFrameStand, SquareStand
from tests.conformance.stands.stripe import StripeStand
from tests.payments.provider_ends import assert_nothing_is_left, end_of
from tests.payments.provider_shop import FLOWS, Flow, ProviderShop, Told
from tests.payments.test_histories import one_sweep, undone

pytestmark = pytest.mark.django_db

STANDS: tuple[type[SandboxStand], ...] = (StripeStand, PayPalStand, SquareStand, SquareFrameStand, NmiStand)
EVERY_ORDER_UP_TO = 4
SAMPLE = 24
"""So many orders of more events; and of more than EVERY_SUBSET_UP_TO of them, so many subsets."""
EVERY_SUBSET_UP_TO = 6

Stands = tuple[type[SandboxStand], ...]
History = tuple[int, ...]
"""Numbers of events in the order in which they come; one may come twice, or never."""


def settings_of(flow: Flow) -> list[Stands]:
    """Return the providers, or pairs of them, at which there is such a flow."""
    chosen: list[Stands] = [
        stands
        for stands in itertools.permutations(STANDS, flow.providers)
        # Two ways to pay at one provider are one provider.
        if len({stand.sandbox or stand.name for stand in stands}) == flow.providers and not flow.why_not(stands)
    ]
    return chosen


CASES = [
    pytest.param(flow, stands, id="-".join([flow.name, *(each.name.replace(" ", "-") for each in stands)]))
    for flow in FLOWS
    for stands in settings_of(flow)
]
FEW = [case for case in CASES if str(case.id).startswith(("paid-", "paid_after_our_expiry-"))]


@pytest.fixture(scope="module")
def opened() -> Iterator[dict[type[SandboxStand], SandboxStand]]:
    """The stands that are open, by class."""
    stands: dict[type[SandboxStand], SandboxStand] = {}
    yield stands
    for stand in stands.values():
        stand.close()


@pytest.fixture
def at(
    request: pytest.FixtureRequest,
    opened: dict[type[SandboxStand], SandboxStand],
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> list[SandboxStand]:
    """The providers of this shop, behind the register of adapters and its guard, as everywhere."""
    wanted: Stands = request.param
    for each in wanted:
        if each not in opened:
            opened[each] = each()
            opened[each].open()
    stands = [opened[each] for each in wanted]
    monkeypatch.setattr(providers, "_made", {})
    for stand in stands:
        monkeypatch.setitem(FACTORIES, stand.adapter().name, stand.adapter)
        stand.notifications()  # those of an earlier test
    settings.PAYMENTS_PROVIDERS = tuple(stand.adapter().name for stand in stands)
    settings.PAYMENTS_PRESENTATION = {stand.adapter().name: stand.presentation for stand in stands}
    settings.WEBHOOK_UNVERIFIED_A_MINUTE = 100_000
    return stands


# --- histories -------------------------------------------------------------------------------------------------------


def histories_of(count: int, *, seed: str) -> set[History]:
    """Return the histories of so many events: in every order, each doubled, each subset lost."""
    choice = random.Random(seed)
    whole = tuple(range(count))
    orders = _orders(whole, choice)
    doubled = {whole[: each + 1] + whole[each:] for each in whole}
    twice = {whole + whole, whole + whole[::-1], tuple(each for each in whole for _ in range(2))}
    return {*orders, *doubled, *twice, *_subsets(whole, choice)}


def _orders(whole: History, choice: random.Random) -> set[History]:
    if len(whole) <= EVERY_ORDER_UP_TO:
        return set(itertools.permutations(whole))
    orders = {whole[::-1]}
    while len(orders) < SAMPLE:
        orders.add(tuple(choice.sample(whole, len(whole))))
    return orders


def _subsets(whole: History, choice: random.Random) -> set[History]:
    """Return what is left where some are lost."""
    if len(whole) <= EVERY_SUBSET_UP_TO:
        return {left for many in range(len(whole)) for left in itertools.combinations(whole, many)}
    lost: set[History] = {(), *itertools.combinations(whole, 1)}
    while len(lost) < SAMPLE + len(whole):
        lost.add(tuple(each for each in whole if choice.random() < 0.5))
    return lost


@contextmanager
def branch(shop: ProviderShop) -> Iterator[None]:
    """Undo what the block did to our rows and our clock; at the providers nothing may have moved."""
    ahead = shop.ahead
    with undone():
        yield
    shop.ahead = ahead


def how_it_ends(shop: ProviderShop, flow: Flow) -> dict[str, Any]:
    """Let one sweep go over everything; return what is true then."""
    one_sweep(shop)
    assert_nothing_is_left(shop)
    end = end_of(shop, first_decides=flow.first_decides)
    assert end["order"][0] == flow.ends
    return end


def as_it_came(shop: ProviderShop, flow: Flow, events: Sequence[Told]) -> dict[str, Any]:
    """Let each event come once, in order and with the provider's own proof; return how it ends."""
    with branch(shop):
        for told in events:
            assert told.deliver_as_it_came() == 200
            shop.work()
        return how_it_ends(shop, flow)


def play(shop: ProviderShop, flow: Flow, events: Sequence[Told], histories: set[History], end: dict[str, Any]) -> int:
    """Let each history happen, and compare how it ends; return how many that were.

    Histories that begin alike share their beginning: a tree, each branch of which is undone before the next.
    """

    def goes_on(came: History) -> int:
        count = 0
        if came in histories:
            with branch(shop):
                types = [events[each].type for each in came]
                assert how_it_ends(shop, flow) == end, f"these events came, in this order: {came} {types}"
            count += 1
        after = len(came)
        for following in sorted({each[after] for each in histories if len(each) > after and each[:after] == came}):
            with branch(shop):
                assert events[following].deliver() == 200
                shop.work()
                count += goes_on((*came, following))
        return count

    return goes_on(())


def run(flow: Flow, at: Sequence[SandboxStand], *, answered: bool, few: bool) -> tuple[dict[str, Any], int]:
    """Play the flow to its end at the providers, then each history of its events; return its end, and their number."""
    with undone():
        shop = ProviderShop(at, answered=answered)
        for step in flow.steps:
            step(shop)
        events = shop.told()
        end = as_it_came(shop, flow, events)
        count = len(events)
        whole = tuple(range(count))
        histories = {(), whole[::-1], whole + whole} if few else histories_of(count, seed=flow.name)
        played = play(shop, flow, events, histories, end)
        assert played == len(histories)
        return end, played


def random_moments(flow: Flow, at: Sequence[SandboxStand], choice: random.Random) -> dict[str, Any]:
    """Play the flow, its events coming at random later moments, twice, or never, the workers working or not."""
    with undone():
        shop = ProviderShop(at, answered=choice.random() < 0.5)
        waiting: list[Told] = []
        for step in flow.steps:
            step(shop)
            waiting += shop.told()
            choice.shuffle(waiting)
            while waiting and choice.random() < 0.5:
                if choice.random() < 0.8:
                    told = waiting.pop()
                    for _ in range(choice.choice((1, 1, 2))):
                        assert told.deliver() == 200
                if choice.random() < 0.7:
                    shop.work()
        for told in waiting:
            if choice.random() < 0.7:
                assert told.deliver() == 200
        shop.work()
        return how_it_ends(shop, flow)


# --- what is held ----------------------------------------------------------------------------------------------------


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("flow", "at"), CASES, indirect=["at"])
def test_every_order_each_doubled_and_each_subset_lost(
    flow: Flow, at: list[SandboxStand], request: pytest.FixtureRequest
) -> None:
    """However we hear of it; and whether we heard of the payment ourselves makes no difference either."""
    end, played = run(flow, at, answered=False, few=False)
    if flow.pays:
        heard, more = run(flow, at, answered=True, few=True)
        assert heard == end
        played += more
    for seed in range(4):
        assert random_moments(flow, at, random.Random(seed)) == end, f"seed {seed}"
    request.node.user_properties.append(("histories", played + 5))  # for --junitxml


@pytest.mark.slow
@pytest.mark.parametrize(("flow", "at"), FEW, indirect=["at"])
def test_backwards_twice_and_never(flow: Flow, at: list[SandboxStand]) -> None:
    """The few of them that each run of the tests has time for."""
    run(flow, at, answered=False, few=True)


def test_the_histories_are_all_there_are() -> None:
    """Four events: 24 orders, each doubled, twice around, and 15 times less than all of them."""
    histories = histories_of(4, seed="four")
    assert {each for each in histories if len(each) == 4} == set(itertools.permutations(range(4)))
    assert len({each for each in histories if len(each) < 4}) == 15
    assert {(0, 0, 1, 2, 3), (0, 1, 2, 3, 3), (0, 0, 1, 1, 2, 2, 3, 3)} <= histories
    assert len(histories_of(6, seed="six")) >= SAMPLE + 63


def test_each_flow_is_played_at_each_provider_that_has_it() -> None:
    """Only what Square's frame cannot do is not played: a cancelled order takes no token."""
    left_out = {
        (flow.name, stand.name) for flow in FLOWS for stand in STANDS if flow.providers == 1 and flow.why_not((stand,))
    }
    assert left_out == {("paid_after_our_expiry", "square frame")}
