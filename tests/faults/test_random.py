"""Random histories with kills: `make faults N=10000`. One that fails prints its seed; `FAULT_SEED=…` plays it again.

Processes are real, so a seed fixes what is done to them and not how they are scheduled: play a rare failure again with
`FAULT_SEED=… FAULT_HISTORIES=50`, which repeats the one history.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable

import pytest

from tests.faults import afterwards, histories
from tests.faults.afterwards import Afterwards
from tests.faults.drawing import hit, hit_afterwards, random_afterwards, random_history
from tests.faults.histories import Kill
from tests.faults.world import World

SEED = os.environ.get("FAULT_SEED", "")
HISTORIES = int(os.environ.get("FAULT_HISTORIES") or ("1" if SEED else "300"))
OF_MONEY = HISTORIES if SEED else max(HISTORIES // 5, 1)
"""How many go on after the payment: refunds, disputes, payouts. They take three times as long."""
SECONDS_A_HISTORY = 60
EXPECTED = ("connection", "the database system is", "lock timeout", "idle-in-transaction timeout")

Play = Callable[[], list[str]]
Hit = Callable[[bool], list[str]]


@pytest.mark.faults
@pytest.mark.timeout(SECONDS_A_HISTORY * HISTORIES)
def test_nothing_is_lost_doubled_or_wrong(world: World) -> None:
    world.expected += EXPECTED

    def drawn(seed: int) -> tuple[str, Kill, Play, Hit]:
        history = random_history(seed)
        assert history.kill is not None
        return (
            str(history),
            history.kill,
            lambda: histories.play(world, history),
            lambda fired: hit(history, fired=fired),
        )

    _play_all(world, drawn, count=HISTORIES)


@pytest.mark.faults
@pytest.mark.timeout(2 * SECONDS_A_HISTORY * OF_MONEY)
def test_nor_is_money_that_goes_back(world: World) -> None:
    world.expected += EXPECTED

    def drawn(seed: int) -> tuple[str, Kill, Play, Hit]:
        history: Afterwards = random_afterwards(seed)
        return (
            str(history),
            history.kills[0],
            lambda: afterwards.play(world, history),
            lambda fired: hit_afterwards(history, fired=fired),
        )

    _play_all(world, drawn, count=OF_MONEY)


def _play_all(world: World, drawn: Callable[[int], tuple[str, Kill, Play, Hit]], *, count: int) -> None:
    hits: Counter[str] = Counter()
    first = int(SEED) if SEED else secrets.randbelow(10**9)
    failed = []
    for number in range(count):
        name, kill, play, hit_by = drawn(first if SEED else first + number)
        try:
            found = play()
        except Exception as error:  # noqa: BLE001  (whatever it was, the seed is what is needed)
            found = [f"{type(error).__name__}: {error}"]
        hits.update(hit_by(kill.failpoint in world.fired(kill.program)))
        if found:
            failed.append(f"{name}: {found}")
            print(failed[-1], flush=True)
    for name, times in sorted(hits.items()):
        print(f"{times:6} × {name}")
    print(f"{count} histories from seed {first}, {len(failed)} failed")
    assert not failed, "\n".join(failed)
