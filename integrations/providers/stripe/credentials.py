"""Which Stripe settings may be used where (DESIGN.md, invariant 10). Pure: system checks ask the same question."""

from __future__ import annotations

import re
from collections.abc import Sequence

from integrations.contract import Mode, SettingProblem
from integrations.providers.api_bases import is_usable

OFFICIAL_API_BASE = "https://api.stripe.com"
PRODUCTION = "production"
THREE_D_SECURE_POLICIES = ("automatic", "any", "challenge")

# sk_: secret, rk_: restricted. Publishable (pk_) and ephemeral keys cannot ask for a whole payment.
_KEY = re.compile(r"(?:sk|rk)_(test|live)_[A-Za-z0-9_]+")
_PUBLISHABLE = re.compile(r"pk_(test|live)_[A-Za-z0-9_]+")
_SECRET = re.compile(r"whsec_[\x21-\x7e]+")
# What Stripe issues is 38 characters long; a short one was typed by hand.
_PRODUCTION_SECRET_MIN_LENGTH = 32


def mode_of(api_key: str) -> Mode | None:
    """Return the mode a secret or restricted key belongs to; None if it is no such key."""
    match = _KEY.fullmatch(api_key)
    return None if match is None else Mode(match[1])


def check_credentials(
    *,
    environment: str,
    api_key: str,
    webhook_secrets: Sequence[str],
    publishable_key: str = "",
    api_base: str = OFFICIAL_API_BASE,
    three_d_secure: str = "automatic",
) -> list[SettingProblem]:
    """Return what forbids these settings in this environment, empty if nothing does. No value stands in a remedy."""
    return [
        *check_key(environment=environment, api_key=api_key, api_base=api_base),
        *_check_base(environment, api_base),
        *check_secrets(environment=environment, webhook_secrets=webhook_secrets),
        *_check_publishable_key(publishable_key, api_key=api_key),
        *_check_policy(three_d_secure),
    ]


def check_key(*, environment: str, api_key: str, api_base: str, called: str = "STRIPE_API_KEY") -> list[SettingProblem]:
    """Return what forbids this key here; `called` is what the remedies call it."""
    if not api_key:
        remedy = f"Set {called} to a secret or restricted key, or take `stripe` out of PAYMENTS_PROVIDERS."
        return [SettingProblem(code="stripe.key_missing", remedy=remedy)]
    mode = mode_of(api_key)
    if mode is None:
        remedy = f"{called} must begin with sk_test_, rk_test_, sk_live_ or rk_live_; publishable keys (pk_) do not do."
        return [SettingProblem(code="stripe.key_shape", remedy=remedy)]
    problems = []
    if environment == PRODUCTION and mode is Mode.TEST:
        remedy = f"{called} is a test key: production takes a live one (sk_live_ or rk_live_)."
        problems.append(SettingProblem(code="stripe.test_key_in_production", remedy=remedy))
    if environment != PRODUCTION and mode is Mode.LIVE:
        remedy = f"{called} is a live key: it may be used with ENVIRONMENT=production only. Use a test key here."
        problems.append(SettingProblem(code="stripe.live_key_outside_production", remedy=remedy))
    if mode is Mode.LIVE and not is_official(api_base):
        remedy = f"{called} is a live key and STRIPE_API_BASE is not Stripe's own address: unset STRIPE_API_BASE."
        problems.append(SettingProblem(code="stripe.live_key_unofficial_host", remedy=remedy))
    return problems


def is_official(api_base: str) -> bool:
    """Return whether this is Stripe's own API, to the letter."""
    return api_base.removesuffix("/") == OFFICIAL_API_BASE


def _check_base(environment: str, api_base: str) -> list[SettingProblem]:
    if is_official(api_base):
        return []
    if environment == PRODUCTION:
        remedy = f"STRIPE_API_BASE must be {OFFICIAL_API_BASE} in production: unset it."
        return [SettingProblem(code="stripe.unofficial_host_in_production", remedy=remedy)]
    if is_usable(api_base):
        return []
    remedy = "STRIPE_API_BASE must be https://host[:port], or http:// on 127.0.0.1, with nothing after it."
    return [SettingProblem(code="stripe.host_shape", remedy=remedy)]


def check_secrets(
    *, environment: str, webhook_secrets: Sequence[str], called: str = "STRIPE_WEBHOOK_SECRETS"
) -> list[SettingProblem]:
    """Return what forbids these signing secrets here; `called` is what the remedies call them."""
    # A string is a sequence of strings too: each of its letters would become a secret.
    if isinstance(webhook_secrets, str) or not webhook_secrets:
        remedy = f"Set {called} to the signing secret of the webhook endpoint (whsec_…), several by comma."
        return [SettingProblem(code="stripe.webhook_secret_missing", remedy=remedy)]
    if not all(_SECRET.fullmatch(secret) for secret in webhook_secrets):
        remedy = f"Each of {called} must be a signing secret: whsec_ and what follows. One is empty or another."
        return [SettingProblem(code="stripe.webhook_secret_shape", remedy=remedy)]
    if environment == PRODUCTION and any(len(secret) < _PRODUCTION_SECRET_MIN_LENGTH for secret in webhook_secrets):
        remedy = f"One of {called} is too short to be Stripe's: copy it from the endpoint's page."
        return [SettingProblem(code="stripe.webhook_secret_weak", remedy=remedy)]
    return []


def _check_publishable_key(publishable_key: str, *, api_key: str) -> list[SettingProblem]:
    """It is shown to every shopper, and belongs to the same mode as the key that opens their payments."""
    if not publishable_key:
        return []
    match = _PUBLISHABLE.fullmatch(publishable_key)
    if match is None:
        remedy = "STRIPE_PUBLISHABLE_KEY must begin with pk_test_ or pk_live_: never put a secret key there."
        return [SettingProblem(code="stripe.publishable_key_shape", remedy=remedy)]
    if mode_of(api_key) not in (None, Mode(match[1])):
        remedy = "STRIPE_PUBLISHABLE_KEY and STRIPE_API_KEY are of different modes: take both from the same one."
        return [SettingProblem(code="stripe.publishable_key_mode", remedy=remedy)]
    return []


def _check_policy(three_d_secure: str) -> list[SettingProblem]:
    if three_d_secure in THREE_D_SECURE_POLICIES:
        return []
    remedy = f"STRIPE_THREE_D_SECURE must be one of {', '.join(THREE_D_SECURE_POLICIES)}."
    return [SettingProblem(code="stripe.three_d_secure", remedy=remedy)]
