"""Baskets: one currency each, limits held, closed once ordered, safe from two tabs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import connections, transaction

from orders import baskets, operations, queries
from orders.baskets import BasketClosed
from orders.lines import MAX_LINES, CurrencyRefused, NotSoldInCurrency, QuantityRefused, TooManyLines, UnknownProduct
from orders.models import Basket, BasketLine, Price, Product
from orders.money import Money
from tests.orders import factories

pytestmark = pytest.mark.django_db


def held(basket: Basket) -> dict[str, int]:
    return {line.product.sku: line.quantity for line in BasketLine.objects.filter(basket=basket)}


def add(basket: Basket | None, now: datetime, sku: str = "MUG-01", quantity: Any = 1, currency: str = "USD") -> Basket:
    token = basket.token if basket else None
    return baskets.add(token=token, sku=sku, quantity=quantity, currency=currency, now=now)


def test_the_first_product_begins_a_basket_and_more_of_it_adds_up(now: datetime) -> None:
    factories.product("MUG-01")
    basket = add(None, now, quantity=2)
    assert add(basket, now, quantity=3) == basket
    assert held(basket) == {"MUG-01": 5}
    assert queries.pieces_in(basket.token) == 5


def test_a_basket_keeps_its_currency_whatever_comes_later(now: datetime) -> None:
    factories.product("MUG-01", USD=1250, EUR=1190)
    factories.product("TEA-01", EUR=800)
    basket = add(None, now, currency="USD")
    add(basket, now, currency="EUR")
    assert (basket.currency, held(basket)) == ("USD", {"MUG-01": 2})
    with pytest.raises(NotSoldInCurrency, match="not sold in USD"):
        add(basket, now, sku="TEA-01", currency="EUR")
    assert held(basket) == {"MUG-01": 2}


@pytest.mark.parametrize("quantity", [0, -1, 11, 10**50, 1.0, 1.5, "1", True, None])
def test_refuses_a_quantity_that_is_none(quantity: Any, now: datetime) -> None:
    factories.product("MUG-01", max_quantity=10)
    basket = add(None, now)
    with pytest.raises(QuantityRefused):
        add(basket, now, quantity=quantity)
    if quantity != 0:
        with pytest.raises(QuantityRefused):
            baskets.change(token=basket.token, sku="MUG-01", quantity=quantity)
    assert held(basket) == {"MUG-01": 1}


def test_the_limit_holds_for_the_sum(now: datetime) -> None:
    factories.product("MUG-01", max_quantity=3)
    basket = add(None, now, quantity=2)
    with pytest.raises(QuantityRefused, match="At most 3"):
        add(basket, now, quantity=2)
    assert held(basket) == {"MUG-01": 2}


@pytest.mark.parametrize("sku", ["NONE", "GONE", ""])
def test_refuses_what_is_not_sold(sku: str, now: datetime) -> None:
    factories.product("GONE", active=False)
    with pytest.raises(UnknownProduct, match="no longer sell"):
        add(None, now, sku=sku)
    assert not Basket.objects.exists()


def test_refuses_a_currency_we_do_not_know(now: datetime) -> None:
    factories.product("MUG-01")
    with pytest.raises(CurrencyRefused):
        add(None, now, currency="XXX")


def test_holds_so_many_products_and_no_more(now: datetime) -> None:
    basket = Basket.objects.create(currency="USD", created_at=now)
    for number in range(MAX_LINES):
        add(basket, now, sku=factories.product(f"S-{number}").sku)
    factories.product("MUG-01")
    with pytest.raises(TooManyLines):
        add(basket, now)
    assert len(held(basket)) == MAX_LINES


def test_changing_and_taking_out(now: datetime) -> None:
    basket = factories.basket_of(factories.product("MUG-01"), factories.product("TEA-01"), now=now)
    baskets.change(token=basket.token, sku="MUG-01", quantity=4)
    assert held(basket) == {"MUG-01": 4, "TEA-01": 1}
    baskets.change(token=basket.token, sku="MUG-01", quantity=0)
    baskets.remove(token=basket.token, sku="TEA-01")
    baskets.remove(token=basket.token, sku="TEA-01")
    assert held(basket) == {}
    with pytest.raises(UnknownProduct, match="no longer in your basket"):
        baskets.change(token=basket.token, sku="TEA-01", quantity=1)


class TestClosed:
    """A basket that became an order stays as it was."""

    @pytest.fixture
    def ordered(self, now: datetime) -> Basket:
        basket = factories.basket_of(factories.product("MUG-01"), now=now)
        operations.place_order(basket_token=basket.token, email="a@example.com", locale="en_US", now=now)
        return basket

    @pytest.mark.parametrize(
        "change",
        [
            lambda token: baskets.change(token=token, sku="MUG-01", quantity=2),
            lambda token: baskets.remove(token=token, sku="MUG-01"),
            lambda token: baskets.change_currency(token=token, currency="EUR"),
        ],
    )
    def test_refuses_changes(self, change: Any, ordered: Basket) -> None:
        with pytest.raises(BasketClosed, match="ordered already"):
            change(ordered.token)
        assert (held(ordered), ordered.currency) == ({"MUG-01": 1}, "USD")

    def test_adding_begins_a_new_one(self, ordered: Basket, now: datetime) -> None:
        fresh = add(ordered, now, quantity=3)
        assert fresh != ordered
        assert (held(ordered), held(fresh)) == ({"MUG-01": 1}, {"MUG-01": 3})
        assert queries.pieces_in(ordered.token) == 0

    def test_starting_over_takes_what_is_still_sold_at_todays_prices(self, ordered: Basket, now: datetime) -> None:
        Price.objects.filter(currency="USD").update(amount_minor=1)
        fresh = baskets.again(ordered.order, now=now)
        assert (held(fresh), baskets.contents_of(fresh).total) == ({"MUG-01": 1}, Money(1, "USD"))

    def test_starting_over_leaves_out_what_is_gone(self, ordered: Basket, now: datetime) -> None:
        Product.objects.update(active=False)
        assert held(baskets.again(ordered.order, now=now)) == {}


class TestCurrency:
    """A basket is priced anew as a whole, or stays as it is."""

    def test_all_lines_move_together(self, now: datetime) -> None:
        basket = factories.basket_of(factories.product("MUG-01", USD=1250, JPY=1900), now=now, quantity=2)
        baskets.change_currency(token=basket.token, currency="JPY")
        basket.refresh_from_db()
        assert baskets.contents_of(basket).total == Money(3800, "JPY")

    def test_names_what_is_in_the_way(self, now: datetime) -> None:
        mug, tea = factories.product("MUG-01", USD=1, JPY=1), factories.product("TEA-01", USD=1)
        basket = factories.basket_of(mug, tea, now=now)
        with pytest.raises(NotSoldInCurrency, match=r"^Product TEA-01: not sold in JPY"):
            baskets.change_currency(token=basket.token, currency="JPY")
        basket.refresh_from_db()
        assert basket.currency == "USD"


class TestContents:
    """What is shown is what would be ordered, with a sentence where something could not be."""

    def test_marks_what_can_no_longer_be_ordered(self, now: datetime) -> None:
        mug, tea = factories.product("MUG-01"), factories.product("TEA-01")
        basket = factories.basket_of(mug, tea, now=now)
        Product.objects.filter(sku="TEA-01").update(active=False)
        contents = baskets.contents_of(basket)
        assert contents.total is None
        assert [line.problem for line in contents.lines] == ["", "Product TEA-01 is no longer sold. Please remove it."]

    def test_its_fingerprint_changes_with_whatever_the_shopper_agrees_to(self, now: datetime) -> None:
        mug = factories.product("MUG-01", USD=1250, EUR=1250)
        basket = factories.basket_of(mug, now=now)
        seen = {baskets.contents_of(basket).fingerprint}
        baskets.change(token=basket.token, sku="MUG-01", quantity=2)
        seen.add(baskets.contents_of(basket).fingerprint)
        baskets.change_currency(token=basket.token, currency="EUR")
        basket.refresh_from_db()
        seen.add(baskets.contents_of(basket).fingerprint)
        Price.objects.update(amount_minor=1251)
        seen.add(baskets.contents_of(basket).fingerprint)
        assert len(seen) == 4

    @pytest.mark.parametrize("token", ["", "none", "\x00", "x" * 100_000, "é"])
    def test_an_odd_token_is_no_basket(self, token: str) -> None:
        assert queries.basket(token) is None
        assert queries.order(token) is None
        assert queries.order_of_basket(token) is None


@pytest.mark.django_db(transaction=True)
def test_two_tabs_never_lose_a_piece_nor_pass_the_limit(now: datetime) -> None:
    factories.product("MUG-01", max_quantity=8)
    basket = Basket.objects.create(currency="USD", created_at=now)

    def tab(_number: int) -> bool:
        try:
            add(basket, now)
        except QuantityRefused:
            return False
        else:
            return True
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=16) as tabs:
        added = list(tabs.map(tab, range(16)))

    assert added.count(True) == 8
    assert held(basket) == {"MUG-01": 8}


@pytest.mark.django_db(transaction=True)
def test_a_change_waits_for_the_placing_and_then_comes_too_late(now: datetime) -> None:
    factories.product("MUG-01", USD=1250)
    basket = add(None, now)

    def change() -> None:
        try:
            baskets.change(token=basket.token, sku="MUG-01", quantity=7)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=1) as other_tab:
        with transaction.atomic():
            order = operations.place_order(basket_token=basket.token, email="a@example.com", locale="en_US", now=now)
            changing = other_tab.submit(change)
            with pytest.raises(TimeoutError):
                changing.result(timeout=0.5)
        with pytest.raises(BasketClosed):
            changing.result(timeout=10)

    assert (held(basket), order.total_minor) == ({"MUG-01": 1}, 1250)
