"""Random histories with kills: `make faults N=10000`. One that fails prints its seed; `FAULT_SEED=…` plays it again.

Processes are real, so a seed fixes what is done to them and not how they are scheduled: play a rare failure again with
`FAULT_SEED=… FAULT_HISTORIES=50`, which repeats the one history.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter

import pytest

from tests.faults.drawing import hit, random_history
from tests.faults.histories import play
from tests.faults.world import World

SEED = os.environ.get("FAULT_SEED", "")
HISTORIES = int(os.environ.get("FAULT_HISTORIES") or ("1" if SEED else "300"))
SECONDS_A_HISTORY = 60


@pytest.mark.faults
@pytest.mark.timeout(SECONDS_A_HISTORY * HISTORIES)
def test_nothing_is_lost_doubled_or_wrong(world: World) -> None:
    world.expected += ["connection", "the database system is", "lock timeout", "idle-in-transaction timeout"]
    hits: Counter[str] = Counter()
    first = int(SEED) if SEED else secrets.randbelow(10**9)
    failed = []
    for number in range(HISTORIES):
        history = random_history(first if SEED else first + number)
        try:
            found = play(world, history)
        except Exception as error:  # noqa: BLE001  (whatever it was, the seed is what is needed)
            found = [f"{type(error).__name__}: {error}"]
        assert history.kill is not None
        hits.update(hit(history, fired=history.kill.failpoint in world.fired(history.kill.program)))
        if found:
            failed.append(f"{history}: {found}")
            print(failed[-1], flush=True)
    for name, count in sorted(hits.items()):
        print(f"{count:6} × {name}")
    print(f"{HISTORIES} histories from seed {first}, {len(failed)} failed")
    assert not failed, "\n".join(failed)
