"""The provider is slow, lies, or is not heard (FAULTS.md 4, 5, 6); nobody holds a transaction open over it.

As in every file here: whatever happened, in the end the order is paid by one capture and everybody heard of it once
(tests/faults/oracle.py).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.faults import times
from tests.faults.paying import SESSIONS, Order
from tests.faults.world import World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(150)]


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
    answers_after = 1.2
    order = Order(world, returns=False)
    watch = Watch(world, longer_than_seconds=answers_after - 0.4)
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
    watch = Watch(world, longer_than_seconds=times.PROVIDER_SECONDS - 1)
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
    assert len(order.pages()) == 1


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
    assert len(order.pages()) == 1
