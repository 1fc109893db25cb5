"""What must be true once things are quiet. Asks the tables, the sandbox and the receiver, never the code under test."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.faults.world import World

FACTS = {"order.placed": 1, "order.paid": 1}
_OF_ORDER = "attempt_id IN (SELECT id FROM payments_paymentattempt WHERE order_id = %s)"


def order_of(world: World, email: str) -> dict[str, Any]:
    """Return the one order of this address. Raises AssertionError where there are more, or none."""
    orders = world.rows("SELECT * FROM orders_order WHERE email = %s", email)
    assert len(orders) == 1, f"{email} has {len(orders)} orders"
    return orders[0]


def waiting(world: World, order_id: int) -> list[str]:
    """Return what is still under way for an order; empty once it is quiet."""
    found = [
        f"{row['what']} {row['id']} is {row['state']}"
        for row in world.rows(
            f"""
            SELECT 'order' AS what, id, state FROM orders_order WHERE id = %s AND state = 'placed'
            UNION ALL
            SELECT 'attempt', id, state FROM payments_paymentattempt
            WHERE order_id = %s AND state IN ('created', 'pending', 'requires_action', 'authorized')
            UNION ALL
            SELECT 'call', id, state FROM payments_providercall
            WHERE {_OF_ORDER} AND state NOT IN ('answered', 'abandoned')
            UNION ALL
            SELECT 'event', id, state FROM payments_providerevent
            WHERE state NOT IN ('processed', 'ignored') AND id > %s
            UNION ALL
            SELECT 'delivery', d.id, d.state FROM integrations_delivery d JOIN integrations_outboxevent e
            ON e.id = d.event_id WHERE e.subject_kind = 'order' AND e.subject_id = %s AND d.state <> 'delivered'
            """,
            *[order_id] * 3,
            world.events_before,
            order_id,
        )
    ]
    if queued := world.control.health()["webhooks_queued"]:
        found.append(f"{queued} webhooks are on their way")
    return found


def problems(world: World, order: dict[str, Any]) -> list[str]:
    """Return what is lost, doubled, wrong or hidden about a quiet order that was to be paid; empty if nothing is."""
    return [
        *_money(world, order),
        *_provider(world, order),
        *_receivers(world, order),
        *_records(world, order),
    ]


def books(world: World) -> list[str]:
    """Return what is wrong with the ledger as a whole, and with what the receiver refused; empty if nothing is."""
    unbalanced = world.rows(
        """
        SELECT t.id, sum(e.amount_minor) FROM payments_ledgertransaction t
        JOIN payments_ledgerentry e ON e.transaction_id = t.id GROUP BY t.id HAVING sum(e.amount_minor) <> 0
        """
    )
    unposted = world.rows(
        """
        SELECT c.id FROM payments_capture c LEFT JOIN payments_ledgertransaction t
        ON t.cause_kind = 'capture' AND t.cause_id = c.id WHERE t.id IS NULL
        """
    )
    twice = world.rows(
        """
        SELECT order_id FROM payments_capture WHERE disposition = 'applied' GROUP BY order_id HAVING count(*) > 1
        """
    )
    unpaid = world.rows(
        """
        SELECT o.id FROM orders_order o LEFT JOIN payments_capture c ON c.order_id = o.id
        AND c.disposition = 'applied' AND c.amount_minor = o.total_minor AND c.currency = o.currency
        WHERE (o.state IN ('paid', 'partially_refunded', 'refunded')) <> (c.id IS NOT NULL)
        """
    )
    checks = {"unbalanced": unbalanced, "unposted": unposted, "paid twice": twice, "paid without money": unpaid}
    return [f"{name}: {rows}" for name, rows in checks.items() if rows]


def _money(world: World, order: dict[str, Any]) -> list[str]:
    found = unless(f"order is {order['state']}", order["state"] == "paid")
    captures = world.rows("SELECT * FROM payments_capture WHERE order_id = %s", order["id"])
    right = [
        capture
        for capture in captures
        if capture["disposition"] == "applied"
        and (capture["amount_minor"], capture["currency"]) == (order["total_minor"], order["currency"])
    ]
    found += unless(f"captures: {captures}", len(captures) == len(right) == 1)
    entries = world.rows(
        """
        SELECT e.account, e.amount_minor FROM payments_ledgerentry e
        JOIN payments_ledgertransaction t ON t.id = e.transaction_id
        JOIN payments_capture c ON t.cause_kind = 'capture' AND c.id = t.cause_id WHERE c.order_id = %s
        """,
        order["id"],
    )
    posted = sorted((entry["account"], entry["amount_minor"]) for entry in entries)
    total = order["total_minor"]
    return found + unless(f"ledger: {posted}", posted == [(f"clearing:{world.provider}", total), ("sales", -total)])


def _provider(world: World, order: dict[str, Any]) -> list[str]:
    """The provider took the money once, and each of our attempts opened one page at most."""
    attempts = world.rows("SELECT * FROM payments_paymentattempt WHERE order_id = %s", order["id"])
    references = {attempt["reference"] for attempt in attempts}
    taken = world.played[world.provider].taken(references)
    found = unless(f"{taken} taken, {order['total_minor']} owed", taken == [order["total_minor"]])
    found += unless(f"attempts: {[attempt['state'] for attempt in attempts]}", _one_paid(attempts))
    return found + _asked_once(world, order, references) + answers(world)


def _asked_once(world: World, order: dict[str, Any], references: set[str]) -> list[str]:
    """What must not be asked twice: a page under one key, a sale where the provider knows no keys."""
    if world.provider == "stripe":
        return _pages_opened(world, order)
    sales = Counter(
        request.params.get("orderid")
        for request in world.control.requests(method="POST", path_prefix="/api/transact.php")
        if request.params.get("orderid") in references
    )
    return unless(f"sales asked for: {sales}", set(sales.values()) <= {1})


def _pages_opened(world: World, order: dict[str, Any]) -> list[str]:
    keys = {
        row["idempotency_key"]
        for row in world.rows(
            f"SELECT idempotency_key FROM payments_providercall WHERE operation = 'start' AND {_OF_ORDER}", order["id"]
        )
    }
    opened = Counter(
        request.idempotency_key
        for request in world.control.requests(method="POST", path_prefix="/v1/checkout/sessions")
        if request.path == "/v1/checkout/sessions"
        and request.idempotency_key in keys
        and not request.replayed
        and _took_effect(request)
    )
    return unless(f"pages opened: {opened}", set(opened.values()) <= {1})


def answers(world: World) -> list[str]:
    """Webhooks were answered 200, or 503 while the shop was away."""
    statuses = {
        attempt.status
        for delivery in world.control.deliveries()
        for attempt in delivery.attempts
        if attempt.status not in (None, 200, 503)
    }
    return unless(f"webhooks were answered {statuses}", not statuses)


def _took_effect(request: Any) -> bool:
    """An answer that was dropped after the commit has status 0 in the sandbox's journal."""
    return bool(request.status == 200 or (request.status == 0 and (request.fault or "").endswith("_after")))


