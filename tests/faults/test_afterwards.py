"""SIGKILL at each named failpoint of refunds, disputes and the mirror of payouts, on the real processes.

After each: what the provider gave back is here once, posted and told once, ours at most what was captured; each
dispute and payout as the provider says, explained or a case (tests/faults/money_oracle.py).
"""

from __future__ import annotations

import pytest

from tests.faults.afterwards import Afterwards, play
from tests.faults.histories import Kill
from tests.faults.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]

OF_OUR_REFUND = (
    *("action.requested", "action.before_commit", "action.after_commit", "idempotency.bound"),
    *("call.before_send", "call.after_send", "call.before_store", "call.after_store"),
    *("look.before_fetch", "look.after_fetch", "refund.before_posting", "settle.before_commit", "settle.after_commit"),
)
OF_THEIR_REFUND = ("event.claimed", "look.after_fetch", "refund.before_posting", "settle.before_commit")
OF_A_DISPUTE = ("look.after_fetch", "dispute.before_posting", "settle.before_commit", "settle.after_commit")
OF_A_PAYOUT = ("payouts.before_commit", "payouts.between_pages", "payout.before_commit")


def assert_survived(world: World, afterwards: Afterwards) -> None:
    found = play(world, afterwards)
    for kill in afterwards.kills:
        assert kill.failpoint in world.fired(kill.program), f"nobody died: {kill} was not passed"
    assert found == [], f"{afterwards}: {found}"


@pytest.mark.parametrize(
    "acts",
    [("our_refund", "their_refund"), ("our_refund", "refund_fails"), ("dispute", "dispute_won", "payout")],
    ids="-".join,
)
def test_nobody_dies(world: World, acts: tuple[str, ...]) -> None:
    assert_survived(world, Afterwards("nobody dies", acts))


@pytest.mark.parametrize("failpoint", OF_OUR_REFUND)
def test_the_shop_dies_over_our_refund(world: World, failpoint: str) -> None:
    assert_survived(world, Afterwards(failpoint, ("our_refund",), kills=(Kill("web", failpoint),)))


@pytest.mark.parametrize("failpoint", ["call.before_send", "call.after_send", "call.before_store"])
def test_the_worker_dies_over_the_refund_that_a_dead_shop_left(world: World, failpoint: str) -> None:
    """The shop dies once the refund is written down; the worker that asks the provider in its place dies as well."""
    kills = (Kill("web", "action.after_commit"), Kill("look", failpoint))
    assert_survived(world, Afterwards(failpoint, ("our_refund",), kills=kills))


@pytest.mark.parametrize("failpoint", OF_THEIR_REFUND)
def test_the_worker_dies_over_their_refund(world: World, failpoint: str) -> None:
    assert_survived(world, Afterwards(failpoint, ("their_refund",), kills=(Kill("look", failpoint),)))


def test_the_worker_dies_over_a_refund_that_came_back(world: World) -> None:
    kill = Kill("look", "settle.before_commit", passes=2)
    assert_survived(world, Afterwards("came back", ("their_refund", "refund_fails"), kills=(kill,)))


@pytest.mark.parametrize("failpoint", OF_A_DISPUTE)
def test_the_worker_dies_over_a_dispute(world: World, failpoint: str) -> None:
    assert_survived(world, Afterwards(failpoint, ("dispute", "dispute_lost"), kills=(Kill("look", failpoint),)))


@pytest.mark.parametrize("failpoint", OF_A_PAYOUT)
def test_the_keeper_dies_over_a_payout(world: World, failpoint: str) -> None:
    acts = ("our_refund", "payout", "payout_fails")
    assert_survived(world, Afterwards(failpoint, acts, kills=(Kill("keep", failpoint),)))


@pytest.mark.parametrize("webhooks", ["lost", "doubled", "reordered", "held"])
def test_whatever_becomes_of_webhooks(world: World, webhooks: str) -> None:
    acts = ("our_refund", "their_refund", "refund_fails", "payout")
    assert_survived(world, Afterwards(webhooks, acts, webhooks=webhooks))
