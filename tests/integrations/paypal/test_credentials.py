"""Where PayPal's settings may be used: the host alone tells test from live."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.contract import Mode, ProviderMisconfigured
from integrations.providers.paypal.adapter import PayPalProvider
from integrations.providers.paypal.credentials import LIVE_API_BASE, TEST_API_BASE, check_credentials, mode_of
from integrations.providers.wirings import WIRINGS

GOOD = {"client_id": "client-id-1", "client_secret": "client-secret-1", "webhook_id": "4WH12345678901234"}
LOCAL = "http://127.0.0.1:4011"


@pytest.mark.parametrize(
    ("environment", "changes", "code"),
    [
        ("production", {"api_base": TEST_API_BASE}, "paypal.test_host_in_production"),
        ("production", {"api_base": LOCAL}, "paypal.unofficial_host_in_production"),
        ("production", {"api_base": LIVE_API_BASE + ".evil.example"}, "paypal.unofficial_host_in_production"),
        ("production", {"api_base": LIVE_API_BASE.upper()}, "paypal.unofficial_host_in_production"),
        ("production", {"api_base": LIVE_API_BASE, "webhook_roots": "/tmp/r.pem"}, "paypal.foreign_roots"),
        ("staging", {"api_base": TEST_API_BASE, "webhook_roots": "/tmp/r.pem"}, "paypal.foreign_roots"),
        ("staging", {"api_base": LIVE_API_BASE}, "paypal.live_host_outside_production"),
        ("demo", {"api_base": LIVE_API_BASE + "/"}, "paypal.live_host_outside_production"),
        ("demo", {"api_base": "http://paypal.example"}, "paypal.host_shape"),
        ("demo", {"api_base": "https://user@paypal.example"}, "paypal.host_shape"),
        ("demo", {"api_base": TEST_API_BASE, "client_id": ""}, "paypal.client_missing"),
        ("demo", {"api_base": TEST_API_BASE, "client_id": "has blanks in it"}, "paypal.client_shape"),
        ("demo", {"api_base": TEST_API_BASE, "client_secret": ""}, "paypal.secret_missing"),
        ("demo", {"api_base": TEST_API_BASE, "client_secret": "short"}, "paypal.secret_shape"),
        ("demo", {"api_base": TEST_API_BASE, "webhook_id": ""}, "paypal.webhook_id_missing"),
        ("demo", {"api_base": TEST_API_BASE, "webhook_id": "WEBHOOK_ID"}, "paypal.webhook_id_of_simulator"),
        ("demo", {"api_base": TEST_API_BASE, "webhook_id": "has|pipe|in|it"}, "paypal.webhook_id_shape"),
    ],
)
def test_what_is_refused(environment: str, changes: dict[str, str], code: str) -> None:
    given: dict[str, Any] = {**GOOD, **changes}
    problems = check_credentials(environment=environment, **given)
    assert [problem.code for problem in problems] == [code]
    assert not any(value in problem.remedy for problem in problems for value in GOOD.values())
    with pytest.raises(ProviderMisconfigured):  # the guard's second place
        PayPalProvider(environment=environment, **given)


@pytest.mark.parametrize(
    ("environment", "api_base", "mode"),
    [
        ("production", LIVE_API_BASE, Mode.LIVE),
        ("staging", TEST_API_BASE, Mode.TEST),
        ("demo", LOCAL, Mode.TEST),
    ],
)
def test_what_is_taken(environment: str, api_base: str, mode: Mode) -> None:
    assert check_credentials(environment=environment, api_base=api_base, **GOOD) == []
    assert mode_of(api_base) is mode


def test_each_refusal_is_a_numbered_check_and_mixing_stops_the_start() -> None:
    wiring = WIRINGS["paypal"]
    assert wiring.mixed_modes <= set(wiring.numbers)
    assert {"paypal.live_host_outside_production", "paypal.test_host_in_production"} <= wiring.mixed_modes
