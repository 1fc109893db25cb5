"""What else happens to a running service (rows of FAULTS.md): slow and lying providers, stalled workers, many at once.

Whatever it was, in the end the order is paid by one capture and everybody heard of it once (tests/faults/oracle.py).
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import pytest

from integrations.sandbox.browser import Page
from tests.faults import oracle
from tests.faults import settings as times
from tests.faults.histories import History, begin, go_on, grow_quiet, new_address, wait_until_paid
from tests.faults.visitor import Visitor
from tests.faults.world import API_KEY, World, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]

AT_ONCE = 32
SESSIONS = "/v1/checkout/sessions"


class Order:
    """An order on its way, and the shopper it belongs to."""

    def __init__(self, world: World, **history: Any) -> None:
        self.world, self.history = world, History("by hand", **history)
        begin(world, self.history)
        self.visitor = Visitor(world, email=new_address())
        self.token = self.visitor.place()
        self.id: int = world.value("SELECT id FROM orders_order WHERE token = %s", self.token)

    def pay(self) -> Page:
        return self.visitor.pay(self.visitor.open_page(self.token), self.history.flow)

    def goes_on(self) -> None:
        """Let the shopper pay and come back; then all must be right."""
        assert go_on(self.world, self.history, self.visitor, self.token) == []

    def ends_well(self) -> None:
        grow_quiet(self.world, self.id)
        assert oracle.problems(self.world, oracle.order_of(self.world, self.visitor.email)) == []
        assert self.visitor.state(self.token) == "paid"
        assert self.visitor.bad_statuses() == []

    def attempts(self) -> list[dict[str, Any]]:
        return self.world.rows("SELECT * FROM payments_paymentattempt WHERE order_id = %s ORDER BY id", self.id)

    def deliveries(self) -> list[dict[str, Any]]:
        return self.world.rows(
            """
            SELECT d.id, d.state, d.fence, d.tries, d.delivered_at FROM integrations_delivery d
            JOIN integrations_outboxevent e ON e.id = d.event_id
            WHERE e.subject_kind = 'order' AND e.subject_id = %s ORDER BY d.id
            """,
            self.id,
        )

    def is_paid(self) -> bool:
        return bool(self.world.value("SELECT state = 'paid' FROM orders_order WHERE id = %s", self.id))


def pages_at_the_provider(order: Order) -> list[dict[str, Any]]:
    """Return the provider's pages for an order, asked as its API's client."""
    ask = Request(f"{order.world.sandbox}{SESSIONS}", headers={"Authorization": f"Bearer {API_KEY}"})
    ours = {attempt["reference"] for attempt in order.attempts()}
    with urlopen(ask, timeout=10) as answer:
        return [page for page in json.load(answer)["data"] if page["client_reference_id"] in ours]


# --- the provider is slow, or lies -----------------------------------------------------------------------------------


class Watch:
    """Looks at the database's connections all the time, for transactions that stay open and do nothing."""

    def __init__(self, world: World, *, longer_than_seconds: float) -> None:
        self.world, self.limit = world, longer_than_seconds
        self.samples = 0
        self.found: list[dict[str, Any]] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._watch, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _watch(self, stop: threading.Event) -> None:
        with self.world.connect(superuser=True) as connection:
            while not stop.wait(0.05):
                self.found += connection.execute(
                    """
                    SELECT pid, query, now() - state_change AS idle FROM pg_stat_activity WHERE usename = 'shop_app'
                    AND state LIKE 'idle in transaction%%' AND now() - state_change > %s * interval '1 second'
                    """,
                    [self.limit],
                ).fetchall()
                self.samples += 1


def test_no_transaction_is_open_while_anybody_waits_on_the_network(world: World) -> None:
    """Every answer, of the provider and of the receiver, takes longer than any transaction may stand still."""
    answers_after = times.DELIVERY_SEND_SECONDS - 0.5
    order = Order(world, returns=False)
    watch = Watch(world, longer_than_seconds=answers_after - 0.5)
    world.control.fault("delay", path_prefix=SESSIONS, seconds=answers_after, times=100)
    world.receiver_fails(mode="hang", times=1, seconds=answers_after)
    with watch.watching():
        order.goes_on()
    delayed = [request for request in world.control.requests() if request.fault == "delay"]
    assert {request.method for request in delayed} == {"GET", "POST"}
    assert watch.samples > 20
    assert watch.found == []


def test_a_provider_slower_than_we_wait(world: World) -> None:
    """Fault 5: it answers after 30 s. We stop waiting, ask again under the same key, and hold no transaction."""
    order = Order(world)
    world.control.fault("delay", method="POST", path_prefix=SESSIONS, seconds=30)
    watch = Watch(world, longer_than_seconds=2)
    began = time.monotonic()
    with watch.watching():
        assert order.visitor.press_once(order.token) is None
    assert time.monotonic() - began < 10
    assert watch.found == []
    order.goes_on()