def _one_paid(attempts: list[dict[str, Any]]) -> bool:
    states = Counter(attempt["state"] for attempt in attempts)
    return states["paid"] == 1 and set(states) <= {"paid", "failed", "cancelled"}


def _receivers(world: World, order: dict[str, Any]) -> list[str]:
    """Each fact is there once, and was heard once."""
    facts = facts_of(world, order)
    lost = world.value(
        f"SELECT count(*) FROM payments_providercall WHERE error_category = 'not_found' AND {_OF_ORDER}", order["id"]
    )
    expected = Counter({**FACTS, "attempt.failed": lost})
    return [
        *unless(f"facts: {facts}", Counter(row["fact"] for row in facts) == expected),
        *heard_once(world, order, facts),
    ]


def facts_of(world: World, order: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what was told of an order."""
    return world.rows(
        "SELECT id, fact, payload FROM integrations_outboxevent WHERE subject_kind = 'order' AND subject_id = %s"
        " ORDER BY id",
        order["id"],
    )


def heard_once(world: World, order: dict[str, Any], facts: list[dict[str, Any]]) -> list[str]:
    """Each destination heard each of an order's facts once, under the key of its delivery."""
    deliveries = world.rows(
        "SELECT key, state FROM integrations_delivery WHERE event_id = ANY(%s)", [row["id"] for row in facts]
    )
    destinations = world.value("SELECT count(*) FROM integrations_destination WHERE active")
    found = unless(f"deliveries: {deliveries}", len(deliveries) == len(facts) * destinations)
    found += unless(f"not delivered: {deliveries}", {row["state"] for row in deliveries} == {"delivered"})
    heard = world.heard(order["id"])
    keys = sorted(row["key"] for row in deliveries)
    found += unless(f"the receiver has {heard}", sorted(message["webhook_id"] for message in heard) == keys)
    paid = [message for message in heard if message["type"] == "order.paid"]
    return found + unless(f"order.paid was heard as {paid}", len(paid) == destinations)


def _records(world: World, order: dict[str, Any]) -> list[str]:
    """Nothing forbidden was tried, nothing needs a person, the order moved once."""
    moves = world.rows(
        f"""
        SELECT subject_kind, event, forbidden FROM orders_transition
        WHERE (subject_kind = 'order' AND subject_id = %s) OR (subject_kind = 'attempt' AND subject_{_OF_ORDER[8:]})
        """,
        order["id"],
        order["id"],
    )
    found = [f"forbidden: {move}" for move in moves if move["forbidden"]]
    paid = [move for move in moves if (move["subject_kind"], move["event"]) == ("order", "paid")]
    found += unless(f"moved to paid {len(paid)} times", len(paid) == 1)
    tokens = world.rows(
        f"SELECT id FROM payments_providercall WHERE {_OF_ORDER}"
        " AND coalesce(request ->> 'token', '') || coalesce(request ->> 'proof', '') <> ''",
        order["id"],
    )
    found += [f"call {call['id']} still holds what one can pay by" for call in tokens]
    cases = world.rows("SELECT kind, ours, theirs FROM payments_case WHERE order_id = %s", order["id"])
    return found + [f"a case: {case}" for case in cases]


def unless(problem: str, right: bool) -> list[str]:
    """Return the problem, unless all is right."""
    return [] if right else [problem]
