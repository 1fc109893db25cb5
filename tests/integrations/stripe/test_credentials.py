"""Which keys and addresses may be used where: the whole grid, and what each refusal says."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.contract import ConfigurationError, Mode, ProviderMisconfigured
from integrations.http import OutboundRefused
from integrations.providers.stripe.adapter import StripeProvider
from integrations.providers.stripe.credentials import OFFICIAL_API_BASE, check_credentials

SECRET = "whsec_test_of_thirty_eight_characters_"
SANDBOX = "http://127.0.0.1:4010"
KEYS = {"test": "sk_test_x1", "restricted test": "rk_test_x1", "live": "sk_live_x1", "restricted live": "rk_live_x1"}

# environment → (kind of key, address) pairs that may be used; everything else may not.
_ELSEWHERE = {(kind, base) for kind in ("test", "restricted test") for base in (OFFICIAL_API_BASE, SANDBOX)}
ALLOWED = {
    "production": {("live", OFFICIAL_API_BASE), ("restricted live", OFFICIAL_API_BASE)},
    "staging": _ELSEWHERE,
    "test": _ELSEWHERE,
    "demo": _ELSEWHERE,
}


def codes(**changes: Any) -> list[str]:
    wanted = {"environment": "test", "api_key": "sk_test_x1", "webhook_secrets": (SECRET,), "api_base": SANDBOX}
    return [problem.code for problem in check_credentials(**{**wanted, **changes})]


@pytest.mark.parametrize("base", [OFFICIAL_API_BASE, SANDBOX])
@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("environment", ALLOWED)
def test_the_grid_of_environment_key_and_address(environment: str, kind: str, base: str) -> None:
    options = {
        "environment": environment,
        "api_key": KEYS[kind],
        "webhook_secrets": (SECRET,),
        "api_base": base,
    }
    if (kind, base) in ALLOWED[environment]:
        assert check_credentials(**options) == []  # type: ignore[arg-type]
        assert StripeProvider(**options).mode is (Mode.LIVE if "live" in kind else Mode.TEST)  # type: ignore[arg-type]
    else:
        assert check_credentials(**options)  # type: ignore[arg-type]
        with pytest.raises(ProviderMisconfigured):
            StripeProvider(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"api_key": ""}, "stripe.key_missing"),
        ({"api_key": "pk_test_x1"}, "stripe.key_shape"),
        ({"api_key": " sk_test_x1"}, "stripe.key_shape"),
        ({"api_key": "sk_test_x1\n"}, "stripe.key_shape"),
        ({"api_key": "sk_test_"}, "stripe.key_shape"),
        ({"api_key": "sk_TEST_x1"}, "stripe.key_shape"),
        ({"api_key": "whsec_x"}, "stripe.key_shape"),
        ({"api_key": "sk_live_x1"}, "stripe.live_key_outside_production"),
        ({"api_key": "sk_live_x1"}, "stripe.live_key_unofficial_host"),
        ({"api_key": "sk_live_x1", "environment": "production"}, "stripe.live_key_unofficial_host"),
        ({"environment": "production"}, "stripe.test_key_in_production"),
        ({"environment": "production"}, "stripe.unofficial_host_in_production"),
        ({"api_base": "http://api.stripe.com"}, "stripe.host_shape"),
        ({"api_base": "http://10.0.0.1:4010"}, "stripe.host_shape"),
        ({"api_base": "https://somebody@proxy.example"}, "stripe.host_shape"),
        ({"api_base": "https://proxy.example/path"}, "stripe.host_shape"),
        ({"api_base": "https://[oops"}, "stripe.host_shape"),
        ({"api_base": ""}, "stripe.host_shape"),
        ({"api_base": "ftp://127.0.0.1"}, "stripe.host_shape"),
        ({"webhook_secrets": ()}, "stripe.webhook_secret_missing"),
        ({"webhook_secrets": SECRET}, "stripe.webhook_secret_missing"),
        ({"webhook_secrets": ("",)}, "stripe.webhook_secret_shape"),
        ({"webhook_secrets": (SECRET, " ")}, "stripe.webhook_secret_shape"),
        ({"webhook_secrets": ("whsec_",)}, "stripe.webhook_secret_shape"),
        ({"webhook_secrets": ("sk_test_x1",)}, "stripe.webhook_secret_shape"),
        ({"webhook_secrets": (SECRET + "\x00",)}, "stripe.webhook_secret_shape"),
        ({"webhook_secrets": ("whsec_short",), "environment": "production"}, "stripe.webhook_secret_weak"),
        ({"three_d_secure": "never"}, "stripe.three_d_secure"),
    ],
)
def test_each_problem_has_its_code(changes: dict[str, Any], code: str) -> None:
    assert code in codes(**changes)


def test_every_problem_at_once_and_no_value_in_any_sentence() -> None:
    problems = check_credentials(
        environment="production",
        api_key="sk_test_TopSecretKey",
        webhook_secrets=("whsec_TopSecret",),
        api_base="http://TopSecretHost@host.example",
        three_d_secure="TopSecretPolicy",
    )
    assert len(problems) == 4
    assert "TopSecret" not in repr(problems)


@pytest.mark.parametrize(
    "almost", ["https://api.stripe.com.evil.example", "https://api.stripe.com:8443", "https://API.stripe.com"]
)
def test_almost_the_official_address_is_not_it(almost: str) -> None:
    assert codes(environment="production", api_key="sk_live_x1", api_base=almost)


def test_a_refused_constructor_names_the_remedies() -> None:
    with pytest.raises(ProviderMisconfigured, match="Use a test key here") as caught:
        StripeProvider(environment="demo", api_key="sk_live_TopSecret", webhook_secrets=(SECRET,))
    assert isinstance(caught.value, ConfigurationError)
    assert not caught.value.permanent
    assert [problem.code for problem in caught.value.problems] == ["stripe.live_key_outside_production"]
    assert "TopSecret" not in str(caught.value)


def test_production_never_gets_a_loopback_connection_even_if_the_checks_were_passed(settings: Any) -> None:
    settings.ENVIRONMENT = "production"
    with pytest.raises(OutboundRefused):
        StripeProvider(environment="test", api_key="sk_test_x1", webhook_secrets=(SECRET,), api_base=SANDBOX)


def test_an_adapter_shows_no_key() -> None:
    adapter = StripeProvider(environment="test", api_key="sk_test_TopSecret", webhook_secrets=(SECRET,))
    assert repr(adapter) == "<StripeProvider test>"
