"""Finding an adapter by its name: ours, other people's, and none."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.variables import KEYS_MAY_BE_ROWS, TABLE
from integrations import providers
from integrations.contract import Mode, ProviderMisconfigured
from integrations.guard import GuardedProvider
from integrations.providers.wirings import WIRINGS

SECRET = "whsec_test_of_thirty_eight_characters_"


@pytest.fixture(autouse=True)
def fresh(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "_made", {})
    settings.ENVIRONMENT = "test"
    settings.STRIPE_API_KEY = "sk_test_x1"
    settings.STRIPE_API_BASE = "http://127.0.0.1:4010"
    settings.STRIPE_WEBHOOK_SECRETS = (SECRET,)
    settings.STRIPE_THREE_D_SECURE = "automatic"
    settings.STRIPE_CONNECT_TIMEOUT_SECONDS = 2
    settings.STRIPE_READ_TIMEOUT_SECONDS = 5


def test_stripe_comes_guarded_and_from_the_settings() -> None:
    provider = providers.get("stripe")
    assert isinstance(provider, GuardedProvider)
    assert (provider.name, provider.mode) == ("stripe", Mode.TEST)
    client = provider._adapter._client._stripe._requestor._client  # type: ignore[attr-defined]
    assert client._timeout == (2, 5)


def test_it_is_made_once() -> None:
    assert providers.get("stripe") is providers.get("stripe")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STRIPE_API_KEY", "sk_test_x2"),
        ("STRIPE_WEBHOOK_SECRETS", ("whsec_other",)),
        ("STRIPE_API_BASE", "http://127.0.0.1:4011"),
        ("STRIPE_THREE_D_SECURE", "any"),
        ("STRIPE_CONNECT_TIMEOUT_SECONDS", 1),
        ("STRIPE_READ_TIMEOUT_SECONDS", 6),
    ],
)
def test_it_is_made_anew_when_one_of_its_settings_changes(settings: Any, name: str, value: Any) -> None:
    before = providers.get("stripe")
    settings.PAYPAL_CLIENT_ID = "of no concern"
    assert providers.get("stripe") is before
    setattr(settings, name, value)
    assert providers.get("stripe") is not before


def test_every_setting_it_reads_is_watched() -> None:
    for name, wiring in WIRINGS.items():
        read = {used for used in wiring.make.__code__.co_names if used.startswith(f"{name.upper()}_")}
        read |= {kind.setting for kind in wiring.keys.values()}
        assert read == set(wiring.settings), name


def test_what_may_be_a_row_may_be_missing_in_the_environment() -> None:
    assert {kind.setting for wiring in WIRINGS.values() for kind in wiring.keys.values()} == KEYS_MAY_BE_ROWS


def test_each_wiring_is_whole() -> None:
    """What the rest of the service reads of a provider, said without gaps."""
    for name, wiring in WIRINGS.items():
        assert wiring.name == name
        assert wiring.label
        assert wiring.mixed_modes, "test and live must be told apart (DESIGN.md, invariant 10)"
        assert wiring.mixed_modes <= set(wiring.numbers), "what stops the start is a numbered check too"
        assert set(wiring.numbers.values()) <= {"E001", "E002", "E003", "E004"}
        assert not wiring.missing & set(wiring.numbers)
        for code in (*wiring.numbers, *wiring.missing):
            assert code.startswith(f"{name}.")
        for kind in wiring.keys.values():
            assert kind.setting in TABLE
            assert TABLE[kind.setting].secret, "an integration key is a secret"
        assert set(wiring.settings) <= set(TABLE)


def test_a_forked_worker_makes_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    before = providers.get("stripe")
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert providers.get("stripe") is not before


def test_a_setting_that_forbids_it_is_found_at_every_get(settings: Any) -> None:
    providers.get("stripe")
    settings.ENVIRONMENT = "production"
    for _ in range(2):
        with pytest.raises(ProviderMisconfigured):
            providers.get("stripe")


@pytest.mark.parametrize("name", ["nobody", "", "Stripe", "stripe ", "../stripe"])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises(providers.UnknownProvider):
        providers.get(name)
    assert issubclass(providers.UnknownProvider, KeyError)


def test_the_providers_offered_keep_their_order(settings: Any) -> None:
    settings.PAYMENTS_PROVIDERS = ["other", "stripe"]
    assert providers.enabled() == ("other", "stripe")


@pytest.fixture
def somebody_elses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed distribution with an adapter of its own."""
    (tmp_path / "their_shop_pay.py").write_text(
        "from tests.integrations.test_guard import Scripted\n\ndef build():\n    return Scripted(lambda: None)\n"
    )
    info = tmp_path / "their_shop_pay-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-shop-pay\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[shop_payments.providers]\nscripted = their_shop_pay:build\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("their_shop_pay", None)


@pytest.mark.usefixtures("somebody_elses")
def test_other_peoples_adapters_are_found_by_entry_point_and_guarded_alike(settings: Any) -> None:
    provider = providers.get("scripted")
    assert isinstance(provider, GuardedProvider)
    assert provider.name == "scripted"
    assert providers.get("scripted") is provider
    settings.SCRIPTED_API_KEY = "its own, by its name"
    assert providers.get("scripted") is not provider