def test_a_reply_that_is_lost(world: World) -> None:
    """Fault 4: the page is opened, and we do not hear of it. The same key brings the same page."""
    order = Order(world)
    world.control.fault("drop", method="POST", path_prefix=SESSIONS, after=True)
    order.goes_on()
    opened = [request for request in world.control.requests(method="POST") if request.path == SESSIONS]
    assert [request.replayed for request in opened] == [False, True]
    assert len({request.idempotency_key for request in opened}) == 1
    assert len(pages_at_the_provider(order)) == 1


@pytest.mark.parametrize("kind", ["html_502", "half_body", "truncated_json", "rate_limit", "server_error"])
def test_an_answer_that_cannot_be_believed(world: World, kind: str) -> None:
    order = Order(world)
    world.control.fault(kind, method="POST", path_prefix=SESSIONS, times=2)
    order.goes_on()
    assert len(order.attempts()) == 1


def test_a_provider_that_replays_its_500(world: World) -> None:
    """Fault 6: the failure is stored under the key. Only another key opens a page; nobody ever had the first one's."""
    order = Order(world)
    world.control.fault("stored_error", method="POST", path_prefix=SESSIONS)
    order.goes_on()
    assert [attempt["state"] for attempt in order.attempts()] == ["cancelled", "paid"]
    assert len(pages_at_the_provider(order)) == 1


# --- order of arrival, many at once ----------------------------------------------------------------------------------


def test_an_event_comes_before_its_attempt_knows_the_providers_ids(world: World) -> None:
    """Fault 11: the worker that opened the page stalls before it stores the answer, and money comes all the same."""
    order = Order(world)
    world.arm("web", "call.after_send", signal_number=signal.SIGSTOP)
    with ThreadPoolExecutor(max_workers=1) as pool:
        pressed = pool.submit(order.visitor.press_once, order.token)
        wait_until(lambda: "call.after_send" in world.fired("web"), world)
        assert [attempt["page_id"] for attempt in order.attempts()] == [""]
        (page,) = pages_at_the_provider(order)
        world.control.pay(page["id"])
        wait_until(order.is_paid, world)
        os.kill(world.fired("web")["call.after_send"], signal.SIGCONT)
        assert pressed.result(timeout=20) is None, "a paid order opens no page"
    assert [attempt["page_open"] for attempt in order.attempts()] == [False]
    order.ends_well()


def test_the_browser_and_the_events_come_back_at_the_same_moment(world: World) -> None:
    """Fault 9. Each alone, first and last, is in test_failpoints.py."""
    for _ in range(5):
        order = Order(world, webhooks="held")
        paid = order.pay()
        barrier = threading.Barrier(2)

        def release(meeting: threading.Barrier = barrier) -> None:
            meeting.wait()
            world.control.release(order="reversed")

        releasing = threading.Thread(target=release)
        releasing.start()
        barrier.wait()
        order.visitor.come_back(paid)
        releasing.join()
        world.control.clear_webhook_rules()
        world.control.release()
        order.ends_well()


def test_one_event_delivered_32_times_at_once(world: World) -> None:
    """Fault 12, over HTTP: each answered 200, one row, one effect."""
    order = Order(world, webhooks="held")
    order.pay()
    (told,) = {delivery.event_id for delivery in world.control.deliveries() if delivery.type.endswith(".completed")}
    body = json.dumps(world.control.get(told)).encode()
    together = threading.Barrier(AT_ONCE)

    def deliver(_: int) -> int | None:
        together.wait()
        return world.control.send_raw(body)[0]

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        assert set(pool.map(deliver, range(AT_ONCE))) == {200}
    assert world.value("SELECT count(*) FROM payments_providerevent WHERE event_id = %s", told) == 1
    wait_until_paid(world, order.id)
    world.control.clear_webhook_rules()
    world.control.release()
    order.ends_well()


def test_32_presses_of_pay_at_once_open_one_page(world: World) -> None:
    """Fault 10: double clicks and tabs."""
    order = Order(world)
    shopper = order.visitor.browser
    form = shopper.get(f"{world.shop}/pay/{order.token}/").form(f"/pay/{order.token}/")
    together = threading.Barrier(AT_ONCE)

    def press(_: int) -> tuple[int, str]:
        together.wait()
        answer = shopper.submit(form)
        return answer.status, answer.location

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        answers = set(pool.map(press, range(AT_ONCE)))
    assert len({location for status, location in answers if status == 303}) == 1, answers
    assert {status for status, _ in answers} <= {303, 503}
    assert len(order.attempts()) == len(pages_at_the_provider(order)) == 1
    order.goes_on()


