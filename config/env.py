"""Reads the service's whole environment into typed values, or refuses with every problem at once.

Nothing here connects, starts or imports Django's settings. What the values mean: config/variables.py, docs/settings.md.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.databases import parse_database_url
from config.delivering import DeliveryEnv, delivery_env
from config.kept import kept_secret
from config.readers import (
    EnvironmentInvalid,
    Network,
    Reader,
    TrustedProxies,
    email_settings,
    encryption_keys,
    presentations,
    trusted_proxies,
    webhook_allowlists,
)
from config.reconciling import reconciling_env
from config.sources import Source, secret_sources
from config.square import square_settings
from config.variables import DEPLOYED, KEYS_MAY_BE_ROWS, PROVIDER_KEYS, TABLE
from config.watching import WatchingEnv, watching_env

ENVIRONMENTS = ("demo", "test", "staging", "production")
SECRET_KEY_MIN_CHARACTERS = 50

STRIPE_API_BASE = "https://api.stripe.com"
SANDBOX_API_BASE = "http://127.0.0.1:4010"
SANDBOX_API_KEY = "sk_test_sandbox"  # nosec B105: opens nothing but the local sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeEnv:
    """Stripe's credentials and how it is reached."""

    api_key: str
    webhook_secrets: tuple[str, ...]
    publishable_key: str
    api_base: str
    three_d_secure: str
    connect_timeout_seconds: int
    read_timeout_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """The environment, read and checked. `database` and `database_owner` are empty where the server is embedded."""

    environment: str
    secret_key: str
    secret_key_fallbacks: tuple[str, ...]
    encryption_keys: dict[str, bytes]
    encryption_key_max_age_days: int
    public_base_url: str
    allowed_hosts: tuple[str, ...]
    private_receivers: frozenset[str]
    trusted_proxies: TrustedProxies
    metrics_token: str
    log_level: str
    database: dict[str, Any]
    database_owner: dict[str, Any]
    database_pooler: bool
    redis_url: str
    email: dict[str, object]
    email_from: str
    order_lifetime_minutes: int
    delivery: DeliveryEnv
    correction_ceilings: dict[str, int]
    refund_limits: dict[str, int]
    watching: WatchingEnv
    reconciling: dict[str, int | bool]
    payments_providers: tuple[str, ...]
    payments_presentation: dict[str, str]
    webhook_ip_allowlists: dict[str, tuple[Network, ...]]
    outgoing_addresses: tuple[Network, ...]
    stripe: StripeEnv
    other_providers: dict[str, str | int | tuple[str, ...]]
    """The settings of the providers beside Stripe, by name."""
    secret_values: frozenset[str]
    """Every secret, for the log's scrubber."""
    secret_sources: dict[str, Source] = field(compare=False)
    """Where each secret comes from, by variable."""

    @property
    def deployed(self) -> bool:
        """Whether strangers can reach it (staging and production)."""
        return self.environment in DEPLOYED

    @property
    def embedded_database(self) -> bool:
        """Whether PostgreSQL is the checkout's own (config/postgres.py)."""
        return not self.database


def load(environ: Mapping[str, str], *, base_dir: Path) -> Env:
    """Return the checked environment. Raises EnvironmentInvalid with every problem found.

    In demo and tests, missing secrets are made once and kept in `base_dir`/var/secrets.
    """
    read = Reader(environ)
    environment = _environment(read)
    demo = _of_the_demo(environ, base_dir) if environment == "demo" and not read.problems else {}
    read = Reader({**demo, **environ}) if demo else read
    for name in TABLE:
        read.required(name, environment=environment)
    kept = _Kept(read, base_dir / "var" / "secrets", allowed=environment not in DEPLOYED)
    stripe = _stripe(read, kept)
    public_base_url = read.origin("PUBLIC_BASE_URL", "http://127.0.0.1:8000")
    env = Env(
        environment=environment,
        secret_key=_secret_key(read, kept),
        secret_key_fallbacks=read.items("SECRET_KEY_FALLBACKS"),
        encryption_keys=encryption_keys(read, read.text("ENCRYPTION_KEYS") or kept("encryption_keys", _new_ring)),
        encryption_key_max_age_days=read.integer("ENCRYPTION_KEY_MAX_AGE_DAYS", 365, low=1, high=3650),
        public_base_url=public_base_url,
        allowed_hosts=read.items("ALLOWED_HOSTS"),
        private_receivers=read.host_names("PRIVATE_RECEIVERS"),
        trusted_proxies=trusted_proxies(read),
        metrics_token=read.text("METRICS_TOKEN"),
        log_level=read.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
        **_databases(read, environment),
        redis_url=_redis(read),
        email=email_settings(read, "" if environment in DEPLOYED else "console:"),
        email_from=read.text("EMAIL_FROM", f"no-reply@{urlsplit(public_base_url).hostname}"),
        # Stripe's page stays open for 30 minutes to 24 hours, and an order ends with its page.
        order_lifetime_minutes=read.integer("ORDER_LIFETIME_MINUTES", 60, low=30, high=1440),
        delivery=delivery_env(read),
        correction_ceilings=read.limits("CORRECTION_CEILINGS"),
        refund_limits=read.limits("REFUND_LIMITS", "EUR:10000,USD:10000,GBP:10000,JPY:15000"),
        watching=watching_env(read),
        reconciling=reconciling_env(read, environment=environment),
        payments_providers=_providers(read, stripe),
        payments_presentation=presentations(read),
        webhook_ip_allowlists=webhook_allowlists(read),
        outgoing_addresses=read.networks("OUTGOING_ADDRESSES", read.items("OUTGOING_ADDRESSES")),
        stripe=stripe,
        other_providers=_other_providers(read) | square_settings(read, public_base_url=public_base_url),
        secret_values=frozenset(_secret_values(read)) | frozenset(kept.values),
        secret_sources=secret_sources(environ, demo=demo, demo_file=_demo_file(base_dir), kept=kept.files),
    )
    if read.problems:
        raise EnvironmentInvalid(list(dict.fromkeys(read.problems)))
    return env


