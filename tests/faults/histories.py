"""One order's history: how it is paid, what becomes of its webhooks, who fails, dies or stalls; and its playing."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.faults import oracle
from tests.faults.visitor import Visitor
from tests.faults.world import World

WEBHOOKS = ("normal", "lost", "doubled", "reordered", "held")
QUIET_SECONDS = 40
HURRY_AFTER_SECONDS = 0.4


@dataclass(frozen=True)
class Kill:
    """Who dies: the process of `program` that comes to `failpoint` for the `passes`-th time; `whole`: all of it.

    `stalls_seconds`: it does not die, but stands still for so long.
    """

    program: str
    failpoint: str
    passes: int = 1
    whole: bool = False
    stalls_seconds: float = 0


@dataclass(frozen=True)
class Blow:
    """What is done to PostgreSQL after a step of the shopper's: `cut` every connection, or `kill` it and start it."""

    what: str
    after: str


@dataclass(frozen=True)
class History:
    """What happens. `provider`: where it is paid. `returns`: the browser comes back to the shop after paying.

    `provider_fault`, `receiver_fault`: what SandboxControl.fault() and World.receiver_fails() take.
    """

    name: str
    flow: str = "card"
    webhooks: str = "normal"
    returns: bool = True
    kill: Kill | None = None
    provider_fault: dict[str, Any] | None = None
    receiver_fault: dict[str, Any] | None = None
    blow: Blow | None = None
    provider: str = "stripe"


def play(world: World, history: History) -> list[str]:
    """Let a history happen and things grow quiet; return what is wrong then."""
    begin(world, history)
    visitor = Visitor(world, email=new_address())
    with _waking(world, history.kill):
        token = visitor.place()
        return go_on(world, history, visitor, token)


def begin(world: World, history: History) -> None:
    """Set the stage: a sandbox without past, its faults, and the failpoint."""
    world.provider = history.provider
    control = world.control
    world.disarm()
    control.reset()
    world.note_events()
    set_webhooks(world, history.webhooks)
    if history.provider_fault:
        control.fault(**history.provider_fault)
    world.receiver_fails(**(history.receiver_fault or {"mode": "ok"}))
    if history.kill:
        arm(world, history.kill)


def arm(world: World, kill: Kill) -> None:
    """Let a process die or stall."""
    number = signal.SIGSTOP if kill.stalls_seconds else signal.SIGKILL
    world.arm(kill.program, kill.failpoint, passes=kill.passes, whole=kill.whole, signal_number=number)


def go_on(world: World, history: History, visitor: Visitor, token: str) -> list[str]:
    """Play a history from the placed order on; return what is wrong once it is quiet."""
    page = visitor.open_page(token)
    _strike(world, history.blow, "opening")
    paid = visitor.pay(page, history.flow)
    _strike(world, history.blow, "paying")
    if history.returns:
        visitor.come_back(paid)
    _strike(world, history.blow, "returning")
    if history.flow == "debit":
        page_id = world.value(
            "SELECT page_id FROM payments_paymentattempt WHERE order_id = %s ORDER BY id DESC LIMIT 1",
            oracle.order_of(world, visitor.email)["id"],
        )
        world.control.settle(page_id)
    return end(world, history, visitor, token)


def end(world: World, history: History, visitor: Visitor, token: str) -> list[str]:
    """Play a history's end, once it is paid at the provider; return what is wrong once it is quiet."""
    control = world.control
    order = oracle.order_of(world, visitor.email)
    if history.webhooks in ("held", "reordered"):  # an odd one out stays behind
        if history.webhooks == "held":
            wait_until_paid(world, order["id"])
        control.clear_webhook_rules()
        control.release(order="reversed")
    grow_quiet(world, order["id"])
    found = oracle.problems(world, oracle.order_of(world, visitor.email))
    if (state := visitor.state(token)) != "paid":
        found.append(f"the shopper sees {state}")
    return [*found, *(f"the shopper saw {step}" for step in visitor.bad_statuses())]


def new_address() -> str:
    """Return an e-mail address that nobody had before."""
    return f"{secrets.token_hex(8)}@example.com"


def grow_quiet(world: World, order_id: int) -> None:
    """Wait until nothing about an order is under way, letting its waiting times pass quickly."""
    wait(world, order_id, lambda: oracle.waiting(world, order_id))


def wait_until_paid(world: World, order_id: int) -> None:
    """Wait until an order is paid, letting its waiting times pass quickly."""
    query = "SELECT state FROM orders_order WHERE id = %s"
    wait(world, order_id, lambda: [] if world.value(query, order_id) == "paid" else ["not paid"])


def wait(world: World, order_id: int, waiting: Callable[[], list[str]]) -> None:
    """Wait until nothing of that is left, letting an order's waiting times pass quickly."""
    began = hurried = time.monotonic()
    while left := waiting():
        now = time.monotonic()
        assert now < began + QUIET_SECONDS, f"not quiet after {QUIET_SECONDS} s: {left}"
        world.tend()
        world.bury()
        if now > hurried + HURRY_AFTER_SECONDS:
            world.let_time_pass(order_id)
            hurried = now
        time.sleep(0.1)


def _strike(world: World, blow: Blow | None, step: str) -> None:
    if blow is None or blow.after != step:
        return
    if blow.what == "cut":
        world.cut_connections()
    else:
        world.kill_database()
        world.bring_database_back()


@contextmanager
def _waking(world: World, kill: Kill | None) -> Iterator[None]:
    """Let who stalls go on when its time is over, at the latest at the end. The shopper may be waiting for it."""
    if kill is None or not kill.stalls_seconds:
        yield
        return
    over = threading.Event()

    def wake() -> None:
        while not over.is_set() and kill.failpoint not in world.fired(kill.program):
            over.wait(0.05)
        over.wait(kill.stalls_seconds)
        for pid in world.fired(kill.program).values():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        with suppress(ProcessLookupError):
            world.signal_program(kill.program, signal.SIGCONT)

    waker = threading.Thread(target=wake)
    waker.start()
    try:
        yield
    finally:
        over.set()
        waker.join()


def set_webhooks(world: World, how: str) -> None:
    """Say what becomes of webhooks from now on: one of WEBHOOKS."""
    world.control.clear_webhook_rules()
    action = {"lost": "lose", "doubled": "double", "reordered": "reorder", "held": "hold"}.get(how)
    if action:
        world.control.webhook_rule(action)
