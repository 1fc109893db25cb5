"""What Stripe refuses, the sandbox refuses: keys, encodings, parameters, amounts, currencies, times."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
import requests
import stripe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.sandbox.control import SandboxControl
from tests.sandbox import shapes
from tests.sandbox.process import API_KEY, SandboxProcess
from tests.sandbox.shop import checkout_params, new_session


def call(
    sandbox: SandboxProcess,
    path: str = "/v1/payment_intents",
    *,
    body: bytes | str = b"",
    key: str | None = API_KEY,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, dict[str, Any]]:
    """One raw request; every error answer must have Stripe's shape."""
    sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
    if key is not None:
        sent["Authorization"] = f"Bearer {key}"
    answer = requests.request(method, sandbox.url + path, data=body, headers=sent, timeout=10)
    parsed: dict[str, Any] = answer.json()
    assert answer.headers["Request-Id"].startswith("req_")
    if answer.status_code >= 400:
        assert shapes.error_problems(parsed) == []
    return answer.status_code, parsed.get("error", parsed)


@pytest.mark.parametrize("key", [None, "", "sk_live_abc", "rk_live_abc", "pk_test_abc", "nonsense", "sk_test_"])
def test_keys_that_are_refused(sandbox: SandboxProcess, key: str | None) -> None:
    status, error = call(sandbox, "/v1/account", key=key, method="GET")
    assert (status, error["type"]) == (401, "invalid_request_error")


def test_a_live_key_is_not_repeated_in_the_answer(sandbox: SandboxProcess) -> None:
    _, error = call(sandbox, "/v1/account", key="sk_live_verysecret", method="GET")
    assert "verysecret" not in error["message"]


@pytest.mark.parametrize("key", ["sk_test_abc", "rk_test_abc"])
def test_keys_that_are_accepted(sandbox: SandboxProcess, key: str) -> None:
    assert call(sandbox, "/v1/account", key=key, method="GET")[0] == 200
    assert requests.get(sandbox.url + "/v1/account", auth=(key, ""), timeout=10).status_code == 200


def test_another_account_is_refused(sandbox: SandboxProcess) -> None:
    status, error = call(sandbox, "/v1/account", method="GET", headers={"Stripe-Account": "acct_other"})
    assert (status, error["code"]) == (403, "account_invalid")


def test_another_api_version_is_refused(sandbox: SandboxProcess) -> None:
    status, error = call(sandbox, "/v1/account", method="GET", headers={"Stripe-Version": "2019-01-01"})
    assert status == 400
    assert "Invalid Stripe API version" in error["message"]


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ("currency=eur", "parameter_missing", "amount"),
        ("amount=100", "parameter_missing", "currency"),
        ("amount=abc&currency=eur", "parameter_invalid_integer", "amount"),
        ("amount=10.5&currency=eur", "parameter_invalid_integer", "amount"),
        ("amount=1e3&currency=eur", "parameter_invalid_integer", "amount"),
        ("amount=%D9%A1%D9%A2%D9%A3&currency=eur", "parameter_invalid_integer", "amount"),
        ("amount=-5&currency=eur", "parameter_invalid_integer", "amount"),
        ("amount=&currency=eur", "parameter_invalid_empty", "amount"),
        ("amount=49&currency=eur", "amount_too_small", "amount"),
        ("amount=100000000&currency=eur", "amount_too_large", "amount"),
        ("amount=100&currency=eur&colour=red", "parameter_unknown", "colour"),
        ("amount=100&currency=EUR", None, "currency"),
        ("amount=100&currency=xyz", None, "currency"),
        ("amount=100&currency=bgn1", None, "currency"),
        ("amount[]=100&currency=eur", None, "amount"),
        ("amount=100&currency=eur&metadata=x", None, "metadata"),
        ("amount=100&currency=eur&metadata[a][b]=x", None, "metadata[a]"),
        ("amount=100&currency=eur&confirm=yes", None, "confirm"),
        ("amount=100&currency=eur&capture_method=later", None, "capture_method"),
        (
            "amount=100&currency=eur&automatic_payment_methods[on]=true",
            "parameter_unknown",
            "automatic_payment_methods[on]",
        ),
        ("amount=100&amount=200&currency=eur", None, "amount"),
        ("amount=1005&currency=kwd", "parameter_invalid_integer", "amount"),
        ("amount=1050&currency=isk", "parameter_invalid_integer", "amount"),
        ("amount=49&currency=jpy", "amount_too_small", "amount"),
    ],
)
def test_parameters_that_are_refused(
    sandbox: SandboxProcess, control: SandboxControl, body: str, code: str | None, param: str
) -> None:
    status, error = call(sandbox, body=body)
    assert (status, error.get("code"), error["param"]) == (400, code, param)
    assert control.effects() == []


@pytest.mark.parametrize("body", ["amount=1000&currency=kwd", "amount=50&currency=jpy", "amount=1000&currency=isk"])
def test_amounts_in_currencies_without_two_decimals(sandbox: SandboxProcess, body: str) -> None:
    assert call(sandbox, body=body)[0] == 200


