"""Fills a test database with as many rows as years of business leave, by the owner, in SQL.

Rows are written as they end up, so triggers that guard how they come about are off meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, models

from integrations.models import Delivery, Destination, OutboxEvent
from orders.models import Order, Transition
from payments.models import PaymentAttempt, ProviderEvent

MILLION = 1_000_000
ORDERS = 100_000
RECEIVERS = 4

# About a year: one row every 30 s, the highest number now.
_AT = "now() - (interval '30 seconds') * ({most} - n)"


def fill(*models: type[models.Model]) -> None:
    """Write 1,000,000 events, deliveries and transitions, of 100,000 orders with an attempt each; analyze.

    `models`: only these, in an order in which each finds what it refers to.
    """
    for model in models or _FILLERS:
        with _without_triggers(model):
            _FILLERS[model]()
    with connections["owner"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _orders() -> None:
    insert(
        Order,
        ORDERS,
        token="'order-' || n",
        state="CASE WHEN n % 20 = 0 THEN 'expired' ELSE 'paid' END",
        currency="CASE WHEN n % 7 = 0 THEN 'JPY' ELSE 'EUR' END",
        total_minor="1000 + n % 9000",
        email="'shopper' || n % 50000 || '@example.com'",
        placed_at=_at(ORDERS),
        expires_at=_at(ORDERS),
        paid_at=f"CASE WHEN n % 20 = 0 THEN NULL ELSE {_at(ORDERS)} END",
    )


def _attempts() -> None:
    low = first_key(Order)
    insert(
        PaymentAttempt,
        ORDERS,
        reference="'pa_' || n",
        order_id=f"{low} + n - 1",
        provider="'stripe'",
        state="CASE WHEN n % 20 = 0 THEN 'cancelled' ELSE 'paid' END",
        amount_minor="1000 + n % 9000",
        currency="CASE WHEN n % 7 = 0 THEN 'JPY' ELSE 'EUR' END",
        created_at=_at(ORDERS),
        mode="'test'",
        account="'acct_1'",
        page_id="'cs_test_' || n",
        intent_id="'pi_' || n",
        looked_at=_at(ORDERS),
    )


def _events() -> None:
    """Ten events a payment, nearly all processed. Of one type, and of one provider, only the oldest few are."""
    low = first_key(PaymentAttempt)
    insert(
        ProviderEvent,
        MILLION,
        uid="gen_random_uuid()",
        provider="CASE WHEN n <= 1000 THEN 'paypal' ELSE 'stripe' END",
        event_id="'evt_' || n",
        type="CASE WHEN n <= 100 THEN 'charge.dispute.created' WHEN n % 3 = 0 THEN 'charge.succeeded' "
        "WHEN n % 3 = 1 THEN 'payment_intent.succeeded' ELSE 'checkout.session.completed' END",
        mode="'test'",
        state="CASE WHEN n % 5000 = 0 THEN 'dead' WHEN n % 10000 = 1 THEN 'parked' WHEN n % 10 = 3 THEN 'ignored' "
        "ELSE 'processed' END",
        provider_created_at=_at(MILLION),
        received_at=_at(MILLION),
        finished_at=f"CASE WHEN n % 10 = 3 THEN NULL ELSE {_at(MILLION)} + interval '2 seconds' END",
        object_ids="ARRAY['cs_test_' || n / 10]",
        page_id="'cs_test_' || n / 10",
        intent_id="'pi_' || n / 10",
        reference="'pa_' || n / 10",
        attempt_id=f"CASE WHEN n % 10 = 3 OR n % 10000 = 1 THEN NULL ELSE {low} + (n - 1) / 10 END",
        body_sealed=f"decode({' || '.join(f'md5((n * {part})::text)' for part in range(1, 33))}, 'hex')",
        body_sha256="md5(n::text) || md5(n::text)",
    )


def _destinations() -> None:
    insert(
        Destination,
        RECEIVERS,
        uid="gen_random_uuid()",
        name="'receiver ' || n",
        kind="'webhook'",
        address="'https://receiver.example/' || n",
        idempotent="true",
        created_at="now()",
    )


def _facts() -> None:
    insert(
        OutboxEvent,
        MILLION // RECEIVERS,
        uid="gen_random_uuid()",
        fact="CASE WHEN n % 2 = 0 THEN 'order.paid' ELSE 'order.placed' END",
        subject_kind="'order'",
        subject_id="n",
        payload="jsonb_build_object('order', n, 'text', repeat('x', 400))",
        created_at=_at(MILLION // RECEIVERS),
    )


def _deliveries() -> None:
    """Nearly all delivered; one receiver has the dead letters."""
    fact, receiver = first_key(OutboxEvent), first_key(Destination)
    dead = "n % 4 = 3 AND n % 1000 = 3"
    insert(
        Delivery,
        MILLION,
        event_id=f"{fact} + (n - 1) / {RECEIVERS}",
        destination_id=f"{receiver} + n % {RECEIVERS}",
        key="'msg_' || n",
        state=f"CASE WHEN {dead} THEN 'dead' ELSE 'delivered' END",
        queued_at=_at(MILLION),
        not_before=_at(MILLION),
        delivered_at=f"CASE WHEN {dead} THEN NULL ELSE {_at(MILLION)} + interval '1 second' END",
        died_at=f"CASE WHEN {dead} THEN {_at(MILLION)} END",
        dead_reason=f"CASE WHEN {dead} THEN 'exceeded' ELSE '' END",
        case_opened_at=f"CASE WHEN {dead} THEN {_at(MILLION)} END",
    )


def _transitions() -> None:
    """Ten of each order; forbidden ones only among the oldest."""
    insert(
        Transition,
        MILLION,
        subject_kind="CASE WHEN n % 10 < 5 THEN 'order' ELSE 'attempt' END",
        subject_id="n / 10 + 1",
        sequence="n % 5 + 1",
        from_state="'created'",
        to_state="CASE WHEN n <= 200 THEN '' ELSE 'paid' END",
        event="'paid'",
        forbidden="n <= 200",
        actor="'worker:inbox'",
        cause="'look:1'",
        at=_at(MILLION),
    )


_FILLERS = {
    Order: _orders,
    PaymentAttempt: _attempts,
    ProviderEvent: _events,
    Destination: _destinations,
    OutboxEvent: _facts,
    Delivery: _deliveries,
    Transition: _transitions,
}


def insert(model: type[models.Model], count: int, **columns: str) -> None:
    """Insert `count` rows; each column is an SQL expression of `n`, from 1. Other fields get their default."""
    plain = {
        field.column: field.get_db_prep_save(field.get_default(), connections["owner"])
        for field in model._meta.concrete_fields
        if not (field.primary_key or field.null or field.has_db_default() or field.column in columns)
    }
    names = ", ".join(f'"{name}"' for name in (*columns, *plain))
    values = ", ".join([*(text.replace("%", "%%") for text in columns.values()), *["%s"] * len(plain)])
    with connections["owner"].cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{model._meta.db_table}" ({names}) SELECT {values} FROM generate_series(1, %s) AS n',
            [*plain.values(), count],
        )


def first_key(model: type[models.Model]) -> int:
    """Return the lowest primary key of a table."""
    key: int = model._default_manager.using("owner").order_by("pk").values_list("pk", flat=True)[:1].get()
    return key


def _at(most: int) -> str:
    return _AT.format(most=most)


@contextmanager
def _without_triggers(model: type[models.Model]) -> Iterator[Any]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(f'ALTER TABLE "{model._meta.db_table}" DISABLE TRIGGER USER')
        yield
        cursor.execute(f'ALTER TABLE "{model._meta.db_table}" ENABLE TRIGGER USER')
