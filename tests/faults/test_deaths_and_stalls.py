"""Processes die without passing a failpoint, stand still, or run out of memory (FAULTS.md 22, 24, 25)."""

from __future__ import annotations

import os
import resource
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults import oracle, times
from tests.faults.histories import History, Kill, play
from tests.faults.paying import Order
from tests.faults.world import PROGRAMS, World, wait_until
from tests.processes import children_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

CLUSTER_PROCESSES = 4
RECLAIMED_SECONDS = times.LEASE_SECONDS + 15
"""The figure is lease + 5 s; a machine that does other work besides gets ten more."""


def workers_of(world: World, cluster: str) -> list[int]:
    """Return the ids of a cluster's two workers, then its monitor's, then its pusher's; it may have to begin first."""

    def begun() -> list[int]:
        guard = children_of(world.pid_of(cluster))
        found = sorted(children_of(guard[0])) if guard else []
        return found if len(found) == CLUSTER_PROCESSES else []

    found: list[int] = wait_until(begun, world)
    return found


def test_every_process_dies_at_once(world: World) -> None:
    """The power fails between payment and webhook."""
    order = Order(world, webhooks="held")
    order.pay()
    for name in PROGRAMS:
        world.kill_program(name)
    for name in PROGRAMS:
        world.run(name)
    order.events_come()  # nobody listens yet; they are tried again
    order.ends_well()


@pytest.mark.parametrize("cluster", ["look", "deliver"])
def test_the_head_of_a_cluster_is_killed(world: World, cluster: str) -> None:
    """`kill -9` of a qcluster's main process: what it leaves behind goes on or goes, and does no harm."""
    order = Order(world, webhooks="held")
    paid = order.pay()
    os.kill(world.pid_of(cluster), signal.SIGKILL)
    order.visitor.come_back(paid)
    order.events_come()
    order.ends_well()


@pytest.mark.parametrize("cluster", ["look", "deliver"])
def test_everything_of_an_idle_cluster_but_its_guard_is_killed(world: World, cluster: str) -> None:
    """As the kernel does when memory is short; its cluster must not fall asleep over it."""
    for pid in workers_of(world, cluster):
        os.kill(pid, signal.SIGKILL)
    Order(world, returns=False).goes_on()


@pytest.mark.parametrize(
    ("program", "failpoint"),
    [
        ("look", "settle.before_commit"),
        ("deliver", "delivery.after_send"),
        pytest.param("look", "look.after_fetch", marks=pytest.mark.faults),
        pytest.param("deliver", "delivery.before_send", marks=pytest.mark.faults),
    ],
)
def test_a_worker_stalls_past_its_lease_and_wakes(world: World, program: str, failpoint: str) -> None:
    """Fault 22: its host stands still. Another takes over within lease + 5 s; waking, it changes nothing."""
    world.expected += ["lock timeout", "idle-in-transaction timeout", "connection"]
    order = Order(world, webhooks="held")
    paid = order.pay()
    world.arm(program, failpoint, signal_number=signal.SIGSTOP, whole=True)
    if program == "deliver":
        order.visitor.come_back(paid)
    order.events_come()
    wait_until(lambda: failpoint in world.fired(program), world)
    stalled = time.monotonic()
    try:
        world.run(f"{program} elsewhere", program)
        wait_until(order.is_paid, world, seconds=RECLAIMED_SECONDS)
        wait_until(lambda: not oracle.waiting(world, order.id), world, seconds=RECLAIMED_SECONDS)
        print(f"taken over after {time.monotonic() - stalled:.1f} s")
        before = order.deliveries()
        world.signal_program(program, signal.SIGCONT)
        time.sleep(1)
        order.ends_well()
        assert order.deliveries() == before
    finally:
        world.signal_program(program, signal.SIGCONT)
        world.kill_program(f"{program} elsewhere")


def test_a_web_server_stalls_over_a_call_and_wakes(world: World) -> None:
    """Fault 22: it holds a call that a worker has sent in its place, under the same key."""
    order = Order(world)
    world.arm("web", "call.before_send", signal_number=signal.SIGSTOP)
    with ThreadPoolExecutor(max_workers=1) as pool:
        pressed = pool.submit(order.visitor.press_once, order.token)
        wait_until(lambda: "call.before_send" in world.fired("web"), world)
        world.end_leases()
        wait_until(lambda: bool(order.attempts()[0]["page_id"]), world)
        os.kill(world.fired("web")["call.before_send"], signal.SIGCONT)
        pressed.result(timeout=20)
    assert len(order.pages()) == 1
    order.goes_on()


@pytest.mark.parametrize(("program", "failpoint"), [("look", "event.claimed"), ("deliver", "delivery.after_send")])
def test_what_a_killed_worker_held_is_taken_up_when_its_lease_ends(world: World, program: str, failpoint: str) -> None:
    """The figure: reclaimed at most lease + 5 s after the kill. Nothing here makes the lease end sooner."""
    order = Order(world, webhooks="held")
    paid = order.pay()
    world.arm(program, failpoint)
    if program == "deliver":
        order.visitor.come_back(paid)
    order.events_come()
    wait_until(lambda: failpoint in world.fired(program), world, every=0.01)
    killed = time.monotonic()
    wait_until(lambda: order.is_paid() and not oracle.waiting(world, order.id), world, seconds=RECLAIMED_SECONDS)
    print(f"reclaimed after {time.monotonic() - killed:.1f} s")
    order.ends_well()


@pytest.mark.parametrize("cluster", ["look", "deliver"])
def test_a_worker_runs_out_of_memory(world: World, cluster: str) -> None:
    """Fault 24: no worker of a cluster gets another byte (prlimit --as). They fail, or die, and are replaced."""
    world.expected += ["MemoryError", "can't start new thread", "out of memory"]
    order = Order(world, webhooks="held")
    paid = order.pay()
    for pid in workers_of(world, cluster)[:2]:
        resource.prlimit(pid, resource.RLIMIT_AS, (1, 1))
    order.visitor.come_back(paid)
    order.events_come()
    order.ends_well()


@pytest.mark.faults
def test_a_shop_that_stood_still_over_an_order_asks_to_try_again(world: World) -> None:
    """Fault 22: PostgreSQL has ended its transaction meanwhile. 503, nothing half placed; pressed again, one order."""
    world.expected += ["idle-in-transaction timeout"]
    history = History("stalled", kill=Kill("web", "outbox.after_insert", whole=True, stalls_seconds=8))
    assert play(world, history) == []
    assert "outbox.after_insert" in world.fired("web")