@pytest.mark.parametrize(
    "body", [b"amount=%ff%fe&currency=eur", b"\xff\xfe=1", b"a%00b=1", b"amount=1%00&currency=eur", b"a[b=1", b"]=1"]
)
def test_encodings_that_are_refused(sandbox: SandboxProcess, body: bytes) -> None:
    assert call(sandbox, body=body)[0] == 400


def test_json_is_refused(sandbox: SandboxProcess) -> None:
    headers = {"Content-Type": "application/json"}
    status, error = call(sandbox, body='{"amount": 100}', headers=headers)
    assert (status, "form-urlencoded" in error["message"]) == (400, True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/unicorns"),
        ("DELETE", "/v1/charges/ch_1"),
        ("PUT", "/v1/account"),
        ("GET", "/v1/charges/ch;1"),
    ],
)
def test_addresses_that_do_not_exist(sandbox: SandboxProcess, method: str, path: str) -> None:
    status, error = call(sandbox, path, method=method)
    assert status == 404
    assert "Unrecognized request URL" in error["message"] or error["code"] == "resource_missing"


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"mode": "subscription"}, "mode"),
        ({"mode": None}, "mode"),
        ({"success_url": None}, "success_url"),
        ({"success_url": "javascript:alert(1)"}, "success_url"),
        ({"success_url": "/relative"}, "success_url"),
        ({"cancel_url": "http://[bad"}, "cancel_url"),
        ({"ui_mode": "elements"}, "ui_mode"),
        ({"customer_email": "nobody"}, "customer_email"),
        ({"line_items": []}, "line_items"),
        ({"line_items": [{"price": "price_1", "quantity": 1}]}, "line_items[0][price]"),
        ({"line_items": [{"quantity": 1}]}, "line_items[0][price_data]"),
        ({"client_reference_id": "x" * 201}, "client_reference_id"),
        ({"metadata": {"k" * 41: "v"}}, "metadata[" + "k" * 41 + "]"),
        ({"metadata": {"k": "v" * 501}}, "metadata[k]"),
        ({"metadata": {f"k{number}": "v" for number in range(51)}}, "metadata"),
        ({"payment_method_types": ["card"]}, "payment_method_types"),
        ({"allowed_payment_method_types": ["cash"]}, "allowed_payment_method_types"),
        ({"excluded_payment_method_types": ["card", "sepa_debit"]}, "excluded_payment_method_types"),
    ],
)
def test_sessions_that_are_refused(client: stripe.StripeClient, changes: dict[str, Any], param: str) -> None:
    params: Any = {name: value for name, value in {**checkout_params(), **changes}.items() if value is not None}
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.checkout.sessions.create(params)
    assert refused.value.param == param
    assert shapes.error_problems(refused.value.json_body) == []


def test_one_session_one_currency(client: stripe.StripeClient) -> None:
    items = checkout_params()["line_items"] + checkout_params(currency="usd")["line_items"]
    with pytest.raises(stripe.InvalidRequestError, match="different currencies"):
        client.v1.checkout.sessions.create(checkout_params(line_items=items))


@pytest.mark.parametrize(
    ("seconds", "accepted"), [(29 * 60 - 30, False), (31 * 60, True), (24 * 3600, True), (25 * 3600, False)]
)
def test_how_long_a_session_may_live(client: stripe.StripeClient, seconds: int, accepted: bool) -> None:
    expires_at = int(time.time()) + seconds
    if accepted:
        assert new_session(client, expires_at=expires_at).expires_at == expires_at
    else:
        with pytest.raises(stripe.InvalidRequestError, match="timestamp must be"):
            new_session(client, expires_at=expires_at)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    path=st.sampled_from(
        ["/v1/payment_intents", "/v1/checkout/sessions", "/v1/refunds", "/v1/charges/%00", "/c/pay/x"]
    ),
    body=st.one_of(
        st.binary(max_size=200),
        st.lists(
            st.tuples(
                st.from_regex(r"(amount|currency|line_items|metadata|expand)(\[[a-z0-9]{0,3}\]){0,7}", fullmatch=True),
                st.text(max_size=20),
            )
        ).map(lambda pairs: "&".join(f"{quote(k)}={quote(v)}" for k, v in pairs).encode()),
    ),
)
def test_no_input_breaks_it(shared_process: SandboxProcess, path: str, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(shared_process.url + path, data=body, headers=headers, timeout=10)
    assert answer.status_code in (200, 400, 404)


def test_a_body_over_1_mib_is_not_read(sandbox: SandboxProcess) -> None:
    answer = requests.post(sandbox.url + "/v1/refunds", data=b"x" * (1024 * 1024 + 1), timeout=10)
    assert answer.status_code == 413


def test_another_host_name_is_refused(sandbox: SandboxProcess) -> None:
    answer = requests.get(sandbox.url + "/v1/account", headers={"Host": "evil.example"}, timeout=10)
    assert answer.status_code == 421
