"""Tries: each once, whatever is told again; cards and addresses are recognised by keyed hashes and not kept."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from integrations.contract import DeclineReason
from orders.models import Order
from payments.keyed_hashes import as_subject_id, client_key, method_key
from payments.models import Look, PaymentAttempt, PaymentTry
from tests.fake_provider import FakeProvider
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    return World(provider=fake, order=order, now=now)


def test_each_try_is_one_row_however_often_it_is_told(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    for card in ("card-1", "card-2"):
        world.provider.refuse_card(payment, card=card)
        world.tell(payment)
        world.work()
        world.wait(seconds=30)
    world.provider.pay(payment)
    world.tell(payment)
    world.work()
    tries = list(PaymentTry.objects.order_by("pk").values_list("succeeded", "decline_reason", "method", "seen_at"))
    assert [row[:3] for row in tries] == [
        (False, DeclineReason.INSUFFICIENT_FUNDS, "card"),
        (False, DeclineReason.INSUFFICIENT_FUNDS, "card"),
        (True, "", "card"),
    ]
    assert len({row[3] for row in tries}) == 3, "each is dated by the look that first told of it"
    first, second, third = PaymentTry.objects.order_by("pk").values_list("method_key", flat=True)
    assert first == third != second


def test_the_fingerprint_itself_is_nowhere(world: World) -> None:
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.refuse_card(payment, card="Xt5EWLLDS7FJjR1c")
    world.tell(payment)
    world.work()
    with connection.cursor() as cursor:
        for model in (PaymentTry, Look, PaymentAttempt):
            cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {model._meta.db_table} t")
            assert "Xt5EWLLDS7FJjR1c" not in str(cursor.fetchone())
    assert PaymentTry.objects.get().method_key == method_key("stripe", "Xt5EWLLDS7FJjR1c")


def test_the_attempt_knows_its_client_by_a_hash(fake: FakeProvider, order: Order, client: Client) -> None:
    order.expires_at = order.expires_at.replace(year=2100)
    order.save(update_fields=["expires_at"])
    answer = client.post(f"/pay/{order.token}/", REMOTE_ADDR="203.0.113.9")
    assert answer.status_code == 303
    attempt = PaymentAttempt.objects.get()
    assert attempt.client_key == client_key("203.0.113.9") != ""


def test_keys_depend_on_our_secret_and_on_what_they_are_for(settings: Any) -> None:
    before = method_key("stripe", "a"), client_key("203.0.113.9"), as_subject_id("a@example.com")
    assert len(set(before)) == 3
    settings.SECRET_KEY = "another" * 10
    after = method_key("stripe", "a"), client_key("203.0.113.9"), as_subject_id("a@example.com")
    assert not set(before) & set(after)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.9", "203.0.113.9", True),
        ("203.0.113.9", "203.0.113.10", False),
        ("203.0.113.9", "::ffff:203.0.113.9", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::7", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
    ],
)
def test_a_subscriber_is_one_client(one: str, other: str, same: bool) -> None:
    assert (client_key(one) == client_key(other)) is same


@pytest.mark.parametrize("address", ["", "unix:", "not an address", "203.0.113.9, 10.0.0.1"])
def test_what_is_no_address_has_no_key(address: str) -> None:
    assert client_key(address) == ""
    assert method_key("stripe", "") == ""


def test_a_subject_of_a_case_fits_its_column() -> None:
    assert all(0 < as_subject_id(f"{number}@example.com") < 2**63 for number in range(200))
