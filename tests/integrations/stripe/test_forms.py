"""Stripe's embedded page: what our page gets, and what is never shown in a frame."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.contract import InvalidRequest, NotOffered, Presentation, ProviderIds
from integrations.providers.stripe import forms
from integrations.providers.stripe.adapter import StripeProvider
from integrations.providers.stripe.credentials import OFFICIAL_API_BASE, check_credentials

SESSION: dict[str, Any] = {
    "id": "cs_test_1",
    "ui_mode": "embedded_page",
    "status": "open",
    "client_secret": "cs_test_1_secret_x",
    "url": None,
}


def test_the_frames_secret_and_stripes_hosts_and_nothing_looser() -> None:
    form = forms.form(SESSION, publishable_key="pk_test_x", api_base=OFFICIAL_API_BASE)
    assert form.scripts == ("https://js.stripe.com/endive/stripe.js",)
    assert form.parameters == {"publishable_key": "pk_test_x", "client_secret": "cs_test_1_secret_x"}
    assert not form.takes_token
    assert form.policy["script-src"] == ("https://js.stripe.com", "https://*.js.stripe.com")
    assert all(host.startswith("https://") and "stripe.com" in host for hosts in form.policy.values() for host in hosts)


def test_a_stand_in_is_the_only_host_of_its_form() -> None:
    form = forms.form(SESSION, publishable_key="pk_test_x", api_base="http://127.0.0.1:4010/")
    assert {host for hosts in form.policy.values() for host in hosts} == {"http://127.0.0.1:4010"}
    assert form.scripts == ("http://127.0.0.1:4010/endive/stripe.js",)


@pytest.mark.parametrize(
    "changes", [{"ui_mode": "hosted_page"}, {"status": "expired"}, {"status": "complete"}, {"ui_mode": None}], ids=str
)
def test_what_is_hosted_or_over_is_shown_in_no_frame(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        forms.form({**SESSION, **changes}, publishable_key="pk_test_x", api_base=OFFICIAL_API_BASE)


def test_without_a_publishable_key_there_is_no_frame() -> None:
    provider = StripeProvider(environment="test", api_key="sk_test_x", webhook_secrets=("whsec_x",))
    assert provider.capabilities.presentations == (Presentation.HOSTED,)
    with pytest.raises(NotOffered):
        provider.form(ProviderIds(page_id="cs_test_1"))
    with_key = StripeProvider(
        environment="test", api_key="sk_test_x", webhook_secrets=("whsec_x",), publishable_key="pk_test_x"
    )
    assert with_key.capabilities.presentations == (Presentation.HOSTED, Presentation.EMBEDDED)


@pytest.mark.parametrize(
    ("publishable_key", "code"),
    [
        ("", ""),
        ("pk_test_x", ""),
        ("pk_" + "live_x", "stripe.publishable_key_mode"),
        ("sk_test_x", "stripe.publishable_key_shape"),
        ("pk_test_", "stripe.publishable_key_shape"),
        ("nonsense", "stripe.publishable_key_shape"),
    ],
)
def test_which_publishable_key_may_stand_beside_a_test_key(publishable_key: str, code: str) -> None:
    found = check_credentials(
        environment="test", api_key="sk_test_x", webhook_secrets=("whsec_x",), publishable_key=publishable_key
    )
    assert [problem.code for problem in found] == ([code] if code else [])
    assert not any(len(publishable_key) > 8 and publishable_key in problem.remedy for problem in found)
