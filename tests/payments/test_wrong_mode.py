"""Test and live never mix, provider by provider: what production refuses to be set up with, and test notices there.

Each provider marks its mode otherwise: Stripe in its keys and events, PayPal by the host and its links, Square by host,
application and a header, NMI by the host and the account's own switch.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from integrations import providers
from integrations.contract import Mode, ProviderMisconfigured
from integrations.providers.nmi import credentials as nmi
from integrations.providers.paypal import certificates
from integrations.providers.paypal import credentials as paypal
from integrations.providers.paypal.certificates import Rule
from integrations.providers.square import credentials as square
from integrations.providers.wirings import WIRINGS
from integrations.sandbox.nmi.events import signature as nmi_signature
from integrations.sandbox.paypal.certificates import make
from payments import checks, working
from payments.models import Case, PaymentAttempt, ProviderEvent
from tests.factories import make_order
from tests.integrations.nmi import test_notifications as of_nmi
from tests.integrations.paypal import test_notifications as of_paypal
from tests.integrations.square import test_notifications as of_square
from tests.integrations.stripe import test_notifications as of_stripe

NMI_KEY = "c" * 32
LIVE: dict[str, dict[str, Any]] = {
    "stripe": {
        "STRIPE_API_KEY": "sk_" + "live_" + "1" * 24,
        "STRIPE_API_BASE": "https://api.stripe.com",
        "STRIPE_WEBHOOK_SECRETS": (of_stripe.SECRET,),
    },
    "paypal": {
        "PAYPAL_CLIENT_ID": "client-id-1",
        "PAYPAL_CLIENT_SECRET": "client-secret-1",
        "PAYPAL_WEBHOOK_ID": of_paypal.WEBHOOK_ID,
        "PAYPAL_API_BASE": paypal.LIVE_API_BASE,
        "PAYPAL_WEBHOOK_ROOTS": "",
    },
    "square": {
        "SQUARE_ACCESS_TOKEN": "EAAA" + "x" * 30,
        "SQUARE_LOCATION_ID": of_square.LOCATION,
        "SQUARE_APPLICATION_ID": "sq0idp-abc",
        "SQUARE_WEBHOOK_SIGNATURE_KEYS": (of_square.KEY,),
        "SQUARE_WEBHOOK_URL": of_square.URL,
        "SQUARE_CURRENCY": "EUR",
        "SQUARE_API_BASE": square.LIVE_API_BASE,
    },
    "nmi": {
        "NMI_SECURITY_KEY": "a" * 32,
        "NMI_TOKENIZATION_KEY": "b" * 32,
        "NMI_WEBHOOK_SIGNING_KEYS": (NMI_KEY,),
        "NMI_MERCHANT_ID": of_nmi.MERCHANT,
        "NMI_API_BASE": nmi.LIVE_API_BASE,
    },
}
"""Settings with which each provider may be offered in production."""

LOOPBACK = "http://127.0.0.1:4010"
WRONG: list[tuple[str, str, dict[str, Any], set[str]]] = [
    ("production", "stripe", {"STRIPE_API_KEY": "sk_" + "test_" + "1" * 24}, {"E001"}),
    ("production", "stripe", {"STRIPE_API_KEY": "rk_" + "test_" + "1" * 24}, {"E001"}),
    ("production", "stripe", {"STRIPE_API_BASE": LOOPBACK}, {"E002"}),
    ("production", "stripe", {"STRIPE_API_BASE": "https://api.stripe.com.example"}, {"E002"}),
    ("production", "paypal", {"PAYPAL_API_BASE": paypal.TEST_API_BASE}, {"E002"}),
    ("production", "paypal", {"PAYPAL_API_BASE": LOOPBACK}, {"E002"}),
    ("production", "paypal", {"PAYPAL_WEBHOOK_ROOTS": "/tmp/of-a-sandbox.pem"}, {"E003"}),
    ("production", "paypal", {"PAYPAL_WEBHOOK_ID": paypal.SIMULATOR_ID}, {"E003"}),
    ("production", "square", {"SQUARE_API_BASE": square.TEST_API_BASE}, {"E002"}),
    ("production", "square", {"SQUARE_API_BASE": LOOPBACK}, {"E002"}),
    ("production", "square", {"SQUARE_APPLICATION_ID": "sandbox-sq0idb-abc"}, {"E001"}),
    ("production", "nmi", {"NMI_API_BASE": nmi.SANDBOX_API_BASE}, {"E002"}),
    ("production", "nmi", {"NMI_API_BASE": LOOPBACK}, {"E002"}),
    ("staging", "stripe", {}, {"E001"}),
    ("staging", "paypal", {}, {"E002"}),
    ("staging", "square", {}, {"E001", "E002"}),
    ("staging", "nmi", {}, {"E002"}),
]


def offer(settings: Any, environment: str, provider: str, **changes: Any) -> None:
    """Offer this one provider, with settings that are right in production but for `changes`."""
    settings.ENVIRONMENT, settings.PAYMENTS_PROVIDERS = environment, (provider,)
    for name, value in {**LIVE[provider], **changes}.items():
        setattr(settings, name, value)


@pytest.mark.parametrize("provider", WIRINGS)
def test_each_provider_has_a_row_here_and_live_settings_pass(provider: str, settings: Any) -> None:
    assert {"production", "staging"} == {environment for environment, name, *_ in WRONG if name == provider}
    offer(settings, "production", provider)
    assert checks.check_credentials() == []
    assert providers.get(provider).mode is Mode.LIVE


@pytest.mark.parametrize(
    ("environment", "provider", "changes", "numbers"),
    WRONG,
    ids=[f"{environment}-{name}-{'-'.join(changes)}" for environment, name, changes, _ in WRONG],
)
def test_the_wrong_mode_is_refused_by_number_at_the_start_and_at_each_use(
    environment: str, provider: str, changes: dict[str, Any], numbers: set[str], settings: Any
) -> None:
    offer(settings, environment, provider, **changes)
    found = checks.check_credentials()
    assert {each.id for each in found} == {f"payments.{number}" for number in numbers}
    assert all(each.hint for each in found)
    codes = {problem.code for problem in WIRINGS[provider].problems()}
    # The simulator's id is a forger's, not of another mode: a check finds it, and the adapter refuses it.
    assert codes & WIRINGS[provider].mixed_modes or codes == {"paypal.webhook_id_of_simulator"}
    with pytest.raises(ProviderMisconfigured):
        providers.get(provider)


# --- a test notice in production ---------------------------------------------------------------------------

Signed = tuple[dict[str, str], bytes]


def from_stripe(reference: str, _: Path) -> Signed:
    body = of_stripe.BODY.replace(of_stripe.REFERENCE.encode(), reference.encode())
    return {"Stripe-Signature": of_stripe.sign(body, at=int(timezone.now().timestamp()))}, body


def from_paypal(reference: str, tmp_path: Path) -> Signed:
    """Proved by a chain of our own in the place of the public one, which nobody but PayPal has."""
    signer = make(now=timezone.now() - timedelta(days=1))
    roots = tmp_path / "roots.pem"
    roots.write_text(signer.root_pem)
    guarded: Any = providers.get("paypal")
    adapter = guarded._adapter
    origin = adapter._door.rule.origin
    adapter._door = replace(adapter._door, rule=Rule(origin=origin, roots=str(roots)))
    url = of_paypal.URL.replace("https://api.sandbox.paypal.com", origin)
    certificates.keep(url, signer.chain_pem.encode())
    body = of_paypal.BODY.replace(b'"pa_1"', f'"{reference}"'.encode())
    return of_paypal.signed(signer, body, at=timezone.now(), changes={"cert_url": url}), body


def from_square(reference: str, _: Path) -> Signed:
    told = of_square.event()
    told["data"]["object"]["payment"]["reference_id"] = reference
    body = json.dumps(told).encode()
    return {"X-Square-HmacSha256-Signature": of_square.signature(body), "Square-Environment": "Sandbox"}, body


def from_nmi(reference: str, _: Path) -> Signed:
    body = json.dumps(of_nmi.event(order_id=reference, features={"is_test_mode": True})).encode()
    return {"Webhook-Signature": nmi_signature(body, secret=NMI_KEY, nonce=of_nmi.NONCE)}, body


NOTICES: dict[str, Callable[[str, Path], Signed]] = {
    "stripe": from_stripe,
    "paypal": from_paypal,
    "square": from_square,
    "nmi": from_nmi,
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("provider", WIRINGS)
def test_a_test_notice_in_production_becomes_a_case_and_moves_nothing(
    provider: str, settings: Any, client: Client, tmp_path: Path
) -> None:
    cache.clear()
    offer(settings, "production", provider)
    now = timezone.now()
    order = make_order(now=now)
    attempt = PaymentAttempt.objects.create(
        order=order, provider=provider, amount_minor=order.total_minor, currency="EUR", created_at=now, mode="live"
    )
    headers, body = NOTICES[provider](attempt.reference, tmp_path)
    answer = client.post(f"/webhooks/{provider}/", body, content_type="application/json", headers=headers)
    assert answer.status_code == 200, "it is genuine, and kept"
    assert ProviderEvent.objects.get().mode == "test"
    for job in working._look_jobs(timezone.now):
        job()
    event = ProviderEvent.objects.get()
    assert (event.state, event.error) == ("ignored", "The event is test.")
    case = Case.objects.get()
    assert (case.kind, case.subject_kind, case.subject_id, case.order) == ("wrong_mode", "event", event.pk, order)
    assert case.suggested_fix
    attempt = PaymentAttempt.objects.get()
    asked = (attempt.state, attempt.looked_at, attempt.look_failures, attempt.order.state)
    assert asked == ("created", None, 0, "placed"), "nobody looked, and nothing moved"
