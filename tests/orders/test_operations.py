"""Placing an order and moving it: prices from the database only, one order a basket, each change with its fact."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction

from integrations.models import OutboxEvent
from orders import baskets, operations
from orders.lines import (
    MAX_LINES,
    CurrencyRefused,
    NothingToOrder,
    NotSoldInCurrency,
    OrderRefused,
    QuantityRefused,
    TooManyLines,
    TotalTooLarge,
    UnknownProduct,
)
from orders.models import Basket, BasketLine, Order, OrderLine, Price, Product, Transition
from orders.money import MAX_AMOUNT_MINOR
from orders.operations import BasketChanged, EmailRefused, LinesRefused, NoTransaction, UnknownBasket
from orders.states import OrderState
from orders.transitions import ForbiddenTransition
from orders.transitions import operation as durable
from tests.orders import factories

pytestmark = pytest.mark.django_db


def place(basket: Basket, now: datetime, **changed: Any) -> Order:
    wanted: dict[str, Any] = {"email": "Ann@Example.com ", "locale": "en_US", **changed}
    return operations.place_order(basket_token=basket.token, now=now, **wanted)


def rows() -> tuple[int, int, int]:
    return Order.objects.count(), OrderLine.objects.count(), OutboxEvent.objects.count()


def test_an_order_is_a_snapshot_of_the_basket_at_the_databases_prices(now: datetime, settings: Any) -> None:
    settings.ORDER_LIFETIME_MINUTES = 45
    mug, tea = factories.product("MUG-01", USD=1250), factories.product("TEA-01", USD=800)
    basket = factories.basket_of(mug, tea, now=now, quantity=2)

    order = place(basket, now)
    Price.objects.update(amount_minor=1)
    Product.objects.update(name="Renamed")

    order = Order.objects.get(pk=order.pk)
    assert (order.state, order.total_minor, order.currency) == (OrderState.PLACED, 4100, "USD")
    assert (order.email, order.placed_at, order.expires_at) == ("ann@example.com", now, now + timedelta(minutes=45))
    assert [(line.sku, line.name, line.quantity, line.unit_price_minor) for line in order.lines.all()] == [
        ("MUG-01", "Product MUG-01", 2, 1250),
        ("TEA-01", "Product TEA-01", 2, 800),
    ]


def test_the_fact_carries_all_a_receiver_needs(now: datetime, settings: Any) -> None:
    settings.PUBLIC_BASE_URL = "https://shop.example/"
    mug = factories.product("MUG-01", EUR=119000)
    order = place(factories.basket_of(mug, now=now, currency="EUR"), now, locale="de_DE")

    event = OutboxEvent.objects.get()

    assert (event.fact, event.subject_kind, event.subject_id) == ("order.placed", "order", order.pk)
    said = json.loads(json.dumps(event.payload))
    assert said["number"] == order.number
    assert said["status_url"] == f"https://shop.example/orders/{order.token}/"
    assert said["pay_url"] == f"https://shop.example/pay/{order.token}/"
    assert (said["currency"], said["total_minor"], said["total_display"]) == ("EUR", 119000, "1.190,00\xa0€")
    assert said["lines"] == [
        {
            "sku": "MUG-01",
            "name": "Product MUG-01",
            "quantity": 1,
            "unit_price_minor": 119000,
            "unit_price_display": "1.190,00\xa0€",
            "total_minor": 119000,
            "total_display": "1.190,00\xa0€",
        }
    ]
    assert datetime.fromisoformat(said["placed_at"]) == now
    assert said["paid_at"] is None


def test_a_second_placing_returns_the_same_order_and_tells_nobody_again(now: datetime) -> None:
    basket = factories.basket_of(factories.product(), now=now)
    first = place(basket, now)

    second = place(basket, now + timedelta(minutes=1), email="other@example.com")

    assert second.pk == first.pk
    assert rows() == (1, 1, 1)
    assert Order.objects.get().email == "ann@example.com"


@pytest.mark.django_db(transaction=True)
def test_thirty_two_at_once_place_one_order(now: datetime) -> None:
    basket = factories.basket_of(factories.product(), now=now)

    def tab(_number: int) -> int:
        try:
            return place(basket, now).pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=32) as tabs:
        numbers = set(tabs.map(tab, range(32)))

    assert len(numbers) == 1
    assert rows() == (1, 1, 1)


def test_what_the_shopper_saw_is_what_they_order(now: datetime) -> None:
    mug = factories.product("MUG-01", USD=1250)
    basket = factories.basket_of(mug, now=now)
    seen = baskets.contents_of(basket).fingerprint

    mug.prices.update(amount_minor=1350)
    with pytest.raises(BasketChanged, match="check the total"):
        place(basket, now, seen=seen)
    assert rows() == (0, 0, 0)

    assert place(basket, now, seen=baskets.contents_of(basket).fingerprint).total_minor == 1350


class TestRefusals:
    """Each refusal is typed, has a sentence, and leaves nothing behind."""

    def test_an_unknown_basket(self, now: datetime) -> None:
        with pytest.raises(UnknownBasket, match="no longer exists"):
            operations.place_order(basket_token="nobody's", email="a@example.com", locale="en_US", now=now)

    def test_an_empty_basket(self, now: datetime) -> None:
        with pytest.raises(NothingToOrder, match="nothing to order"):
            place(Basket.objects.create(currency="USD", created_at=now), now)

    def test_a_product_no_longer_sold(self, now: datetime) -> None:
        mug = factories.product()
        basket = factories.basket_of(mug, now=now)
        Product.objects.update(active=False)
        with pytest.raises(UnknownProduct, match="no longer sold"):
            place(basket, now)

    def test_a_currency_it_is_not_sold_in(self, now: datetime) -> None:
        basket = factories.basket_of(factories.product(), now=now)
        Price.objects.filter(currency="USD").delete()
        with pytest.raises(NotSoldInCurrency, match="not sold in USD"):
            place(basket, now)

    def test_more_than_the_limit(self, now: datetime) -> None:
        basket = factories.basket_of(factories.product(max_quantity=3), now=now)
        BasketLine.objects.update(quantity=4)
        with pytest.raises(QuantityRefused, match="At most 3"):
            place(basket, now)

    def test_a_total_beyond_what_an_amount_may_be(self, now: datetime) -> None:
        half = MAX_AMOUNT_MINOR // 2 + 1
        basket = factories.basket_of(factories.product("A", USD=half), factories.product("B", USD=half), now=now)
        with pytest.raises(TotalTooLarge, match="too large"):
            place(basket, now)

    @pytest.mark.parametrize(
        "email",
        [
            "",
            "ann",
            "ann@",
            "@example.com",
            "a@b@c",
            "ann@example.com\nbcc: x@example.com",
            "a\x00@example.com",
            '"\x01"@example.com',
            "a" * 250 + "@example.com",
            None,
            7,
        ],
    )
    def test_an_address_no_mail_can_reach(self, email: Any, now: datetime) -> None:
        basket = factories.basket_of(factories.product(), now=now)
        with pytest.raises(EmailRefused, match=r"name@example\.com"):
            place(basket, now, email=email)

    @pytest.fixture(autouse=True)
    def nothing_changed(self, db: None) -> Any:
        yield
        assert rows() == (0, 0, 0)


def from_lines(lines: Any, now: datetime, currency: Any = "USD") -> Order:
    return operations.place_order_from_lines(
        lines=lines, currency=currency, email="api@example.com", locale="en_US", now=now
    )


class TestFromLines:
    """The API's way: lines of SKU and quantity, nothing else."""

    def test_places_at_the_databases_prices(self, now: datetime) -> None:
        factories.product("MUG-01", USD=1250)
        factories.product("TEA-01", USD=800)

        order = from_lines([{"sku": "TEA-01", "quantity": 3}, {"sku": "MUG-01", "quantity": 1}], now)

        assert (order.total_minor, order.basket) == (3650, None)
        assert [(line.sku, line.quantity) for line in order.lines.all()] == [("TEA-01", 3), ("MUG-01", 1)]
        assert OutboxEvent.objects.get().fact == "order.placed"

    @pytest.mark.parametrize(
        ("lines", "error"),
        [
            ([], NothingToOrder),
            ("MUG-01", LinesRefused),
            ({"sku": "MUG-01", "quantity": 1}, LinesRefused),
            (["MUG-01"], LinesRefused),
            ([{"sku": "MUG-01"}], LinesRefused),
            ([{"sku": "MUG-01", "quantity": 1, "unit_price_minor": 1}], LinesRefused),
            ([{"sku": "MUG-01", "quantity": 1, "price": 1}], LinesRefused),
            ([{"sku": 7, "quantity": 1}], LinesRefused),
            ([{"sku": "MUG-01", "quantity": 1}] * 2, LinesRefused),
            ([{"sku": "NONE", "quantity": 1}], UnknownProduct),
            ([{"sku": "MUG\x00", "quantity": 1}], UnknownProduct),
            ([{"sku": "M" * 100_000, "quantity": 1}], UnknownProduct),
            ([{"sku": "GONE", "quantity": 1}], UnknownProduct),
            ([{"sku": "MUG-01", "quantity": 0}], QuantityRefused),
            ([{"sku": "MUG-01", "quantity": -1}], QuantityRefused),
            ([{"sku": "MUG-01", "quantity": 11}], QuantityRefused),
            ([{"sku": "MUG-01", "quantity": 10**5000}], QuantityRefused),
            ([{"sku": "MUG-01", "quantity": 1.0}], QuantityRefused),
            ([{"sku": "MUG-01", "quantity": "1"}], QuantityRefused),
            ([{"sku": "MUG-01", "quantity": True}], QuantityRefused),
            ([{"sku": "MUG-01", "quantity": None}], QuantityRefused),
            ([{"sku": f"S-{number}", "quantity": 1} for number in range(MAX_LINES + 1)], TooManyLines),
        ],
    )
    def test_refuses(self, lines: Any, error: type[OrderRefused], now: datetime) -> None:
        factories.product("MUG-01")
        factories.product("GONE", active=False)
        with pytest.raises(error) as refused:
            from_lines(lines, now)
        assert refused.value.message.endswith(".")
        assert rows() == (0, 0, 0)

    @pytest.mark.parametrize("currency", ["usd", "XXX", "", None, 840, ["USD"]])
    def test_refuses_a_currency_we_do_not_know(self, currency: Any, now: datetime) -> None:
        factories.product("MUG-01")
        with pytest.raises(CurrencyRefused):
            from_lines([{"sku": "MUG-01", "quantity": 1}], now, currency)

    def test_refuses_a_currency_it_is_not_sold_in(self, now: datetime) -> None:
        factories.product("MUG-01")
        with pytest.raises(NotSoldInCurrency, match="not sold in JPY"):
            from_lines([{"sku": "MUG-01", "quantity": 1}], now, "JPY")

    def test_a_price_of_a_float_or_nothing_cannot_even_be_stored(self) -> None:
        mug = factories.product("MUG-01")
        with pytest.raises(IntegrityError), transaction.atomic():
            Price.objects.create(product=mug, currency="JPY", amount_minor=0)