# --- processes die, or stall -----------------------------------------------------------------------------------------


def test_every_process_dies_at_once(world: World) -> None:
    """The power fails between payment and webhook."""
    order = Order(world, webhooks="held")
    order.pay()
    for name in ("web", "look", "deliver", "keep", "tick"):
        world.kill_program(name)
    for name in ("web", "look", "deliver", "keep", "tick"):
        world.run(name)
    world.control.clear_webhook_rules()
    world.control.release()  # nobody listens yet; they are tried again
    order.ends_well()


@pytest.mark.parametrize("cluster", ["look", "deliver"])
def test_the_head_of_a_cluster_is_killed(world: World, cluster: str) -> None:
    """`kill -9` of a qcluster's main process: what it leaves behind goes on or goes, and does no harm."""
    order = Order(world, webhooks="held")
    paid = order.pay()
    os.kill(world.pid_of(cluster), signal.SIGKILL)
    order.visitor.come_back(paid)
    world.control.clear_webhook_rules()
    world.control.release()
    order.ends_well()


@pytest.mark.parametrize("cluster", ["look", "deliver"])
def test_a_worker_that_sits_idle_is_killed(world: World, cluster: str) -> None:
    """As the kernel does when memory is short; its cluster must not fall asleep over it."""
    (sentinel,) = world.children_of(world.pid_of(cluster))
    for pid in world.children_of(sentinel):
        os.kill(pid, signal.SIGKILL)
    Order(world, returns=False).goes_on()


@pytest.mark.parametrize(
    ("program", "failpoint"),
    [("look", "look.after_fetch"), ("look", "settle.before_commit"), ("deliver", "delivery.before_send"),
     ("deliver", "delivery.after_send")],
)  # fmt: skip
def test_a_worker_stalls_past_its_lease_and_wakes(world: World, program: str, failpoint: str) -> None:
    """Fault 22: its host stands still. Another takes over within lease + 5 s; waking, it changes nothing."""
    world.expected += ["lock timeout", "idle-in-transaction timeout", "connection"]
    order = Order(world, webhooks="held")
    paid = order.pay()
    world.arm(program, failpoint, signal_number=signal.SIGSTOP, whole=True)
    if program == "deliver":
        order.visitor.come_back(paid)
    world.control.clear_webhook_rules()
    world.control.release()
    wait_until(lambda: failpoint in world.fired(program), world)
    stalled = time.monotonic()
    try:
        world.run(f"{program} elsewhere", program)
        wait_until(order.is_paid, world, seconds=times.LEASE_SECONDS + 15)
        wait_until(lambda: not oracle.waiting(world, order.id), world, seconds=times.LEASE_SECONDS + 15)
        took = time.monotonic() - stalled
        before = order.deliveries()
        world.signal_program(program, signal.SIGCONT)
        time.sleep(1)
        order.ends_well()
        assert order.deliveries() == before
    finally:
        world.signal_program(program, signal.SIGCONT)
        world.kill_program(f"{program} elsewhere")
    assert took <= times.LEASE_SECONDS + 5, f"taken over after {took:.1f} s"


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
    assert len(pages_at_the_provider(order)) == 1
    order.goes_on()


def test_a_receiver_that_takes_a_message_and_hangs_up(world: World) -> None:
    """As fault 23, on the other side. Where we may ask first, it says that it has it; the other hears the key again."""
    world.receiver_fails(mode="cut", times=2, keep=True)
    order = Order(world)
    order.goes_on()
    assert sorted(message["receipts"] for message in world.heard(order.id)) == [1, 1, 1, 2]


# --- PostgreSQL goes away --------------------------------------------------------------------------------------------


def test_postgresql_dies_and_comes_back(world: World) -> None:
    """Fault 28: 503 meanwhile; the first event is taken at most 2 s after it is back; nothing is lost."""
    world.expected += ["connection", "the database system is"]
    order = Order(world)
    page = order.visitor.open_page(order.token)
    world.kill_database()
    try:
        paid = order.visitor.pay(page, "card")
        assert order.visitor.browser.hop(paid).status == 503
        wait_until(lambda: len(_webhook_answers(world)) >= 3, world)
    finally:
        away_until = time.time()
        world.bring_database_back()
    back = time.time()
    order.visitor.come_back(paid)
    order.ends_well()
    answers = _webhook_answers(world)
    assert {status for at, status in answers if at < away_until} == {503}
    assert min(at for at, status in answers if status == 200) - back <= 2
    world.await_workers()


def _webhook_answers(world: World) -> list[tuple[float, int | None]]:
    return [
        (attempt.at + attempt.seconds, attempt.status)
        for delivery in world.control.deliveries()
        for attempt in delivery.attempts
    ]
