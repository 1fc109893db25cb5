"""An order that a test takes to its end step by step, and what it can be asked meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar
from urllib.request import Request, urlopen

from integrations.sandbox.browser import Page
from tests.faults import oracle
from tests.faults.histories import History, begin, go_on, grow_quiet, new_address
from tests.faults.played import API_KEY
from tests.faults.visitor import Visitor
from tests.faults.world import World

T = TypeVar("T")

AT_ONCE = 32
SESSIONS = "/v1/checkout/sessions"


class Order:
    """A placed order and the shopper it belongs to; `history`: fields of tests.faults.histories.History."""

    def __init__(self, world: World, **history: Any) -> None:
        self.world, self.history = world, History("by hand", **history)
        begin(world, self.history)
        self.visitor = Visitor(world, email=new_address())
        self.token = self.visitor.place()
        self.id: int = world.value("SELECT id FROM orders_order WHERE token = %s", self.token)

    def pay(self) -> Page:
        """Pay on the provider's page; return its redirect to the shop."""
        return self.visitor.pay(self.visitor.open_page(self.token), self.history.flow)

    def goes_on(self) -> None:
        """Let the shopper pay and come back; then all must be right."""
        assert go_on(self.world, self.history, self.visitor, self.token) == []

    def ends_well(self) -> None:
        """Wait until nothing is under way; then all must be right."""
        grow_quiet(self.world, self.id)
        assert oracle.problems(self.world, oracle.order_of(self.world, self.visitor.email)) == []
        assert self.visitor.state(self.token) == "paid"
        assert self.visitor.bad_statuses() == []

    def events_come(self, *, order: str = "queued") -> None:
        """Let the provider send what it held back."""
        self.world.control.clear_webhook_rules()
        self.world.control.release(order=order)

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

    def pages(self) -> list[dict[str, Any]]:
        """Return the provider's pages for this order, asked as its API's client."""
        ask = Request(f"{self.world.sandbox}{SESSIONS}", headers={"Authorization": f"Bearer {API_KEY}"})
        ours = {attempt["reference"] for attempt in self.attempts()}
        with urlopen(ask, timeout=10) as answer:
            return [page for page in json.load(answer)["data"] if page["client_reference_id"] in ours]


def at_once(act: Callable[[], T], *, times: int = AT_ONCE) -> list[T]:
    """Do the same `times` times in the same moment; return what came of each."""
    together = Barrier(times)

    def one(_: int) -> T:
        together.wait()
        return act()

    with ThreadPoolExecutor(max_workers=times) as pool:
        return list(pool.map(one, range(times)))
