"""Which Square settings may be used where (DESIGN.md, invariant 10). Pure: system checks ask the same question.

An access token does not say whether it is of test or live. The host does, and the application id (`sandbox-…` or
`sq0idp-…`): both must agree with the environment, and with each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from integrations.contract import Mode, SettingProblem
from integrations.providers.api_bases import is_usable
from integrations.providers.square.money import CURRENCIES

LIVE_API_BASE = "https://connect.squareup.com"
TEST_API_BASE = "https://connect.squareupsandbox.com"
PRODUCTION = "production"

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,255}")
_LOCATION = re.compile(r"[A-Za-z0-9]{1,32}")
_TEST_APPLICATION = re.compile(r"sandbox-sq0idb-[A-Za-z0-9_-]+")
_LIVE_APPLICATION = re.compile(r"sq0idp-[A-Za-z0-9_-]+")
_SIGNATURE_KEY = re.compile(r"[\x21-\x7e]+")
_SIGNATURE_KEY_MIN_LENGTH = 16


def mode_of(api_base: str) -> Mode:
    """Return the mode of everything behind this address: live only at Square's own live host."""
    return Mode.LIVE if api_base.removesuffix("/") == LIVE_API_BASE else Mode.TEST


def is_official(api_base: str) -> bool:
    """Return whether this is one of Square's own two APIs, to the letter."""
    return api_base.removesuffix("/") in (LIVE_API_BASE, TEST_API_BASE)


def check_credentials(
    *,
    environment: str,
    access_token: str,
    location_id: str,
    application_id: str,
    webhook_signature_keys: Sequence[str],
    webhook_url: str,
    currency: str,
    api_base: str,
) -> list[SettingProblem]:
    """Return what forbids these settings in this environment, empty if nothing does. No value stands in a remedy."""
    return [
        *check_token(access_token),
        *_check_location(location_id, currency),
        *_check_base(environment, api_base),
        *_check_application(environment, application_id, api_base),
        *_check_webhook(webhook_signature_keys, webhook_url),
    ]


def _problem(code: str, remedy: str) -> list[SettingProblem]:
    return [SettingProblem(code=f"square.{code}", remedy=remedy)]


def check_token(access_token: str) -> list[SettingProblem]:
    """Return what forbids this access token; the mode it is of, it does not say."""
    if not access_token:
        return _problem("token_missing", "Set SQUARE_ACCESS_TOKEN, or take `square` out of PAYMENTS_PROVIDERS.")
    if not _TOKEN.fullmatch(access_token):
        return _problem("token_shape", "SQUARE_ACCESS_TOKEN has a character that no access token has: copy it again.")
    return []


def _check_location(location_id: str, currency: str) -> list[SettingProblem]:
    problems = []
    if not _LOCATION.fullmatch(location_id):
        problems += _problem("location", "Set SQUARE_LOCATION_ID to the id of the location that takes the money.")
    if currency not in CURRENCIES:
        known = ", ".join(sorted(CURRENCIES))
        problems += _problem("currency", f"Set SQUARE_CURRENCY to the location's currency, one of {known}.")
    return problems


def _check_base(environment: str, api_base: str) -> list[SettingProblem]:
    mode = mode_of(api_base)
    if environment == PRODUCTION:
        if mode is Mode.LIVE:
            return []
        code = "test_host_in_production" if is_official(api_base) else "unofficial_host_in_production"
        return _problem(code, f"SQUARE_API_BASE must be {LIVE_API_BASE} in production: unset it.")
    if mode is Mode.LIVE:
        remedy = f"SQUARE_API_BASE is Square's live host, for ENVIRONMENT=production only: use {TEST_API_BASE} here."
        return _problem("live_host_outside_production", remedy)
    if is_official(api_base) or is_usable(api_base):
        return []
    remedy = "SQUARE_API_BASE must be https://host[:port], or http:// on 127.0.0.1, with nothing after it."
    return _problem("host_shape", remedy)


def _check_application(environment: str, application_id: str, api_base: str) -> list[SettingProblem]:
    is_live = bool(_LIVE_APPLICATION.fullmatch(application_id))
    if not is_live and not _TEST_APPLICATION.fullmatch(application_id):
        remedy = "Set SQUARE_APPLICATION_ID as the developer's console shows it: sandbox-sq0idb-… or sq0idp-…."
        return _problem("application_shape", remedy)
    problems = []
    if environment == PRODUCTION and not is_live:
        remedy = "SQUARE_APPLICATION_ID is of the sandbox: production takes a live one (sq0idp-…)."
        problems += _problem("test_application_in_production", remedy)
    if environment != PRODUCTION and is_live:
        remedy = "SQUARE_APPLICATION_ID is live: it may be used with ENVIRONMENT=production only. Use sandbox-sq0idb-…."
        problems += _problem("live_application_outside_production", remedy)
    if is_live and mode_of(api_base) is not Mode.LIVE:
        remedy = "SQUARE_APPLICATION_ID is live and SQUARE_API_BASE is not Square's live host: unset SQUARE_API_BASE."
        problems += _problem("live_application_unofficial_host", remedy)
    return problems


def _check_webhook(keys: Sequence[str], url: str) -> list[SettingProblem]:
    problems = check_keys(keys)
    if not is_usable(url, with_path=True):
        remedy = (
            "Set SQUARE_WEBHOOK_URL to the notification URL exactly as the webhook subscription has it "
            "(https://…/webhooks/square/): it is part of what Square signs."
        )
        problems += _problem("webhook_url", remedy)
    return problems


def check_keys(keys: Sequence[str]) -> list[SettingProblem]:
    """Return what forbids these signature keys."""
    # A string is a sequence of strings too: each of its letters would become a key.
    if isinstance(keys, str) or not keys:
        remedy = "Set SQUARE_WEBHOOK_SIGNATURE_KEYS to the signature key of the webhook subscription, several by comma."
        return _problem("signature_key_missing", remedy)
    if not all(_SIGNATURE_KEY.fullmatch(key) and len(key) >= _SIGNATURE_KEY_MIN_LENGTH for key in keys):
        remedy = "One of SQUARE_WEBHOOK_SIGNATURE_KEYS is empty or too short to be Square's: copy it again."
        return _problem("signature_key_shape", remedy)
    return []
