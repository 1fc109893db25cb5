"""What a stranger may have us do in a minute: hash passwords, ask a provider, begin sessions and baskets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.test import Client, RequestFactory
from django.utils import timezone

from integrations import flood
from orders.models import Basket, Product
from orders.operations import place_order
from payments import visitors
from payments.roles import Role
from tests.backoffice.people import signed_in
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.orders.factories import product

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_counted() -> None:
    cache.clear()


def test_one_client_does_not_use_up_anothers(settings: Any) -> None:
    ask = RequestFactory().get
    one, other = ask("/", REMOTE_ADDR="203.0.113.1"), ask("/", REMOTE_ADDR="203.0.113.2")
    assert [flood.too_many(one, "x", most_a_minute=2) for _ in range(3)] == [False, False, True]
    assert not flood.too_many(other, "x", most_a_minute=2)
    assert not flood.too_many(one, "y", most_a_minute=2)
    assert not flood.too_many(one, "x", most_a_minute=0)


def test_an_ipv6_client_is_its_network() -> None:
    ask = RequestFactory().get
    clients = {flood.client_of(ask("/", REMOTE_ADDR=f"2001:db8::{number:x}")) for number in range(9)}
    assert clients == {"2001:db8::/64"}
    nobody = ask("/", REMOTE_ADDR="")  # a unix socket without TRUSTED_PROXIES
    assert flood.client_of(nobody) == ""
    assert not any(flood.too_many(nobody, "x", most_a_minute=1) for _ in range(3))


def test_no_password_is_hashed_for_whoever_tries_too_often(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Axes counts by name and address: a stranger with a new name each time never meets it."""
    settings.SIGN_INS_A_MINUTE = 3
    hashed: list[str] = []

    def authenticate(request: Any, username: str = "", **_: Any) -> None:
        hashed.append(username)

    monkeypatch.setattr("django.contrib.auth.forms.authenticate", authenticate)
    answers = [
        Client().post("/admin/login/", {"username": f"n{number}", "password": "x", "code": "123456"})
        for number in range(5)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert hashed == ["n0", "n1", "n2"]
    assert answers[-1].headers["Retry-After"] == "60"
    assert Client().get("/admin/login/").status_code == 200


def test_no_provider_is_asked_for_whoever_asks_too_often(fake: FakeProvider, settings: Any) -> None:
    """Each *pay* and each return costs calls at the provider, whose rate limit all shoppers share."""
    settings.SHOPPER_ASKS_A_MINUTE = 2
    orders = [make_order(now=timezone.now()) for _ in range(4)]
    answers = [Client().post(f"/pay/{order.token}/", {"provider": "stripe"}) for order in orders]
    assert [answer.status_code for answer in answers] == [303, 303, 429, 429]
    assert "No payment was begun just now" in answers[-1].content.decode()
    assert len(fake.payments) == 2


def test_sessions_that_are_over_are_forgotten(now: datetime) -> None:
    for number, days in enumerate((-1, 1)):
        Session.objects.create(session_key=f"k{number}", session_data="x", expire_date=now + timedelta(days=days))
    assert visitors.forget(now) == 1
    assert Session.objects.get().session_key == "k1"


def test_what_was_left_in_a_basket_is_forgotten_with_its_session() -> None:
    mug, now = product(), timezone.now()
    left, kept, ordered = (fill(Client(), mug) for _ in range(3))
    place_order(basket_token=ordered.token, email="ann@example.com", locale="en_US", now=now)
    Session.objects.filter(session_key__in=[session_of(left), session_of(ordered)]).update(expire_date=now)
    assert visitors.forget(now) == 2
    assert set(Basket.objects.all()) == {kept, ordered}


def fill(visitor: Client, mug: Product) -> Basket:
    assert visitor.post("/basket/add/", {"sku": mug.sku, "quantity": "1"}).status_code == 303
    return Basket.objects.get(token=visitor.session["basket"])


def session_of(basket: Basket) -> str:
    [found] = [each for each in Session.objects.all() if each.get_decoded().get("basket") == basket.token]
    return str(found.session_key)


def test_a_shop_writes_so_often_for_one_address(settings: Any) -> None:
    settings.SHOP_WRITES_A_MINUTE = 2
    answers = [Client().post("/basket/add/", {"sku": "none", "quantity": "1"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [404, 404, 429]
    assert "Nothing was changed just now" in answers[-1].content.decode()
    assert Client().get("/").status_code == 200


def test_a_made_up_invitation_begins_no_session_and_signs_nobody_out() -> None:
    stranger = Client()
    assert stranger.get("/admin/invitation/" + "x" * 43 + "/").status_code == 404
    assert not Session.objects.exists()
    client = signed_in(Role.SUPPORT)
    assert client.get("/admin/invitation/" + "x" * 43 + "/").status_code == 404
    assert client.get("/admin/").status_code == 200
