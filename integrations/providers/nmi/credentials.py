"""Which NMI settings may be used where (DESIGN.md, invariant 10). Pure: system checks ask the same question.

NMI's keys carry no mark of test or live: the host decides. An account on the live host may itself be in test mode;
adapter.py asks for that (`report_type=test_mode_status`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from integrations.contract import Mode, SettingProblem
from integrations.providers.api_bases import is_loopback, is_usable

LIVE_API_BASE = "https://secure.nmi.com"
SANDBOX_API_BASE = "https://sandbox.nmi.com"
PRODUCTION = "production"

_KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")
_MERCHANT = re.compile(r"[0-9A-Za-z_-]{1,32}")
_SIGNING_KEY_MIN_LENGTH = 16
_PRODUCTION_SIGNING_KEY_MIN_LENGTH = 32


def mode_of(api_base: str) -> Mode:
    """Return the mode of what is answered at this address."""
    return Mode.LIVE if is_official(api_base) else Mode.TEST


def is_official(api_base: str) -> bool:
    """Return whether this is NMI's own live gateway, to the letter."""
    return api_base.removesuffix("/") == LIVE_API_BASE


def check_credentials(
    *,
    environment: str,
    security_key: str,
    tokenization_key: str,
    signing_keys: Sequence[str],
    merchant_id: str,
    api_base: str,
) -> list[SettingProblem]:
    """Return what forbids these settings in this environment, empty if nothing does. No value stands in a remedy."""
    return [
        *_check_base(environment, api_base),
        *check_security_key(security_key),
        *_check_account(security_key, tokenization_key, merchant_id),
        *check_signing_keys(environment, signing_keys),
    ]


def check_security_key(security_key: str, *, called: str = "NMI_SECURITY_KEY") -> list[SettingProblem]:
    """Return what forbids this key; `called` is what the remedies call it."""
    if not security_key:
        remedy = f"Set {called} to the account's private API key, or take `nmi` out of PAYMENTS_PROVIDERS."
        return [SettingProblem(code="nmi.key_missing", remedy=remedy)]
    if not _KEY.fullmatch(security_key):
        remedy = f"{called} must be the account's private API key: 16 or more letters, digits, - and _."
        return [SettingProblem(code="nmi.key_shape", remedy=remedy)]
    return []


def _check_base(environment: str, api_base: str) -> list[SettingProblem]:
    if environment == PRODUCTION:
        if is_official(api_base):
            return []
        remedy = f"NMI_API_BASE must be {LIVE_API_BASE} in production: unset it."
        return [SettingProblem(code="nmi.unofficial_host_in_production", remedy=remedy)]
    if is_official(api_base):
        remedy = (
            f"{LIVE_API_BASE} takes real money: it may be used with ENVIRONMENT=production only. "
            f"Set NMI_API_BASE to {SANDBOX_API_BASE} here."
        )
        return [SettingProblem(code="nmi.live_host_outside_production", remedy=remedy)]
    if api_base.removesuffix("/") == SANDBOX_API_BASE or (is_usable(api_base) and is_loopback(api_base)):
        return []
    remedy = f"NMI_API_BASE must be {SANDBOX_API_BASE} outside production, or http://127.0.0.1:port with nothing after."
    return [SettingProblem(code="nmi.host_shape", remedy=remedy)]


def _check_account(security_key: str, tokenization_key: str, merchant_id: str) -> list[SettingProblem]:
    problems = []
    if not _KEY.fullmatch(tokenization_key):
        remedy = "Set NMI_TOKENIZATION_KEY to the account's public key for Collect.js."
        problems.append(SettingProblem(code="nmi.tokenization_key_shape", remedy=remedy))
    elif tokenization_key == security_key:
        remedy = "NMI_TOKENIZATION_KEY is shown to every shopper: it must be the public key, never the security key."
        problems.append(SettingProblem(code="nmi.key_public", remedy=remedy))
    if not _MERCHANT.fullmatch(merchant_id):
        remedy = "Set NMI_MERCHANT_ID to the account's number, as webhooks name it (`event_body.merchant.id`)."
        problems.append(SettingProblem(code="nmi.merchant_id", remedy=remedy))
    return problems


def check_signing_keys(
    environment: str, signing_keys: Sequence[str], *, called: str = "NMI_WEBHOOK_SIGNING_KEYS"
) -> list[SettingProblem]:
    """Return what forbids these signing keys here; `called` is what the remedies call them."""
    # A string is a sequence of strings too: each of its letters would become a key.
    if isinstance(signing_keys, str) or not signing_keys:
        remedy = f"Set {called} to the signing key of the webhook, several by comma."
        return [SettingProblem(code="nmi.signing_key_missing", remedy=remedy)]
    least = _PRODUCTION_SIGNING_KEY_MIN_LENGTH if environment == PRODUCTION else _SIGNING_KEY_MIN_LENGTH
    if any(len(key.strip()) < least or not key.isascii() for key in signing_keys):
        remedy = f"One of {called} is shorter than {least} characters: copy it from the webhook's page."
        return [SettingProblem(code="nmi.signing_key_weak", remedy=remedy)]
    return []
