"""Fills the stand-in's store and our tables in bulk: clean payments, and breaks of each class strewn among them.

One real payment and one real payout are made over HTTP; everything else is cut from their pattern, in the store's own
form, while the stand-in is down.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connections, models

from integrations.sandbox.stripe.scope import LINKS, PRIVATE_LINKS, new_id
from orders.models import Order
from payments.models import Capture, PaymentAttempt
from payments.models.attempt import new_reference
from payments.models.reconciliation import Difference
from tests.sandbox.process import SandboxProcess
from tests.sandbox.shop import new_session

AMOUNT, FEE = 2000, 88
STORE = "stripe.sqlite3"
WINDOW = timedelta(days=2)
Json = dict[str, Any]


@dataclass
class Payment:
    """One payment as both sides should hold it, before it is broken."""

    at: datetime
    broken: str = ""
    reference: str = field(default_factory=new_reference)
    page_id: str = field(default_factory=lambda: new_id("cs_test"))
    intent_id: str = field(default_factory=lambda: new_id("pi"))
    capture_id: str = field(default_factory=lambda: new_id("ch"))


@dataclass
class Template:
    """The objects of one real payment and one real payout, by kind."""

    account: str
    objects: dict[str, tuple[Json, Json]]


class Plan:
    """What is planted: `expected` holds the provider's ids of each class."""

    def __init__(self, *, clean: int, breaks: int, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.expected: dict[str, set[str]] = defaultdict(set)
        each, more = divmod(breaks, len(Difference))
        kinds = [""] * clean
        for number, difference in enumerate(Difference.values):
            kinds += [difference] * (each + (number < more))
        self.random.shuffle(kinds)
        step = WINDOW / (len(kinds) + 1)
        begin = self.now - WINDOW
        self.payments = [Payment(at=begin + step * n, broken=kind) for n, kind in enumerate(kinds)]


def make_template(sandbox: SandboxProcess) -> Template:
    """Make one payment and one payout over HTTP, and read their objects."""
    client, control = sandbox.client(), sandbox.control
    session = new_session(
        client,
        amount=AMOUNT,
        client_reference_id="REFERENCE",
        metadata={"attempt": "REFERENCE"},
        payment_intent_data={"metadata": {"attempt": "REFERENCE"}},
    )
    intent_id = control.pay(session.id).payment_intent
    payout = control.pay_out(early=True)
    account = client.v1.accounts.retrieve_current().id
    intent = control.get(intent_id)
    charge = control.get(intent["latest_charge"])
    ids = {
        "session": session.id,
        "intent": intent_id,
        "charge": charge["id"],
        "entry": charge["balance_transaction"],
        "method": charge["payment_method"],
        "payout": payout["id"],
        "payout_entry": payout["balance_transaction"],
    }
    sandbox.stop()
    with sqlite3.connect(sandbox.state_dir / STORE) as store:
        rows = {row[0]: (json.loads(row[1]), json.loads(row[2])) for row in store.execute(
            "SELECT id, data, private FROM objects")}  # fmt: skip
    return Template(account=account, objects={name: rows[object_id] for name, object_id in ids.items()})


def fill_store(state_dir: Path, template: Template, plan: Plan) -> None:
    """Write what the provider holds, in the order in which it came about."""
    with sqlite3.connect(state_dir / STORE) as store:
        method = template.objects["method"][0]["id"]
        store.execute("DELETE FROM objects WHERE id <> ?", [method])
        store.execute("DELETE FROM links")
        store.execute("DELETE FROM deliveries")
        for payment in plan.payments:
            for data, private in _theirs(template, plan, payment):
                _insert(store, data, private)


def fill_tables(template: Template, plan: Plan) -> None:
    """Write what we hold. Rows are written as they end up, by the owner, so the triggers are off meanwhile."""
    tables = (Order, PaymentAttempt, Capture)
    with connections["owner"].cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table._meta.db_table} DISABLE TRIGGER USER")
    payments = [payment for payment in plan.payments if payment.broken not in ("unknown_capture", "payout_remainder")]
    orders = _create(Order, [_order(payment, plan.now) for payment in payments])
    attempts = _create(
        PaymentAttempt,
        [_attempt(payment, order, template) for payment, order in zip(payments, orders, strict=True)],
    )
    _create(
        Capture,
        [
            _capture(payment, attempt, template)
            for payment, attempt in zip(payments, attempts, strict=True)
            if payment.broken not in ("missing_here", "late")
        ],
    )
    with connections["owner"].cursor() as cursor:
        for table in tables:
            cursor.execute(f"ALTER TABLE {table._meta.db_table} ENABLE TRIGGER USER")
        cursor.execute("ANALYZE")


# --- theirs ------------------------------------------------------------------------------------------------------


def _theirs(template: Template, plan: Plan, payment: Payment) -> Iterator[tuple[Json, Json]]:
    """Return what the provider holds of one payment, and note what is to be found."""
    if payment.broken == "payout_remainder":
        yield from _payout(template, plan, payment)
        return
    if payment.broken == "duplicate":
        yield from _copied(template, payment).values()
        second = Payment(at=payment.at, reference=payment.reference)
        plan.expected["duplicate"].add(second.capture_id)
        copied = _copied(template, second)
        yield from (copied[name] for name in ("intent", "charge", "entry"))
        return
    if payment.broken:
        plan.expected[payment.broken].add(payment.capture_id)
    objects = _copied(template, payment)
    match payment.broken:
        case "unknown_capture":
            _change(objects, metadata={})
            objects["session"][0].update(client_reference_id=None)
        case "wrong_mode":
            _change(objects, livemode=True)
        case "missing_there":
            objects = {} if plan.random.random() < 0.5 else _without_money(objects)
    yield from objects.values()


