"""The SDK behind its wrapper: option names that exist, one token for all processes, errors in our words."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from paypalserversdk.controllers.orders_controller import OrdersController
from paypalserversdk.controllers.payments_controller import PaymentsController
from paypalserversdk.controllers.transaction_search_controller import TransactionSearchController

from integrations.contract import ConfigurationError, InvalidRequest, ProviderError, RateLimited, Unavailable
from integrations.http import TransactionOpen
from integrations.providers.paypal import client, errors
from integrations.providers.paypal.adapter import PayPalProvider
from integrations.providers.paypal.client import checked
from integrations.providers.paypal.tokens import SharedToken, Token
from integrations.sandbox.paypal.control import PayPalControl
from tests.integrations.paypal.conftest import make_adapter, new_key, start_request
from tests.sandbox.process import SandboxProcess

CONTROLLERS: dict[str, Any] = {
    "orders": OrdersController,
    "payments": PaymentsController,
    "transaction_search": TransactionSearchController,
}
_CALL = re.compile(r"sdk\.(\w+)\.(\w+)\(")
_OPTION = re.compile(r'options\.get\("(\w+)"')


def calls_of_the_wrapper() -> list[tuple[str, str, set[str]]]:
    """Each of the SDK's methods that we call, with the option names we write for it."""
    found = []
    for _, method in inspect.getmembers(client.Client, inspect.isfunction):
        source = inspect.getsource(method)
        if (call := _CALL.search(source)) and call[1] in CONTROLLERS:
            options = source.partition("options = {")[2].partition("}\n")[0]
            found.append((call[1], call[2], set(re.findall(r'"(\w+)":', options))))
    return found


def test_every_option_we_write_is_one_the_sdk_reads() -> None:
    calls = calls_of_the_wrapper()
    assert {name for _, name, _ in calls} >= {"create_order", "capture_order", "refund_captured_payment", "get_order"}
    for controller, name, written in calls:
        read = set(_OPTION.findall(inspect.getsource(getattr(CONTROLLERS[controller], name))))
        assert written <= read, f"{name} knows no {written - read}"


@pytest.mark.parametrize("name", ["create_order", "capture_order", "refund_capture"])
def test_what_moves_money_has_a_key_that_cannot_be_left_out(name: str) -> None:
    key = inspect.signature(getattr(client.Client, name)).parameters["key"]
    assert key.kind is inspect.Parameter.KEYWORD_ONLY and key.default is inspect.Parameter.empty


def test_the_key_reaches_paypal(adapter: PayPalProvider, control: PayPalControl) -> None:
    key = new_key()
    adapter.start(start_request(), idempotency_key=key)
    [sent] = control.requests(method="POST", path_prefix="/v2/checkout/orders")
    assert sent.idempotency_key == key


# --- the token ------------------------------------------------------------------------------------------------


def tokens_asked(control: PayPalControl) -> int:
    return len(control.requests(path_prefix="/v1/oauth2/token"))


def test_one_token_serves_every_adapter(paypal_process: SandboxProcess, control: PayPalControl, roots: Path) -> None:
    for _ in range(3):  # as three processes would
        make_adapter(paypal_process.url, roots).account()
    assert tokens_asked(control) == 1


