"""SIGKILL at each named failpoint from order commit to delivered fact, on the real processes, which then start again.

After each: paid by one capture, one charge at the provider, each fact delivered once, the ledger balanced, no case
(tests/faults/oracle.py). Numbers are the rows of FAULTS.md. Random histories: test_random.py.
"""

from __future__ import annotations

import pytest

from tests.faults.histories import History, Kill, begin, go_on, new_address, play
from tests.faults.visitor import Visitor
from tests.faults.world import World, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

# A web worker dies while the shopper waits for it. Webhooks are held until the return page has done its part.
OF_THE_SHOPPER = [
    (1, "outbox.after_insert"),
    (1, "order.before_commit"),
    (2, "order.after_commit"),
    (2, "attempt.committed"),
    (2, "call.before_send"),
    (3, "call.after_send"),
    (3, "call.before_store"),
    (3, "call.after_store"),
    (3, "page.handed_out"),
    (9, "look.before_fetch"),
    (9, "look.after_fetch"),
    (19, "capture.before_posting"),
    (19, "paid.before_fact"),
    (19, "settle.before_commit"),
    (19, "settle.after_commit"),
]
# A web worker dies while the provider's event waits for its 2xx.
OF_THE_WEBHOOK = [
    (14, "inbox.before_commit"),
    (15, "inbox.after_commit"),
    (15, "nudge.before_queue"),
]
# A worker dies; the browser never comes back (8).
OF_THE_INBOX = [
    (8, "event.claimed"),
    (8, "look.before_fetch"),
    (8, "look.after_fetch"),
    (19, "capture.before_posting"),
    (19, "paid.before_fact"),
    (19, "outbox.after_insert"),
    (19, "settle.before_commit"),
    (19, "settle.after_commit"),
    (19, "nudge.before_queue"),
]
OF_THE_DELIVERY = [
    (23, "delivery.before_send"),
    (23, "delivery.after_send"),
    (23, "delivery.before_mark"),
    (23, "delivery.after_mark"),
]


def named(cases: list[tuple[int, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("failpoint", [pytest.param(name, id=f"{number}-{name}") for number, name in cases])


def assert_survived(world: World, history: History) -> None:
    found = play(world, history)
    assert history.kill is not None
    if history.kill.program == "tick":  # what passes there is its beat, every 5 s
        wait_until(lambda: world.fired("tick"), world)
    assert history.kill.failpoint in world.fired(history.kill.program), "nobody died: the failpoint was not passed"
    assert found == [], f"{history}: {found}"


@named(OF_THE_SHOPPER)
def test_the_shop_dies_under_the_shopper(world: World, failpoint: str) -> None:
    assert_survived(world, History(failpoint, webhooks="held", kill=Kill("web", failpoint)))


@named(OF_THE_WEBHOOK)
def test_the_shop_dies_under_the_webhook(world: World, failpoint: str) -> None:
    assert_survived(world, History(failpoint, returns=False, kill=Kill("web", failpoint, passes=4)))


@named(OF_THE_INBOX)
def test_the_worker_dies_over_an_event(world: World, failpoint: str) -> None:
    assert_survived(world, History(failpoint, returns=False, kill=Kill("look", failpoint)))


def test_the_sweeper_dies_and_no_webhook_ever_came(world: World) -> None:
    kill = Kill("look", "attempt.claimed")
    assert_survived(world, History("sweeper", webhooks="lost", returns=False, kill=kill))


@named(OF_THE_DELIVERY)
def test_the_worker_dies_over_a_delivery(world: World, failpoint: str) -> None:
    assert_survived(world, History(failpoint, kill=Kill("deliver", failpoint)))


@pytest.mark.parametrize(
    ("program", "failpoint"),
    [("web", "call.after_send"), ("look", "settle.before_commit"), ("deliver", "delivery.after_send"),
     ("tick", "nudge.before_queue")],
)  # fmt: skip
def test_a_whole_program_dies_at_once(world: World, program: str, failpoint: str) -> None:
    history = History(failpoint, returns=False, kill=Kill(program, failpoint, whole=True))
    assert_survived(world, history)
    # The word of a failpoint that fired is written just before the signal is sent.
    wait_until(lambda: any(line.startswith(program) for line in world.ended), world)


@pytest.mark.parametrize("failpoint", ["call.before_send", "call.after_send", "call.before_store", "call.after_store"])
def test_the_worker_dies_that_took_over_a_dead_web_servers_call(world: World, failpoint: str) -> None:
    """Fault 2, twice: the shop dies before it has asked the provider, then the worker that asks in its place."""
    history = History(failpoint, kill=Kill("web", "attempt.committed"))
    begin(world, history)
    world.arm("look", failpoint)
    visitor = Visitor(world, email=new_address())
    token = visitor.place()
    assert visitor.press_once(token) is None
    order_id = world.value("SELECT id FROM orders_order WHERE token = %s", token)

    def page_is_open() -> bool:
        world.bury()
        world.let_time_pass(order_id)
        return bool(world.rows("SELECT 1 FROM payments_paymentattempt WHERE order_id = %s AND page_open", order_id))

    wait_until(page_is_open, world, every=0.3)
    assert go_on(world, history, visitor, token) == []
    assert failpoint in world.fired("look")