def _change(objects: dict[str, tuple[Json, Json]], **fields: Any) -> None:
    for name in ("session", "intent", "charge"):
        objects[name][0].update(fields)


def _without_money(objects: dict[str, tuple[Json, Json]]) -> dict[str, tuple[Json, Json]]:
    objects["session"][0].update(status="expired", payment_status="unpaid")
    objects["intent"][0].update(status="requires_payment_method", latest_charge=None, amount_received=0)
    return {name: objects[name] for name in ("session", "intent")}


def _copied(template: Template, payment: Payment) -> dict[str, tuple[Json, Json]]:
    names = ("session", "intent", "charge", "entry")
    new = {
        template.objects["session"][0]["id"]: payment.page_id,
        template.objects["intent"][0]["id"]: payment.intent_id,
        template.objects["charge"][0]["id"]: payment.capture_id,
        template.objects["entry"][0]["id"]: new_id("txn"),
        "REFERENCE": payment.reference,
    }
    text = json.dumps([template.objects[name] for name in names])
    for old, its in new.items():
        text = text.replace(old, its)
    copies: dict[str, tuple[Json, Json]] = {
        name: (data, private) for name, (data, private) in zip(names, json.loads(text), strict=True)
    }
    for data, private in copies.values():
        data["created"] = int(payment.at.timestamp())
        private.pop("taken_by", None)
        private.pop("payout", None)
    return copies


def _payout(template: Template, plan: Plan, payment: Payment) -> Iterator[tuple[Json, Json]]:
    """A payout whose one entry is a cent short of it."""
    payout_id = new_id("po")
    plan.expected["payout_remainder"].add(payout_id)
    names = ("payout", "payout_entry", "entry")
    text = json.dumps([template.objects[name] for name in names])
    for old, its in (
        (template.objects["payout"][0]["id"], payout_id),
        (template.objects["payout_entry"][0]["id"], new_id("txn")),
        (template.objects["entry"][0]["id"], new_id("txn")),
        (template.objects["charge"][0]["id"], new_id("adj")),
    ):
        text = text.replace(old, its)
    copies = json.loads(text)
    (payout, _), _, (entry, _) = copies
    entry |= {"type": "adjustment", "reporting_category": "other_adjustment", "fee": 0, "fee_details": []}
    entry |= {"amount": payout["amount"] - 1, "net": payout["amount"] - 1, "source": None}
    for data, private in copies:
        data["created"] = int(payment.at.timestamp())
        yield data, private


def _insert(store: sqlite3.Connection, data: Json, private: Json) -> None:
    kind = data["object"]
    cursor = store.execute(
        "INSERT INTO objects (id, kind, created, data, private) VALUES (?, ?, ?, ?, ?)",
        [data["id"], kind, data["created"], json.dumps(data), json.dumps(private)],
    )
    links = {name: data.get(name) for name in LINKS.get(kind, ())}
    links |= {name: private.get(name) for name in PRIVATE_LINKS.get(kind, ())}
    store.executemany(
        "INSERT INTO links (name, value, seq) VALUES (?, ?, ?)",
        [(name, str(value), cursor.lastrowid) for name, value in links.items() if value is not None],
    )


# --- ours --------------------------------------------------------------------------------------------------------


def _order(payment: Payment, now: datetime) -> Order:
    state = {"missing_here": "placed", "late": "expired"}.get(payment.broken, "paid")
    return Order(
        state=state,
        currency="EUR",
        total_minor=AMOUNT,
        email="shopper@example.com",
        placed_at=payment.at,
        expires_at=now + timedelta(hours=1) if state == "placed" else payment.at + timedelta(hours=1),
        paid_at=payment.at if state == "paid" else None,
    )


def _attempt(payment: Payment, order: Order, template: Template) -> PaymentAttempt:
    state = {"missing_here": "pending", "late": "cancelled", "state": "cancelled"}.get(payment.broken, "paid")
    return PaymentAttempt(
        reference=payment.reference,
        order=order,
        provider="stripe",
        state=state,
        amount_minor=AMOUNT,
        currency="EUR",
        created_at=payment.at,
        mode="test",
        account="acct_former" if payment.broken == "wrong_account" else template.account,
        page_id=payment.page_id,
        intent_id=payment.intent_id,
        looked_at=payment.at,
    )


def _capture(payment: Payment, attempt: PaymentAttempt, template: Template) -> Capture:
    return Capture(
        attempt=attempt,
        order_id=attempt.order_id,
        provider="stripe",
        account=attempt.account,
        capture_id=payment.capture_id,
        amount_minor=AMOUNT + (payment.broken == "amount"),
        currency="USD" if payment.broken == "currency" else "EUR",
        disposition="applied",
        captured_at=payment.at,
        created_at=payment.at,
        fee_minor=FEE + (payment.broken == "fee"),
    )


def _create(model: type[models.Model], rows: list[Any]) -> list[Any]:
    return list(model._default_manager.using("owner").bulk_create(rows, batch_size=1000))
