"""Finding an order: by everything that names it, without reading a whole table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from integrations import correlation
from integrations.contract import ProviderIds
from integrations.models import Delivery, OutboxEvent
from orders.models import Order
from payments import finding
from payments.cases.opening import open_case
from payments.finding import Found, find
from payments.models import Capture, PaymentAttempt, ProviderCall, ProviderEvent
from payments.models.case import CaseKind
from payments.searching import question_of
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.integrations.deliveries import make_destination
from tests.payments.many_rows import fill
from tests.plans import analyze
from tests.world import World

pytestmark = pytest.mark.django_db

TODAY = date(2026, 11, 22)
CORRELATION = "0123456789abcdef0123456789abcdef"  # pragma: allowlist secret


def found(typed: str) -> Found:
    return find(question_of(typed, today=TODAY))


def numbers(typed: str) -> list[int]:
    return [order.number for order, _ in found(typed).orders]


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    """A paid order, told to a receiver; and another order that nobody looks for."""
    make_destination(now=now)
    make_order(now=now - timedelta(days=9), price_minor=777, minutes=60 * 24 * 30)
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    payment = fake.the_payment()
    fake.pay(payment)
    with correlation.bind(CORRELATION):
        world.tell(payment, event_id="evt_paid")
        world.work()
    return world


IDS: dict[str, Callable[[], object]] = {
    "number": lambda: Order.objects.get(total_minor=2000).number,
    "number with its kind": lambda: f"order {Order.objects.get(total_minor=2000).number}",
    "token": lambda: Order.objects.get(total_minor=2000).token,
    "link": lambda: f"https://shop.example/orders/{Order.objects.get(total_minor=2000).token}/",
    "attempt": lambda: PaymentAttempt.objects.get().reference,
    "attempt in capitals": lambda: f"{PaymentAttempt.objects.get().reference.upper()} ",
    "attempt's key": lambda: f"attempt {PaymentAttempt.objects.get().pk}",
    "page": lambda: PaymentAttempt.objects.get().page_id,
    "payment": lambda: PaymentAttempt.objects.get().intent_id,
    "capture": lambda: Capture.objects.get().capture_id,
    "event": lambda: "evt_paid",
    "event's key": lambda: f"event:{ProviderEvent.objects.get().pk}",
    "call": lambda: ProviderCall.objects.get().idempotency_key,
    "delivery": lambda: Delivery.objects.first().key,  # type: ignore[union-attr]
    "fact": lambda: OutboxEvent.objects.get(fact="order.paid").uid,
    "correlation id": lambda: CORRELATION,
    "e-mail of one": lambda: "Ann@Example.com",
    "beginning of an e-mail": lambda: "ann@",
    "amount": lambda: "20.00",
    "amount as Germans write it": lambda: "20,00 €",
    "amount and day": lambda: "20.00 EUR 2026-11-21",
    "amount and the day before": lambda: "20.00 EUR 22.11.2026",
}


@pytest.mark.parametrize("name", IDS)
def test_an_order_is_found_by(world: World, name: str) -> None:
    Order.objects.filter(pk=world.order_id).update(email="ann@example.com")
    hit = found(str(IDS[name]())).only
    assert hit is not None
    assert hit.order_id == world.order_id


def test_a_correlation_id_filters_the_timeline(world: World) -> None:
    assert (hit := found(CORRELATION).only) is not None
    assert hit.correlation_id == CORRELATION


@pytest.mark.parametrize(
    "typed", ["99999", "evt_none", "nobody@example.com", "no", "20.00 USD", "20.00 EUR 2026-11-25", "case 9"]
)
def test_what_is_not_there_is_not_found(world: World, typed: str) -> None:
    assert found(typed) == Found((), ())


def test_several_orders_of_one_address_newest_first(order: Order, now: datetime) -> None:
    later = make_order(now=now)
    assert numbers("shopper@example.com") == [later.number, order.number]
    assert found("shopper@example.com").only is None


def test_more_than_are_shown(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MOST", 2)
    for _ in range(3):
        make_order(now=now)
    result = found("shopper@example.com")
    assert (len(result.orders), result.more) == (2, True)


def test_rows_of_no_order_have_their_own_page(fake: FakeProvider, now: datetime) -> None:
    World(provider=fake, order=make_order(now=now), now=now).press_pay()
    from payments import inbox

    inbox.receive(fake.notification("evt_foreign", reference="pa_foreign", ids=ProviderIds()), body=b"{}", at=now)
    with transaction.atomic():
        case = open_case(
            CaseKind.DEAD_DELIVERY,
            subject_kind="destination",
            subject_id=1,
            ours="a",
            theirs="b",
            suggested_fix="c",
            at=now,
        )
    for typed, model in (
        ("evt_foreign", "payments.providerevent"),
        ("pa_foreign", "payments.providerevent"),
        (f"C-{case.pk}", "payments.case"),
    ):
        hit = found(typed).only
        assert hit is not None
        assert hit.order_id is None
        assert hit.page is not None
        assert hit.page.model == model


def test_an_order_whose_money_differs_is_found_by_what_was_taken(
    fake: FakeProvider, order: Order, now: datetime
) -> None:
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    fake.pay(fake.the_payment(), amount_minor=1999)
    world.wait(minutes=1)
    world.work()
    assert numbers("19.99 EUR") == [order.number]


# --- by index --------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_every_query_has_an_index_for_its_condition(world: World) -> None:
    """With sequential scans priced out, each scan of a table must go through an index that fits its condition.

    Rows are added first: where a table is one page, any index is as good as another.
    """
    asked = [*(str(typed()) for typed in IDS.values()), "x_nothing_of_this_name", "filler777@", "49.90"]
    fill(3000)
    analyze()
    with CaptureQueriesContext(connection) as seen:
        for typed in asked:
            found(typed)
    statements = {query["sql"] for query in seen if query["sql"].startswith("SELECT")}
    assert len(statements) > 100
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for statement in statements:
            cursor.execute(f"EXPLAIN {statement}")
            plan = [row[0] for row in cursor.fetchall()]
            check_plan(plan, statement)


EMPTY = ("payments_staffaction", "payments_approval")
"""What fill() adds nothing to: of an empty table, any index is as good as another."""


def check_plan(plan: list[str], statement: str) -> None:
    for number, line in enumerate(plan):
        if " Scan" not in line or "Bitmap Heap Scan" in line or "Subquery Scan" in line:
            continue
        if any(f" on {table} " in line for table in EMPTY):
            continue
        assert "Seq Scan" not in line, (statement, plan)
        assert "Index Cond" in "".join(plan[number + 1 : number + 2]), (statement, plan)


def test_a_plan_without_an_index_is_noticed(world: World) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT * FROM orders_order WHERE currency = 'EUR' ORDER BY id DESC LIMIT 5")
        plan = [row[0] for row in cursor.fetchall()]
    with pytest.raises(AssertionError):
        check_plan(plan, "")
