"""Which PayPal settings may be used where (DESIGN.md, invariant 10). Pure: system checks ask the same question.

PayPal's keys carry no mark of their mode: only the host they are used at tells it.
"""

from __future__ import annotations

import re

from integrations.contract import Mode, SettingProblem
from integrations.providers.api_bases import is_usable

LIVE_API_BASE = "https://api-m.paypal.com"
TEST_API_BASE = "https://api-m.sandbox.paypal.com"
PRODUCTION = "production"
SIMULATOR_ID = "WEBHOOK_ID"
"""What the portal's webhook simulator signs for, whoever is to receive it: anybody can have that signed."""

_WORD = re.compile(r"[\x21-\x7e]{8,200}")
_WEBHOOK_ID = re.compile(r"[A-Za-z0-9]{8,50}")


def mode_of(api_base: str) -> Mode:
    """Return the mode of whatever is reached at this address."""
    return Mode.LIVE if api_base.removesuffix("/") == LIVE_API_BASE else Mode.TEST


def check_credentials(
    *, environment: str, client_id: str, client_secret: str, webhook_id: str, api_base: str, webhook_roots: str = ""
) -> list[SettingProblem]:
    """Return what forbids these settings in this environment, empty if nothing does. No value stands in a remedy."""
    return [
        *_check_client(client_id),
        *check_secret(client_secret),
        *_check_webhook_id(webhook_id),
        *_check_base(environment, api_base),
        *_check_roots(environment, api_base, webhook_roots),
    ]


def is_official(api_base: str) -> bool:
    """Return whether this is PayPal's own API, to the letter."""
    return api_base.removesuffix("/") in (LIVE_API_BASE, TEST_API_BASE)


def _problem(code: str, remedy: str) -> SettingProblem:
    return SettingProblem(code=f"paypal.{code}", remedy=remedy)


def _check_client(client_id: str) -> list[SettingProblem]:
    if not client_id:
        remedy = "Set PAYPAL_CLIENT_ID from the app's page at PayPal, or take `paypal` out of PAYMENTS_PROVIDERS."
        return [_problem("client_missing", remedy)]
    if not _WORD.fullmatch(client_id):
        return [_problem("client_shape", "PAYPAL_CLIENT_ID must be one word of 8 to 200 characters: copy it again.")]
    return []


def check_secret(client_secret: str, *, called: str = "PAYPAL_CLIENT_SECRET") -> list[SettingProblem]:
    """Return what forbids this client secret; `called` is what the remedies call it."""
    if not client_secret:
        return [_problem("secret_missing", f"Set {called} from the app's page at PayPal.")]
    if not _WORD.fullmatch(client_secret):
        return [_problem("secret_shape", f"{called} must be one word of 8 to 200 characters: copy it again.")]
    return []


def _check_webhook_id(webhook_id: str) -> list[SettingProblem]:
    if not webhook_id:
        return [_problem("webhook_id_missing", "Set PAYPAL_WEBHOOK_ID to the id of our webhook on the app's page.")]
    if webhook_id == SIMULATOR_ID:
        remedy = "PAYPAL_WEBHOOK_ID is the simulator's: set it to the id of our own webhook, from the app's page."
        return [_problem("webhook_id_of_simulator", remedy)]
    if not _WEBHOOK_ID.fullmatch(webhook_id):
        return [_problem("webhook_id_shape", "PAYPAL_WEBHOOK_ID must be the 17 letters and digits of the app's page.")]
    return []


def _check_base(environment: str, api_base: str) -> list[SettingProblem]:
    live = mode_of(api_base) is Mode.LIVE
    if environment == PRODUCTION:
        if live:
            return []
        code = "test_host_in_production" if is_official(api_base) else "unofficial_host_in_production"
        return [_problem(code, f"PAYPAL_API_BASE must be {LIVE_API_BASE} in production: unset it.")]
    if live:
        remedy = f"PAYPAL_API_BASE is PayPal's live host, for ENVIRONMENT=production only. Here it is {TEST_API_BASE}."
        return [_problem("live_host_outside_production", remedy)]
    if is_official(api_base) or is_usable(api_base):
        return []
    remedy = "PAYPAL_API_BASE must be https://host[:port], or http:// on 127.0.0.1, with nothing after it."
    return [_problem("host_shape", remedy)]


def _check_roots(environment: str, api_base: str, webhook_roots: str) -> list[SettingProblem]:
    """Whoever may name the root that vouches for webhooks can sign any."""
    if webhook_roots and (environment == PRODUCTION or is_official(api_base)):
        remedy = "PAYPAL_WEBHOOK_ROOTS is for a stand-in on this machine only: unset it."
        return [_problem("foreign_roots", remedy)]
    return []
