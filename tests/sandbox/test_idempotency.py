"""Idempotency keys as Stripe keeps them: https://docs.stripe.com/api/idempotent_requests."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import stripe

from integrations.sandbox.control import SandboxControl
from tests.sandbox.process import API_KEY, SandboxProcess
from tests.sandbox.shop import checkout_params

INTENT: dict[str, str | int] = {"amount": 1000, "currency": "eur"}


def create(
    sandbox: SandboxProcess, key: str, path: str = "/v1/payment_intents", **params: str | int
) -> requests.Response:
    """One raw POST under a key."""
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": key}
    return requests.post(sandbox.url + path, data={**INTENT, **params}, headers=headers, timeout=20)


def test_a_repeat_gets_the_same_bytes_and_says_so(sandbox: SandboxProcess, control: SandboxControl) -> None:
    first, second = create(sandbox, "key-1"), create(sandbox, "key-1")
    assert first.content == second.content
    assert "Idempotent-Replayed" not in first.headers
    assert second.headers["Idempotent-Replayed"] == "true"
    assert second.headers["Original-Request"] == first.headers["Request-Id"]
    assert len(control.effects()) == 1
    assert [request.replayed for request in control.requests()] == [False, True]


def test_other_parameters_under_the_same_key_are_an_error(client: stripe.StripeClient, control: SandboxControl) -> None:
    client.v1.payment_intents.create({"amount": 1000, "currency": "eur"}, {"idempotency_key": "key-1"})
    with pytest.raises(stripe.IdempotencyError, match="same parameters") as refused:
        client.v1.payment_intents.create({"amount": 1001, "currency": "eur"}, {"idempotency_key": "key-1"})
    assert refused.value.http_status == 400
    assert len(control.effects()) == 1


def test_another_endpoint_under_the_same_key_is_an_error(client: stripe.StripeClient) -> None:
    client.v1.payment_intents.create({"amount": 1000, "currency": "eur"}, {"idempotency_key": "key-1"})
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        client.v1.checkout.sessions.create(checkout_params(), {"idempotency_key": "key-1"})


def test_a_decline_is_kept(client: stripe.StripeClient, control: SandboxControl) -> None:
    for _ in range(2):
        with pytest.raises(stripe.CardError):
            client.v1.payment_intents.create(
                {
                    "amount": 1000,
                    "currency": "eur",
                    "confirm": True,
                    "payment_method": "pm_card_chargeDeclined",
                    "allowed_payment_method_types": ["card"],
                },
                {"idempotency_key": "key-1"},
            )
    assert [len(effect.charges) for effect in control.effects()] == [1]


def test_failed_validation_is_not_kept(sandbox: SandboxProcess) -> None:
    assert create(sandbox, "key-1", amount="many").status_code == 400
    assert create(sandbox, "key-1").status_code == 200


def test_an_executed_500_is_kept_with_its_effect(sandbox: SandboxProcess, control: SandboxControl) -> None:
    control.fault("server_error", method="POST", after=True)
    first, second = create(sandbox, "key-1"), create(sandbox, "key-1")
    assert (first.status_code, second.status_code) == (500, 500)
    assert second.headers["Idempotent-Replayed"] == "true"
    assert len(control.effects()) == 1
    assert create(sandbox, "key-2").status_code == 200


def test_a_500_can_be_kept_without_any_effect(sandbox: SandboxProcess, control: SandboxControl) -> None:
    control.fault("stored_error", method="POST")
    assert [create(sandbox, "key-1").status_code for _ in range(3)] == [500, 500, 500]
    assert control.effects() == []


def test_an_unexecuted_500_is_not_kept(sandbox: SandboxProcess, control: SandboxControl) -> None:
    control.fault("server_error", method="POST")
    assert [create(sandbox, "key-1").status_code for _ in range(2)] == [500, 200]
    assert len(control.effects()) == 1


def test_keys_are_forgotten_after_24_hours(sandbox: SandboxProcess, control: SandboxControl) -> None:
    first = create(sandbox, "key-1").json()["id"]
    control.set_clock(offset_seconds=24 * 3600 - 60)
    assert create(sandbox, "key-1").json()["id"] == first
    control.set_clock(offset_seconds=24 * 3600 + 60)
    again = create(sandbox, "key-1")
    assert again.json()["id"] != first
    assert "Idempotent-Replayed" not in again.headers


def test_a_key_may_have_255_characters(sandbox: SandboxProcess) -> None:
    assert create(sandbox, "k" * 255).status_code == 200
    refused = create(sandbox, "k" * 256)
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "idempotency_error")


def test_32_at_once_under_one_key_make_one_intent(sandbox: SandboxProcess, control: SandboxControl) -> None:
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: create(sandbox, "key-1"), range(32)))
    assert len(control.effects()) == 1
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {200, 409}
    assert len({answer.json()["id"] for answer in answers if answer.status_code == 200}) == 1
    assert {answer.json()["error"]["code"] for answer in answers if answer.status_code == 409} <= {
        "idempotency_key_in_use"
    }


def test_a_duplicate_of_a_slow_request_is_told_to_wait(sandbox: SandboxProcess, control: SandboxControl) -> None:
    control.fault("delay", method="POST", seconds=1.0)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(create, sandbox, "key-1")
        while control.faults():
            time.sleep(0.01)
        time.sleep(0.2)
        duplicate = create(sandbox, "key-1")
        assert slow.result().status_code == 200
    assert (duplicate.status_code, duplicate.json()["error"]["code"]) == (409, "idempotency_key_in_use")
    assert create(sandbox, "key-1").headers["Idempotent-Replayed"] == "true"
    assert len(control.effects()) == 1


def test_32_at_once_under_different_keys_make_32(sandbox: SandboxProcess, control: SandboxControl) -> None:
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda number: create(sandbox, f"key-{number}"), range(32)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(control.effects()) == 32


def test_the_sdk_retries_through_a_conflict(sandbox: SandboxProcess, control: SandboxControl) -> None:
    client = sandbox.client(retries=5)
    control.fault("delay", method="POST", seconds=0.5)
    with ThreadPoolExecutor(2) as pool:
        made = list(
            pool.map(
                lambda _: (
                    client.v1.payment_intents.create(
                        {"amount": 1000, "currency": "eur"}, {"idempotency_key": "key-1"}
                    ).id
                ),
                range(2),
            )
        )
    assert len(set(made)) == 1
