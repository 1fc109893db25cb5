"""One order's history: how it is paid, what becomes of its webhooks, who dies where. Made from a seed, and played."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults import oracle
from tests.faults.visitor import FLOWS, Visitor
from tests.faults.world import World

WEBHOOKS = ("normal", "lost", "doubled", "reordered", "held")
QUIET_SECONDS = 40
HURRY_AFTER_SECONDS = 1.0


@dataclass(frozen=True)
class Kill:
    """Who dies: the process of `program` that comes to `failpoint` for the `passes`-th time; `whole`: all of it."""

    program: str
    failpoint: str
    passes: int = 1
    whole: bool = False


@dataclass(frozen=True)
class History:
    """What happens. `returns`: the browser comes back to the shop after paying."""

    name: str
    flow: str = "card"
    webhooks: str = "normal"
    returns: bool = True
    kill: Kill | None = None
    reply_lost: bool = False


KILLS = (
    *(("web", name) for name in (
        "outbox.after_insert", "order.before_commit", "order.after_commit", "attempt.committed", "call.before_send",
        "call.after_send", "call.before_store", "call.after_store", "page.handed_out",
        "inbox.before_commit", "inbox.after_commit", "nudge.before_queue",
        "look.before_fetch", "look.after_fetch", "capture.before_posting", "paid.before_fact", "settle.before_commit",
        "settle.after_commit",
    )),
    *(("look", name) for name in (
        "event.claimed", "attempt.claimed", "look.before_fetch", "look.after_fetch", "capture.before_posting",
        "paid.before_fact", "outbox.after_insert", "settle.before_commit", "settle.after_commit",
        "nudge.before_queue", "call.before_send", "call.after_send", "call.before_store", "call.after_store",
    )),
    *(("deliver", name) for name in (
        "delivery.before_send", "delivery.after_send", "delivery.before_mark", "delivery.after_mark",
    )),
    ("tick", "nudge.before_queue"),
)  # fmt: skip
"""Every failpoint from order commit to delivered fact, in each program that passes it."""


def random_history(seed: int) -> History:
    """Return the history of this seed."""
    draw = random.Random(seed)
    program, failpoint = draw.choice(KILLS)
    return History(
        name=f"seed {seed}",
        flow=draw.choice(FLOWS),
        webhooks=draw.choice(WEBHOOKS),
        returns=draw.random() < 0.6,
        kill=Kill(program, failpoint, passes=draw.choice((1, 1, 1, 2, 3)), whole=draw.random() < 0.2),
        reply_lost=draw.random() < 0.2,
    )


def play(world: World, history: History) -> list[str]:
    """Let a history happen and things grow quiet; return what is wrong then."""
    begin(world, history)
    visitor = Visitor(world, email=new_address())
    token = visitor.place()
    return go_on(world, history, visitor, token)


def begin(world: World, history: History) -> None:
    """Set the stage: a sandbox without past, its faults, and the failpoint."""
    control = world.control
    world.disarm()
    control.reset()
    world.note_events()
    _set_webhooks(world, history.webhooks)
    if history.reply_lost:
        control.fault("drop", method="POST", path_prefix="/v1/checkout/sessions", after=True)
    if history.kill:
        kill = history.kill
        world.arm(kill.program, kill.failpoint, passes=kill.passes, whole=kill.whole)


def go_on(world: World, history: History, visitor: Visitor, token: str) -> list[str]:
    """Play a history from the placed order on; return what is wrong once it is quiet."""
    control = world.control
    paid = visitor.pay(visitor.open_page(token), history.flow)
    if history.returns:
        visitor.come_back(paid)
    order = oracle.order_of(world, visitor.email)
    if history.flow == "debit":
        page_id = world.value(
            "SELECT page_id FROM payments_paymentattempt WHERE order_id = %s ORDER BY id DESC LIMIT 1", order["id"]
        )
        control.settle(page_id)
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
    _wait(world, order_id, lambda: oracle.waiting(world, order_id))


def wait_until_paid(world: World, order_id: int) -> None:
    """Wait until an order is paid, letting its waiting times pass quickly."""
    query = "SELECT state FROM orders_order WHERE id = %s"
    _wait(world, order_id, lambda: [] if world.value(query, order_id) == "paid" else ["not paid"])


def _wait(world: World, order_id: int, waiting: Callable[[], list[str]]) -> None:
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


def _set_webhooks(world: World, how: str) -> None:
    world.control.clear_webhook_rules()
    action = {"lost": "lose", "doubled": "double", "reordered": "reorder", "held": "hold"}.get(how)
    if action:
        world.control.webhook_rule(action)