def test_the_token_stands_sealed_in_the_cache(adapter: PayPalProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: dict[str, Any] = {}
    monkeypatch.setattr(LocMemCache, "set", lambda _, name, value, timeout: kept.update({name: (value, timeout)}))
    adapter.account()
    [(name, (value, timeout))] = kept.items()
    assert name.startswith("paypal-token:") and isinstance(value, bytes)
    assert b"A21AA" not in value and timeout == 32_400 - 120  # it leaves before PayPal forgets it


def test_a_token_that_paypal_forgot_is_replaced_once(adapter: PayPalProvider, control: PayPalControl) -> None:
    adapter.account()
    control.expire_tokens()
    adapter.account()
    assert tokens_asked(control) == 2
    assert [one.status for one in control.requests(path_prefix="/v1/reporting/balances")] == [200, 401, 200]


def test_a_wrong_secret_is_a_matter_for_a_person(
    paypal_process: SandboxProcess, adapter: PayPalProvider, control: PayPalControl, roots: Path
) -> None:
    adapter.account()
    with pytest.raises(ConfigurationError) as refused:
        make_adapter(paypal_process.url, roots, secret="another-secret-of-it").account()
    assert refused.value.http_status == 401
    assert "another-secret-of-it" not in str(refused.value)


@pytest.mark.parametrize("kind", ["server_error", "html_502", "drop"])
def test_without_a_token_nothing_is_sent(adapter: PayPalProvider, control: PayPalControl, kind: str) -> None:
    control.fault(kind, path_prefix="/v1/oauth2/token")
    with pytest.raises(Unavailable):
        adapter.start(start_request(), idempotency_key=new_key())
    assert control.effects() == []


@pytest.mark.django_db
def test_a_cache_entry_of_somebody_else_opens_nothing() -> None:
    asked: list[int] = []

    def fetch() -> Token:
        asked.append(1)
        return Token("fresh", 3600)

    shared = SharedToken(client_id="id", client_secret="secret", api_base="https://a", fetch=fetch)
    cache.set(shared._name, b"k1:" + b"x" * 40, timeout=60)
    try:
        assert shared.get() == "fresh" and asked == [1]
    finally:
        cache.delete(shared._name)


@pytest.mark.django_db
def test_the_token_is_shared_through_the_shops_own_cache(settings: Any) -> None:
    """The cache of settings.py is a table, or Redis: every process sees it."""
    assert "LocMem" not in settings.CACHES["default"]["BACKEND"]
    asked: list[int] = []

    def fetch() -> Token:
        asked.append(1)
        return Token(f"token-{len(asked)}", 3600)

    def another() -> SharedToken:
        return SharedToken(client_id="id", client_secret="secret", api_base="https://b", fetch=fetch)

    assert another().get() == another().get() == "token-1"
    another().forget("token-0")  # somebody has replaced it meanwhile
    assert another().get() == "token-1"
    another().forget("token-1")
    assert another().get() == "token-2"


# --- errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "error"), [("rate_limit", RateLimited), ("server_error", Unavailable), ("html_502", Unavailable)]
)
def test_faults_are_our_errors(
    adapter: PayPalProvider, control: PayPalControl, kind: str, error: type[ProviderError]
) -> None:
    control.fault(kind, path_prefix="/v2/")
    with pytest.raises(error):
        adapter.start(start_request(), idempotency_key=new_key())


@pytest.mark.parametrize(
    ("status", "body", "category", "permanent"),
    [
        (
            400,
            {"name": "INVALID_REQUEST", "details": [{"issue": "MISSING_REQUIRED_PARAMETER"}]},
            "invalid_request",
            True,
        ),
        (401, {"error": "invalid_client"}, "configuration", False),
        (403, {"name": "NOT_AUTHORIZED", "details": [{"issue": "PERMISSION_DENIED"}]}, "configuration", False),
        (404, {"name": "RESOURCE_NOT_FOUND"}, "invalid_request", True),
        (409, {}, "idempotency_conflict", False),
        (422, {"details": [{"issue": "INSTRUMENT_DECLINED"}]}, "declined", True),
        (422, {"details": [{"issue": "PAYEE_ACCOUNT_RESTRICTED"}]}, "configuration", False),
        (422, {"details": [{"issue": "DUPLICATE_REQUEST_ID"}]}, "idempotency_conflict", True),
        (422, {"details": "no list"}, "invalid_request", True),
        (429, {}, "rate_limited", False),
        (500, {}, "unavailable", False),
        (503, {}, "unavailable", False),
        (302, {}, "unavailable", False),
    ],
)
def test_answers_are_sorted(status: int, body: dict[str, Any], category: str, permanent: bool) -> None:
    error = errors.from_status(status, body, {"PayPal-Debug-Id": "abc123"})
    assert (error.category, error.permanent, error.request_id) == (category, permanent, "abc123")
    assert error.outcome_unknown is (category == "unavailable" or status == 409)


def test_what_paypal_says_in_sentences_stays_out() -> None:
    body = {"message": "shopper@example.com", "details": [{"issue": "X", "description": "shopper@example.com"}]}
    assert "shopper" not in str(errors.from_status(422, body, {}))
    assert errors.from_status(422, {"details": [{"issue": "two words, secret"}]}, {}).code == ""


@pytest.mark.parametrize("wrong", ["", "a/b", "../x", "a b", "a" * 61, "a\n"])
def test_an_id_from_outside_never_enters_a_path(wrong: str) -> None:
    with pytest.raises(InvalidRequest):
        checked(wrong)


@pytest.mark.django_db(transaction=True)
def test_nothing_is_sent_inside_a_transaction(paypal_process: SandboxProcess, roots: Path) -> None:
    from django.db import transaction

    from integrations.guard import GuardedProvider

    guarded = GuardedProvider(make_adapter(paypal_process.url, roots))
    ask: Callable[[], object] = guarded.account
    with transaction.atomic(), pytest.raises(TransactionOpen):
        ask()
