"""Delivery workers killed at random moments while facts go on; what the receivers heard is the judge.

FAULT_HISTORIES, as for `make faults`, sets how often: two kills for each three histories, 200 by default.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from integrations.models import Delivery, DeliveryAttempt, DeliveryState
from tests.integrations.deliveries import SECRET, make_destination, tell
from tests.processes import Process, Processes, children_of, eventually, running

KILLS = max(1, int(os.environ.get("FAULT_HISTORIES", "300")) * 2 // 3)
WHOLE_CLUSTER = 0.15
"""How often a kill takes the cluster with all its processes, as a host that loses power."""

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.faults, pytest.mark.timeout(60 + 10 * KILLS)]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with running(tmp_path) as started:
        yield started


class Workers:
    """Two clusters that are started again whenever they have ended, as a supervisor does."""

    def __init__(self, processes: Processes, *, chance: random.Random) -> None:
        self._processes, self._chance = processes, chance
        self._clusters: list[Process] = [self._processes.cluster("deliver") for _ in range(2)]

    def kill_one(self) -> None:
        """SIGKILL one process of a cluster, or all of it."""
        which = self._chance.randrange(len(self._clusters))
        cluster = self._clusters[which]
        if self._chance.random() < WHOLE_CLUSTER:
            cluster.kill()
        else:
            family = _family(cluster.pid)
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(family), signal.SIGKILL)
        if cluster.code is not None:
            cluster.kill()  # what is left of its children
            self._clusters[which] = self._processes.cluster("deliver")


def _family(pid: int) -> list[int]:
    """Return a process and all that came of it."""
    found = [pid]
    for each in found:
        with suppress(FileNotFoundError):
            found += children_of(each)
    return found


def _end_leases() -> None:
    """Let the leases of the dead end, as time would. Those of the living may end too: a fence keeps theirs."""
    Delivery.objects.filter(state=DeliveryState.SENDING).update(not_before=timezone.now() - timedelta(seconds=1))


def test_random_kills_lose_nothing_and_double_nothing(processes: Processes) -> None:
    seed = int(os.environ.get("SEED", time.time_ns() % 2**32))
    chance = random.Random(seed)
    asked, keyed = processes.receiver(secret=SECRET, name="asked"), processes.receiver(secret=SECRET, name="keyed")
    for receiver, idempotent in ((asked, False), (keyed, True)):
        make_destination(
            now=timezone.now(),
            name=receiver.url,
            address=receiver.url,
            lookup_address=f"{receiver.url}/received",
            idempotent=idempotent,
        )
    workers = Workers(processes, chance=chance)
    processes.manage("tick")
    eventually(lambda: tell(now=timezone.now()) and DeliveryAttempt.objects.exists())
    for kill in range(KILLS):
        for _ in range(chance.randrange(1, 12)):
            tell(now=timezone.now())
        time.sleep(chance.random() * 0.4)
        workers.kill_one()
        if kill % 5 == 4:
            time.sleep(0.5)  # what was on its way when its sender died has arrived by now
            _end_leases()

    def all_delivered() -> bool:
        time.sleep(1)
        _end_leases()
        return not Delivery.objects.exclude(state=DeliveryState.DELIVERED).exists()

    eventually(all_delivered, seconds=120)
    keys = {
        receiver.url: set(Delivery.objects.filter(destination__name=receiver.url).values_list("key", flat=True))
        for receiver in (asked, keyed)
    }
    assert asked.receipts() == dict.fromkeys(keys[asked.url], 1), f"seed {seed}"
    assert set(keyed.receipts()) == keys[keyed.url], f"seed {seed}"
    again = sum(times > 1 for times in keyed.receipts().values())
    unfinished = DeliveryAttempt.objects.filter(outcome="unfinished").count()
    print(
        f"{KILLS} kills, {len(keys[asked.url])} facts to two receivers: none lost, none doubled; "
        f"{unfinished} tries cut off, {again} keys sent again to the one that declares idempotency (seed {seed})"
    )
