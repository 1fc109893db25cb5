"""The shop's pages up to the placed order, as a browser without JavaScript uses them, and as an attacker does."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from orders.models import Basket, BasketLine, Order, OrderLine, Price, Product
from orders.states import OrderState
from tests.orders import factories

pytestmark = pytest.mark.django_db

ADD, CHANGE, REMOVE = "/basket/add/", "/basket/change/", "/basket/remove/"


@pytest.fixture
def shop(client: Client) -> Client:
    """A visitor of a shop that sells a mug and some tea."""
    factories.product("MUG-01", USD=1250, EUR=1190, JPY=1900)
    factories.product("TEA-01", USD=800, EUR=750)
    return client


def post(visitor: Client, path: str, **fields: Any) -> Any:
    return visitor.post(path, fields)


def fill(visitor: Client, quantity: int = 1) -> Basket:
    assert post(visitor, ADD, sku="MUG-01", quantity=quantity).status_code == 303
    return Basket.objects.get(token=visitor.session["basket"])


def hidden(visitor: Client) -> dict[str, str]:
    """Return the hidden values of the checkout as it is shown."""
    text = visitor.get("/checkout/").content.decode()
    return dict(re.findall(r'<input type="hidden" name="(basket|seen)" value="([^"]+)"', text))


def order_now(visitor: Client, **changed: str) -> Any:
    return post(visitor, "/checkout/", **{**hidden(visitor), "email": "Ann@Example.com", **changed})


def world() -> list[Any]:
    """Return all rows that a hostile request might touch."""
    models = (Product, Price, Basket, BasketLine, Order, OrderLine)
    return [list(model.objects.order_by("pk").values()) for model in models]


class TestBrowsing:
    def test_shows_products_with_prices(self, shop: Client) -> None:
        text = shop.get("/").content.decode()
        assert "Product MUG-01" in text
        assert "$12.50" in text

    @pytest.mark.parametrize(
        ("language", "shown"), [("de", "11,90\xa0€"), ("fr-FR", "11,90\xa0€"), ("ja", "￥1,900"), ("en", "$12.50")]
    )
    def test_prices_in_the_readers_way(self, language: str, shown: str, shop: Client) -> None:
        response = shop.get("/", headers={"accept-language": language})
        assert shown in response.content.decode()
        assert "Accept-Language" in response["Vary"]

    def test_says_where_a_product_is_not_sold_in_the_currency(self, shop: Client) -> None:
        assert "Not sold in JPY." in shop.get("/", headers={"accept-language": "ja"}).content.decode()

    def test_a_product_has_a_page(self, shop: Client) -> None:
        text = shop.get("/products/mug-01/").content.decode()
        assert "<h1>Product MUG-01</h1>" in text
        assert 'min="1" max="10" step="1"' in text

    @pytest.mark.parametrize("path", ["/products/none/", "/products/gone/", "/products/%00/", "/nowhere/"])
    def test_an_unknown_address_is_404(self, path: str, shop: Client) -> None:
        factories.product("GONE", active=False)
        assert shop.get(path).status_code == 404

    def test_looking_around_writes_nothing_and_begins_no_session(self, shop: Client) -> None:
        before = world()
        for path in ("/", "/products/mug-01/", "/basket/", "/checkout/"):
            assert shop.get(path).status_code == 200
        assert world() == before
        assert "sessionid" not in shop.cookies

    def test_nothing_on_sale_is_said(self, client: Client) -> None:
        assert "Nothing is on sale" in client.get("/").content.decode()


class TestBasket:
    def test_add_change_remove(self, shop: Client) -> None:
        basket = fill(shop, 2)
        post(shop, ADD, sku="TEA-01", quantity=1)
        page = shop.get("/basket/").content.decode()
        assert "$33.00" in page
        assert post(shop, CHANGE, sku="MUG-01", quantity=5).status_code == 303
        assert post(shop, REMOVE, sku="TEA-01").status_code == 303
        assert list(basket.lines.values_list("product__sku", "quantity")) == [("MUG-01", 5)]
        assert "$62.50" in shop.get("/basket/").content.decode()

    def test_choosing_a_currency(self, shop: Client) -> None:
        fill(shop)
        response = post(shop, "/currency/", currency="EUR", next="/basket/")
        assert (response.status_code, response["Location"]) == (303, "/basket/")
        assert "€11.90" in shop.get("/basket/").content.decode()

    def test_a_currency_that_a_line_is_not_sold_in_is_refused_by_name(self, shop: Client) -> None:
        post(shop, ADD, sku="TEA-01", quantity=1)
        response = post(shop, "/currency/", currency="JPY")
        assert response.status_code == 422
        assert "Product TEA-01: not sold in JPY" in response.content.decode()
        assert Basket.objects.get().currency == "USD"

    @pytest.mark.parametrize(
        "target",
        [
            "//evil.example/",
            "https://evil.example/",
            "/\\evil.example",
            "javascript:alert(1)",
            "/ＧＪ.example",
            "/\u0416\rj",
        ],
    )
    def test_nobody_is_sent_elsewhere(self, target: str, shop: Client) -> None:
        assert post(shop, "/currency/", currency="EUR", next=target)["Location"] == "/"

    @pytest.mark.parametrize("currency", ["XXX", "usd", "", "KWD", "US", "USD\x00"])
    def test_a_currency_the_shop_does_not_sell_in_is_refused(self, currency: str, shop: Client) -> None:
        fill(shop)
        assert post(shop, "/currency/", currency=currency).status_code == 400
        assert Basket.objects.get().currency == "USD"


HOSTILE_QUANTITIES = [
    "0",
    "-1",
    "1.5",
    "1e3",
    "999999999999999999999",
    "9" * 5000,
    "NaN",
    "Infinity",
    "",
    "one",
    "1\x00",
]


class TestHostile:
    """Bad input is answered 4xx with a sentence, and nothing changes."""

    @pytest.mark.parametrize("quantity", HOSTILE_QUANTITIES)
    def test_quantities_to_add(self, quantity: str, shop: Client) -> None:
        fill(shop)
        self.refused(shop, ADD, sku="MUG-01", quantity=quantity)

    @pytest.mark.parametrize("quantity", [each for each in HOSTILE_QUANTITIES if each != "0"])
    def test_quantities_to_change(self, quantity: str, shop: Client) -> None:
        fill(shop)
        self.refused(shop, CHANGE, sku="MUG-01", quantity=quantity)

    @pytest.mark.parametrize("sku", ["NONE", "", "x" * 65, "MUG\x00", "'; DROP TABLE orders_order;--", "🫖"])
    def test_products_that_are_none(self, sku: str, shop: Client) -> None:
        fill(shop)
        self.refused(shop, ADD, sku=sku, quantity="1")
        self.refused(shop, CHANGE, sku=sku, quantity="1")

    def test_prices_sent_along_are_not_read(self, shop: Client) -> None:
        forged = {"price": "1", "unit_price_minor": "1", "total_minor": "1", "amount_minor": "1", "currency": "JPY"}
        post(shop, ADD, sku="MUG-01", quantity="2", **forged)
        order_now(shop, state="paid", paid_at="2026-01-01", **forged)
        order = Order.objects.get()
        assert (order.total_minor, order.currency, order.state) == (2500, "USD", OrderState.PLACED)
        assert [line.unit_price_minor for line in order.lines.all()] == [1250]

    def test_the_basket_of_another_cannot_be_ordered(self, shop: Client) -> None:
        theirs = fill(Client())
        fill(shop)
        before = world()
        response = order_now(shop, basket=theirs.token)
        assert response.status_code == 409
        assert "Your basket has changed" in response.content.decode()
        assert world() == before

    @pytest.mark.parametrize("token", ["nobody", "\x00", "x" * 64, "x" * 10_000])
    def test_a_basket_that_is_none_cannot_be_ordered(self, token: str, shop: Client) -> None:
        fill(shop)
        assert order_now(shop, basket=token).status_code in (400, 409)
        assert not Order.objects.exists()

    @pytest.mark.parametrize("email", ["", "ann", "a@b@c.de", "a\x00@example.com", "x" * 300 + "@example.com"])
    def test_an_address_that_is_none(self, email: str, shop: Client) -> None:
        fill(shop)
        response = order_now(shop, email=email)
        assert response.status_code == 400
        assert 'class="problem"' in response.content.decode()
        assert not Order.objects.exists()

    def test_what_was_not_shown_is_not_ordered(self, shop: Client) -> None:
        fill(shop)
        shown = hidden(shop)
        Price.objects.filter(currency="USD").update(amount_minor=9900)
        response = post(shop, "/checkout/", email="ann@example.com", **shown)
        assert response.status_code == 409
        page = response.content.decode()
        assert "check the total" in page
        assert "$99.00" in page
        assert 'value="ann@example.com"' in page
        assert not Order.objects.exists()

    @pytest.mark.parametrize("path", [ADD, CHANGE, REMOVE, "/currency/", "/basket/again/token/"])
    def test_get_changes_nothing(self, path: str, shop: Client) -> None:
        fill(shop)
        before = world()
        response = shop.get(path, {"sku": "MUG-01", "quantity": "3", "currency": "EUR"})
        assert (response.status_code, response["Allow"]) == (405, "POST")
        assert world() == before

    @pytest.mark.parametrize("path", [ADD, CHANGE, REMOVE, "/currency/", "/basket/again/token/", "/checkout/"])
    def test_a_form_from_elsewhere_is_refused(self, path: str, shop: Client) -> None:
        fill(shop)
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = shop.cookies
        before = world()
        assert post(strict, path, sku="MUG-01", quantity="1", currency="EUR").status_code == 403
        assert world() == before

    @pytest.mark.parametrize("method", ["put", "delete", "patch", "options", "trace"])
    @pytest.mark.parametrize("path", ["/", "/basket/", "/checkout/", ADD])
    def test_other_methods_are_refused_with_a_page(self, path: str, method: str, shop: Client) -> None:
        response = getattr(shop, method)(path)
        assert response.status_code == 405
        assert "Nothing was changed" in response.content.decode()

    def refused(self, shop: Client, path: str, **fields: str) -> None:
        before = world()
        response = post(shop, path, **fields)
        assert 400 <= response.status_code < 500
        sentence = re.search(r'role="alert">([^<]+)<', response.content.decode())
        assert sentence is not None
        assert sentence[1].endswith(".")
        assert world() == before


class TestCheckout:
    def test_placing_leads_to_paying(self, shop: Client) -> None:
        fill(shop, 2)
        response = order_now(shop)
        order = Order.objects.get()
        assert (response.status_code, response["Location"]) == (303, reverse("payments:pay", args=[order.token]))
        assert (order.total_minor, order.email, order.locale) == (2500, "ann@example.com", "en_US")

    def test_the_order_keeps_the_readers_locale(self, shop: Client) -> None:
        fill(shop)
        shop.post("/checkout/", {**hidden(shop), "email": "a@example.com"}, headers={"accept-language": "de-AT"})
        assert Order.objects.get().locale == "de_AT"

    def test_sending_the_form_twice_leads_to_the_same_order(self, shop: Client) -> None:
        fill(shop)
        shown = {**hidden(shop), "email": "ann@example.com"}
        first, second = (post(shop, "/checkout/", **shown)["Location"] for _ in range(2))
        assert first == second
        assert Order.objects.count() == 1

    def test_a_tab_left_open_leads_to_its_own_order(self, shop: Client) -> None:
        fill(shop)
        old_tab = {**hidden(shop), "email": "ann@example.com"}
        placed = post(shop, "/checkout/", **old_tab)["Location"]
        fill(shop, 3)
        assert post(shop, "/checkout/", **old_tab)["Location"] == placed
        assert Order.objects.count() == 1

    def test_an_empty_basket_has_no_checkout(self, shop: Client) -> None:
        assert "It is empty." in shop.get("/checkout/").content.decode()
        response = post(shop, "/checkout/", email="ann@example.com", basket="x", seen="x")
        assert response.status_code == 409
        assert not Order.objects.exists()

    def test_opening_the_checkout_of_a_placed_order_leads_to_paying_it(self, shop: Client) -> None:
        fill(shop)
        placed = order_now(shop)["Location"]
        assert shop.get("/checkout/")["Location"] == placed


class TestAfterOrdering:
    """What was ordered is kept: an unpaid basket is never lost, and a paid one never comes back by itself."""

    def test_an_unpaid_order_stands_in_the_basket(self, shop: Client) -> None:
        fill(shop, 2)
        order_now(shop)
        page = shop.get("/basket/").content.decode()
        assert "not paid yet" in page
        assert "$25.00" in page
        assert reverse("payments:pay", args=[Order.objects.get().token]) in page

    def test_a_paid_order_leaves_an_empty_basket(self, shop: Client, now: datetime) -> None:
        fill(shop)
        order_now(shop)
        factories.pay(Order.objects.get(), now=now)
        page = shop.get("/basket/").content.decode()
        assert "It is empty." in page
        assert "Order the same again" not in page

    def test_starting_over_makes_a_new_basket_of_the_same(self, shop: Client) -> None:
        old = fill(shop, 2)
        order_now(shop)
        token = Order.objects.get().token
        assert post(shop, f"/basket/again/{token}/")["Location"] == "/basket/"
        fresh = Basket.objects.get(token=shop.session["basket"])
        assert fresh != old
        assert list(fresh.lines.values_list("product__sku", "quantity")) == [("MUG-01", 2)]
        assert order_now(shop).status_code == 303
        assert Order.objects.count() == 2

    @pytest.mark.parametrize("token", ["nobody", "x" * 64])
    def test_starting_over_from_no_order_is_404(self, token: str, shop: Client) -> None:
        assert post(shop, f"/basket/again/{token}/").status_code == 404
        assert not Basket.objects.exists()