class TestMoves:
    """Each move writes its transition and its fact, or nothing."""

    @pytest.mark.parametrize(
        ("operation", "state", "fact"),
        [
            (operations.mark_paid, OrderState.PAID, "order.paid"),
            (operations.cancel, OrderState.CANCELLED, "order.cancelled"),
            (operations.expire, OrderState.EXPIRED, "order.expired"),
        ],
    )
    def test_moves_and_tells(self, operation: Any, state: str, fact: str, now: datetime) -> None:
        order = factories.order(now=now)
        later = now + timedelta(minutes=3)

        with durable():
            locked = Order.objects.select_for_update().get(pk=order.pk)
            if operation is operations.mark_paid:
                factories.capture(locked, now=now)
            row = operation(locked, at=later, cause="look:1", actor="worker:look")

        order = Order.objects.get(pk=order.pk)
        event = OutboxEvent.objects.get(fact=fact)
        assert order.state == state
        assert (row.from_state, row.to_state, row.cause, row.actor) == ("placed", state, "look:1", "worker:look")
        assert (event.payload["state"], event.payload["cause"]) == (state, "look:1")
        assert datetime.fromisoformat(event.payload["occurred_at"]) == later

    def test_paid_says_when(self, now: datetime) -> None:
        factories.pay(factories.order(now=now), now=now + timedelta(minutes=3))
        assert Order.objects.get().paid_at == now + timedelta(minutes=3)
        paid = OutboxEvent.objects.get(fact="order.paid")
        assert datetime.fromisoformat(paid.payload["paid_at"]) == now + timedelta(minutes=3)

    @pytest.mark.parametrize("end", [operations.cancel, operations.expire])
    def test_reopened_may_be_paid_for_as_long_as_a_new_one(self, end: Any, now: datetime, settings: Any) -> None:
        settings.ORDER_LIFETIME_MINUTES = 60
        order = factories.order(now=now)
        later = now + timedelta(days=1)
        with durable():
            end(order, at=now, cause="test", actor="test")
        with durable():
            operations.reopen(order, at=later, cause="correction:1", actor="user:1")
        order = Order.objects.get()
        assert (order.state, order.expires_at) == (OrderState.PLACED, later + timedelta(minutes=60))
        assert OutboxEvent.objects.filter(fact="order.reopened").count() == 1

    def test_a_forbidden_move_is_recorded_and_tells_nobody(self, now: datetime) -> None:
        order = factories.pay(factories.order(now=now), now=now)
        facts = OutboxEvent.objects.count()

        with pytest.raises(ForbiddenTransition), durable():
            operations.expire(order, at=now, cause="sweep", actor="worker:keep")

        assert Order.objects.get().state == OrderState.PAID
        assert OutboxEvent.objects.count() == facts
        assert Transition.objects.filter(forbidden=True, event="expired", from_state="paid").count() == 1

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(
        "operation", [operations.mark_paid, operations.cancel, operations.expire, operations.reopen]
    )
    def test_refuses_without_a_transaction(self, operation: Any, now: datetime) -> None:
        order = factories.order(now=now)
        with pytest.raises(NoTransaction):
            operation(order, at=now, cause="test", actor="test")
        assert Order.objects.get().state == OrderState.PLACED
