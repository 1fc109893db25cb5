"""Which Square settings may be used where: environment, host and application, and what each refusal says."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.contract import Mode, ProviderMisconfigured
from integrations.http import OutboundRefused
from integrations.providers.square.adapter import SquareProvider
from integrations.providers.square.credentials import LIVE_API_BASE, TEST_API_BASE, check_credentials
from integrations.providers.square.wiring import WIRING

LOOPBACK = "http://127.0.0.1:4011"
ELSEWHERE = "https://square.example"
TEST_APPLICATION, LIVE_APPLICATION = "sandbox-sq0idb-abc", "sq0idp-abc"
TOKEN = "EAAA" + "x" * 30


def options(**changes: Any) -> dict[str, Any]:
    wanted: dict[str, Any] = {
        "environment": "test",
        "access_token": TOKEN,
        "location_id": "L1",
        "application_id": TEST_APPLICATION,
        "webhook_signature_keys": ("k" * 20,),
        "webhook_url": "https://shop.example/webhooks/square/",
        "currency": "EUR",
        "api_base": LOOPBACK,
    }
    return wanted | changes


def codes(**changes: Any) -> list[str]:
    return [problem.code for problem in check_credentials(**options(**changes))]


# environment → (application, address) pairs that may be used; everything else may not.
_TESTING = {(TEST_APPLICATION, base) for base in (TEST_API_BASE, LOOPBACK, ELSEWHERE)}
ALLOWED = {
    "production": {(LIVE_APPLICATION, LIVE_API_BASE)},
    "staging": _TESTING,
    "test": _TESTING,
    "demo": _TESTING,
}


@pytest.mark.parametrize("base", [LIVE_API_BASE, TEST_API_BASE, LOOPBACK, ELSEWHERE])
@pytest.mark.parametrize("application", [TEST_APPLICATION, LIVE_APPLICATION])
@pytest.mark.parametrize("environment", ALLOWED)
def test_the_grid_of_environment_application_and_address(environment: str, application: str, base: str) -> None:
    wanted = options(environment=environment, application_id=application, api_base=base)
    if (application, base) in ALLOWED[environment]:
        assert check_credentials(**wanted) == []
        assert SquareProvider(**wanted).mode is (Mode.LIVE if base == LIVE_API_BASE else Mode.TEST)
    else:
        found = {problem.code for problem in check_credentials(**wanted)}
        assert found & WIRING.mixed_modes, "it must stop the start"
        with pytest.raises(ProviderMisconfigured):
            SquareProvider(**wanted)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"access_token": ""}, "square.token_missing"),
        ({"access_token": "short"}, "square.token_shape"),
        ({"access_token": TOKEN + "\n"}, "square.token_shape"),
        ({"location_id": ""}, "square.location"),
        ({"location_id": "../L1"}, "square.location"),
        ({"currency": ""}, "square.currency"),
        ({"currency": "CHF"}, "square.currency"),
        ({"application_id": ""}, "square.application_shape"),
        ({"application_id": "sq0csp-secret"}, "square.application_shape"),
        ({"api_base": ""}, "square.host_shape"),
        ({"api_base": "http://10.0.0.1:4010"}, "square.host_shape"),
        ({"api_base": "https://somebody@square.example"}, "square.host_shape"),
        ({"api_base": "https://square.example/path"}, "square.host_shape"),
        ({"api_base": "https://[oops"}, "square.host_shape"),
        ({"webhook_signature_keys": ()}, "square.signature_key_missing"),
        ({"webhook_signature_keys": "k" * 20}, "square.signature_key_missing"),
        ({"webhook_signature_keys": ("k" * 20, "")}, "square.signature_key_shape"),
        ({"webhook_signature_keys": (" ",)}, "square.signature_key_shape"),
        ({"webhook_url": ""}, "square.webhook_url"),
        ({"webhook_url": "http://shop.example/webhooks/square/"}, "square.webhook_url"),
        ({"webhook_url": "https://shop.example/?a=b"}, "square.webhook_url"),
    ],
)
def test_each_refusal_has_its_code_and_shows_no_value(changes: dict[str, Any], code: str) -> None:
    assert code in codes(**changes)
    assert code in WIRING.numbers or code in WIRING.missing
    for problem in check_credentials(**options(**changes)):
        assert TOKEN not in problem.remedy
        assert problem.remedy


def test_loopback_is_refused_in_production_by_the_http_guard_too(settings: Any) -> None:
    settings.ENVIRONMENT = "production"
    with pytest.raises(OutboundRefused):
        SquareProvider(**options())


def test_the_location_fixes_the_currency() -> None:
    assert SquareProvider(**options()).capabilities.currencies == frozenset({"EUR"})
    assert SquareProvider(**options(currency="USD")).capabilities.currencies == frozenset({"USD"})