def _of_the_demo(environ: Mapping[str, str], base_dir: Path) -> dict[str, str]:
    """Return the variables of this checkout's last `make demo`, so that a command beside it meets the same sandbox.

    They do not mix with keys or an address of somebody else's choice.
    """
    if any(value for name, value in environ.items() if name.startswith(("STRIPE_", "PAYPAL_", "SQUARE_", "NMI_"))):
        return {}
    try:
        kept: dict[str, str] = json.loads(_demo_file(base_dir).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept


def _demo_file(base_dir: Path) -> Path:
    return base_dir / "var" / "demo" / "environment.json"


class _Kept:
    """Secrets made by ourselves where that is allowed; where it is not, the missing variable is a problem already."""

    def __init__(self, read: Reader, directory: Path, *, allowed: bool) -> None:
        self._read, self._directory, self._allowed = read, directory, allowed
        self.values: list[str] = []
        self.files: dict[str, Path] = {}
        """By the variable each of them stands for."""

    def __call__(self, name: str, make: Any) -> str:
        if not self._allowed:
            return ""
        variable = {"stripe_webhook_secret": "STRIPE_WEBHOOK_SECRETS"}.get(name, name.upper())
        try:
            value = kept_secret(self._directory, name, make)
        except OSError as error:
            self._read.problem(
                variable, f"is unset, and {self._directory} cannot keep one: {error.strerror}", f"Set {variable}."
            )
            return ""
        self.values.append(value)
        self.files[variable] = self._directory / name
        return value


def _environment(read: Reader) -> str:
    """Settle ENVIRONMENT. Unset means demo only where nothing else says that this is more than a demo."""
    if read.is_set("ENVIRONMENT"):
        return read.choice("ENVIRONMENT", "production", ENVIRONMENTS)
    more = [name for names in PROVIDER_KEYS.values() for name in names]
    if present := [name for name in ("DATABASE_URL", *more) if read.is_set(name)]:
        read.problem(
            "ENVIRONMENT",
            f"is unset although {', '.join(present)} {'is' if len(present) == 1 else 'are'} set",
            f"Set it to one of {', '.join(ENVIRONMENTS)}; unset means demo, which needs none of them.",
        )
    return "demo"


def _secret_key(read: Reader, kept: _Kept) -> str:
    name = "SECRET_KEY"
    if not read.is_set(name):
        return kept("secret_key", lambda: secrets.token_urlsafe(64))
    key = read.text(name)
    if key and (len(key) < SECRET_KEY_MIN_CHARACTERS or len(set(key)) < 5 or key.startswith("django-insecure")):
        remedy = 'Make one with: python -c "import secrets; print(secrets.token_urlsafe(64))"'
        read.problem(name, f"is too weak (at least {SECRET_KEY_MIN_CHARACTERS} random characters)", remedy)
    return key


def _new_ring() -> str:
    return "local:" + base64.b64encode(os.urandom(32)).decode()


def _databases(read: Reader, environment: str) -> dict[str, Any]:
    app = parse_database_url(read, "DATABASE_URL")
    owner = parse_database_url(read, "DATABASE_OWNER_URL")
    if owner and not read.is_set("DATABASE_URL"):
        read.problem(
            "DATABASE_OWNER_URL", "is set without DATABASE_URL", "Set both, or neither for the embedded server."
        )
    if environment == "production" and app and owner and app["USER"] == owner["USER"]:
        read.problem(
            "DATABASE_OWNER_URL",
            "names the same role as DATABASE_URL",
            "Give the application a role of its own that does not own the tables (docs/deploy.md).",
        )
    if app and owner and app["NAME"] != owner["NAME"]:
        read.problem("DATABASE_OWNER_URL", "names another database than DATABASE_URL", "Both name the same one.")
    return {
        "database": app,
        "database_owner": owner or app,
        "database_pooler": read.flag("DATABASE_POOLER"),
    }


def _redis(read: Reader) -> str:
    url = read.text("REDIS_URL")
    if url and not url.startswith(("redis://", "rediss://", "unix://")):
        read.problem("REDIS_URL", "is no Redis URL", "Write rediss://:password@host:6379/0, or unset it.")
    return url


def _stripe(read: Reader, kept: _Kept) -> StripeEnv:
    """Stripe's variables. Without a key, demo and tests talk to the local sandbox."""
    api_key = read.text("STRIPE_API_KEY")
    webhook_secrets = read.items("STRIPE_WEBHOOK_SECRETS")
    default_base = STRIPE_API_BASE
    if not read.is_set("STRIPE_API_KEY") and (made := kept("stripe_webhook_secret", _new_webhook_secret)):
        api_key, default_base = SANDBOX_API_KEY, SANDBOX_API_BASE
        webhook_secrets = webhook_secrets or (made,)
    if wrong := [secret for secret in webhook_secrets if not secret.startswith("whsec_") or len(secret) < 16]:
        remedy = "Copy it from the webhook endpoint's page at Stripe; it starts with whsec_."
        read.problem("STRIPE_WEBHOOK_SECRETS", f"has {len(wrong)} of no known form", remedy)
    return StripeEnv(
        api_key=api_key,
        webhook_secrets=webhook_secrets,
        publishable_key=read.text("STRIPE_PUBLISHABLE_KEY"),
        api_base=read.origin("STRIPE_API_BASE", default_base),
        three_d_secure=read.choice("STRIPE_THREE_D_SECURE", "automatic", ("automatic", "any", "challenge")),
        connect_timeout_seconds=read.integer("STRIPE_CONNECT_TIMEOUT_SECONDS", 3, low=1, high=10),
        read_timeout_seconds=read.integer("STRIPE_READ_TIMEOUT_SECONDS", 10, low=1, high=12),
    )


def _new_webhook_secret() -> str:
    return "whsec_" + secrets.token_hex(32)


def _providers(read: Reader, stripe: StripeEnv) -> tuple[str, ...]:
    """The providers offered: those asked for, or those whose keys are all set."""
    asked = read.items("PAYMENTS_PROVIDERS")
    if unknown := [name for name in asked if not name.isidentifier()]:
        read.problem("PAYMENTS_PROVIDERS", f"has {', '.join(map(repr, unknown))}", "Write names like stripe,paypal.")
    with_keys = tuple(
        provider
        for provider, names in PROVIDER_KEYS.items()
        if (provider == "stripe" and stripe.api_key) or all(read.is_set(name) for name in names)
    )
    for provider in asked:
        needed = [name for name in PROVIDER_KEYS.get(provider, ()) if name not in KEYS_MAY_BE_ROWS]
        missing = [name for name in needed if not read.is_set(name)]
        if missing and provider not in with_keys:
            read.problem("PAYMENTS_PROVIDERS", f"offers {provider} without its keys", f"Set {', '.join(missing)}.")
    return asked or with_keys


def _other_providers(read: Reader) -> dict[str, str | int | tuple[str, ...]]:
    """The variables of PayPal and NMI; `…_KEYS` are comma lists."""
    names = [name for name in TABLE if name.startswith(("PAYPAL_", "NMI_"))]
    return {name: read.items(name) if name.endswith("_KEYS") else read.text(name) for name in names}


def _secret_values(read: Reader) -> list[str]:
    """Every secret that is set, whole and by member of its list; passwords inside URLs on their own too."""
    values: list[str] = []
    for variable in TABLE.values():
        if not variable.secret or not (text := read.text(variable.name)):
            continue
        if "://" in text:
            values.append(_password_in(text))
            continue
        members = [member.strip() for member in text.split(",")]
        values += [text, *members, *(member.partition(":")[2] for member in members)]
    return [value for value in values if len(value) >= 8]


def _password_in(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""
