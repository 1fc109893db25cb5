"""One key, one object: killed at any step and tried again, or tried 32 times at once. Real processes, real locks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.utils import timezone
from rest_framework.throttling import SimpleRateThrottle
from time_machine import TimeMachineFixture

from integrations import providers
from orders.models import Order
from payments import checkout
from payments.idempotency import LEASE_SECONDS
from payments.models import IdempotencyRecord, PaymentAttempt, ProviderCall
from tests.factories import make_order, make_product
from tests.fake_provider import FakeProvider
from tests.payments.api_client import NO_LIMITS, ORDERS, ApiClient, code_of, order_of, told
from tests.payments.api_process import ProviderWithMemory, page_number

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

KEY = "one-key-for-one-thing"
AT_ONCE = 32


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    provider = ProviderWithMemory()
    monkeypatch.setattr(providers, "get", lambda name: provider)
    monkeypatch.setattr(providers, "enabled", lambda: ("stripe",))
    monkeypatch.setattr(checkout, "ANOTHER_TABS_ANSWER_SECONDS", 0)
    return provider


def killed_at(failpoint: str, path: str, body: object) -> None:
    """Send the request from a process that dies at `failpoint`."""
    arguments = [str(connection.settings_dict["NAME"]), path, json.dumps(body), KEY]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.payments.api_process", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "FAILPOINT": f"{failpoint}:1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("failpoint", "orders_left"),
    [("idempotency.bound", 0), ("api.order.before_commit", 0), ("api.order.after_commit", 1)],
)
def test_an_order_whose_maker_was_killed_is_placed_once(failpoint: str, orders_left: int) -> None:
    make_product(sku="MUG")
    killed_at(failpoint, ORDERS, order_of("MUG"))
    assert (Order.objects.count(), IdempotencyRecord.objects.count()) == (orders_left, orders_left)

    again = ApiClient().post(ORDERS, json.dumps(order_of("MUG")).encode(), key=KEY)

    assert again.status_code == 201
    assert told(again)["token"] == Order.objects.get().token
    assert again.headers.get("Idempotency-Replayed") == ("true" if orders_left else None)


@pytest.mark.parametrize(
    ("failpoint", "attempts_left"),
    [
        ("idempotency.bound", 0),
        ("attempt.committed", 1),
        ("call.before_send", 1),
        ("call.after_send", 1),
        ("call.before_store", 1),
        ("api.attempt.before_answer", 1),
        ("api.attempt.after_answer", 1),
    ],
)
def test_an_attempt_whose_maker_was_killed_is_gone_on_with(
    failpoint: str, attempts_left: int, provider: FakeProvider, time_machine: TimeMachineFixture
) -> None:
    order = make_order(now=timezone.now())
    path = f"{ORDERS}{order.token}/attempts/"
    killed_at(failpoint, path, {"provider": "stripe"})
    assert PaymentAttempt.objects.count() == IdempotencyRecord.objects.count() == attempts_left

    killed = timezone.now()
    for seconds in (0, LEASE_SECONDS + 1):
        time_machine.move_to(killed + timedelta(seconds=seconds))
        assert ApiClient().attempt(order.token, key=KEY).status_code in (201, 202, 409)
    time_machine.move_to(killed + timedelta(seconds=LEASE_SECONDS + settings.LEASE_SECONDS + 2))
    response = ApiClient().attempt(order.token, key=KEY)

    attempt = PaymentAttempt.objects.get()
    assert response.status_code == 201
    assert told(response) == {"attempt": attempt.reference, "redirect_url": attempt.page_url, "state": "pending"}
    assert attempt.page_id == f"cs_{page_number(ProviderCall.objects.get().idempotency_key)}", "the provider opened one"
    assert ApiClient().attempt(order.token, key=KEY).headers["Idempotency-Replayed"] == "true"


def at_once(post: Callable[[ApiClient], HttpResponse]) -> list[HttpResponse]:
    """Send the same request from 32 threads at the same moment."""
    together = Barrier(AT_ONCE)

    def one(_: int) -> HttpResponse:
        try:
            together.wait(timeout=30)
            return post(ApiClient())
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def all_heard_of_one_object(responses: list[HttpResponse]) -> None:
    made = [response for response in responses if response.status_code == 201]
    assert len({response.content for response in made}) == 1, "every success tells of the same object"
    assert [response.headers.get("Idempotency-Replayed") for response in made].count(None) == 1, "made once"
    others = Counter(code_of(response) for response in responses if response.status_code != 201)
    assert set(others) <= {(409, "idempotency_in_flight")}


def test_32_equal_orders_at_once_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", NO_LIMITS)
    make_product(sku="MUG")

    responses = at_once(lambda api: api.place(sku="MUG", key=KEY))

    all_heard_of_one_object(responses)
    assert Order.objects.count() == IdempotencyRecord.objects.count() == 1


def test_32_equal_attempts_at_once_are_one(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", NO_LIMITS)
    order = make_order(now=timezone.now())

    responses = at_once(lambda api: api.attempt(order.token, key=KEY))

    all_heard_of_one_object(responses)
    assert PaymentAttempt.objects.count() == ProviderCall.objects.count() == IdempotencyRecord.objects.count() == 1
    assert [verb for verb, _ in provider.calls].count("start") == 1


def test_32_attempts_with_keys_of_their_own_are_one_live_attempt(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tabs, each with its own key: one page, whoever asks. Nobody hears a 5xx."""
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", NO_LIMITS)
    monkeypatch.setattr(checkout, "ANOTHER_TABS_ANSWER_SECONDS", 5)
    order = make_order(now=timezone.now())

    responses = at_once(lambda api: api.attempt(order.token))

    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert PaymentAttempt.objects.count() == 1
    assert IdempotencyRecord.objects.count() == AT_ONCE
