"""Numbered system checks: a mistake in the settings stops the start, with a sentence on how to mend it.

They read django.conf.settings and ask neither the database nor the network; `doctor` proves what needs asking.
docs/settings.md lists them.
"""

from __future__ import annotations

import importlib.metadata
import itertools
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import admin
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django_q.models import Failure, OrmQ, Schedule, Success

from integrations import providers
from integrations.contract import ProviderMisconfigured
from integrations.providers.wiring import Wiring
from integrations.providers.wirings import WIRINGS
from payments.grants import missing_tables

SHARED_CACHES = (
    "django.core.cache.backends.db.DatabaseCache",
    "django.core.cache.backends.redis.RedisCache",
    "django.core.cache.backends.memcached.PyMemcacheCache",
    "django.core.cache.backends.memcached.PyLibMCCache",
)
LEAST_HORIZON_SECONDS = 76 * 3600
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _deployed() -> bool:
    return settings.ENVIRONMENT in ("staging", "production")


def _production() -> bool:
    return bool(settings.ENVIRONMENT == "production")


# --- providers ---------------------------------------------------------------------------------------------


def _wired() -> list[Wiring]:
    """Return the wiring of those of our providers that are offered."""
    return [wiring for name, wiring in WIRINGS.items() if name in settings.PAYMENTS_PROVIDERS]


@register("payments")
def check_credentials(**_: Any) -> list[CheckMessage]:
    """E001, E002, E003, E004: each provider's key fits the environment, its host is official, its secrets are set."""
    return [
        _error(wiring.numbers[problem.code], f"{problem.code}.", problem.remedy)
        for wiring in _wired()
        for problem in wiring.problems()
        if problem.code not in wiring.missing
    ]


@register("payments")
def check_keys_in_environment(**_: Any) -> list[CheckMessage]:
    """W023: what the environment does not hold must be an integration key; the processes ask for it when they start."""
    wanted = {kind.setting for wiring in _wired() for kind in wiring.keys.values()}
    missing = sorted(name for name in wanted if not getattr(settings, name, ""))
    if not missing:
        return []
    hint = "Set them, or add an integration key (docs/keys.md) and silence this check: `doctor` proves the key."
    return [_warning("W023", f"Not in the environment: {', '.join(missing)}.", hint)]


@register("payments")
def check_adapters(**_: Any) -> list[CheckMessage]:
    """E021: every provider that is offered can be made (an adapter's constructor is the guard's second place)."""
    found: list[CheckMessage] = []
    for name in settings.PAYMENTS_PROVIDERS:
        if name in WIRINGS:  # check_credentials says it better; integration keys are rows, doctor asks for them
            continue
        try:
            providers.get(name)
        except providers.UnknownProvider:
            hint = (
                f"Take {name} out of PAYMENTS_PROVIDERS (and unset its keys), or install the package with its adapter."
            )
            found.append(_error("E021", f"There is no adapter for the provider {name}.", hint))
        except ProviderMisconfigured as error:
            found.append(_error("E021", f"The provider {name} refuses its settings.", error.message))
    return found


@register("payments")
def check_allowlists(**_: Any) -> list[CheckMessage]:
    """W022: an allowlist under a misspelt name protects nothing."""
    unknown = sorted(set(settings.WEBHOOK_IP_ALLOWLISTS) - set(settings.PAYMENTS_PROVIDERS))
    if not unknown:
        return []
    hint = "Correct the name in WEBHOOK_IP_ALLOWLISTS, or add the provider to PAYMENTS_PROVIDERS."
    return [_warning("W022", f"WEBHOOK_IP_ALLOWLISTS names {', '.join(unknown)}, not offered here.", hint)]


# --- transport ---------------------------------------------------------------------------------------------


@register("payments")
def check_public_address(**_: Any) -> list[CheckMessage]:
    """E005: deployed, shoppers and providers come over TLS."""
    if not _deployed() or settings.PUBLIC_BASE_URL.startswith("https://"):
        return []
    return [_error("E005", "PUBLIC_BASE_URL is not https.", "Set it to the shop's https:// address.")]


@register("payments")
def check_proxies(**_: Any) -> list[CheckMessage]:
    """E006: TLS ends at a proxy, so we must know whose word on scheme and client address to take."""
    if not _deployed() or (settings.TRUSTED_PROXIES and settings.SECURE_PROXY_SSL_HEADER):
        return []
    hint = "Set TRUSTED_PROXIES to your proxy's address; it ends TLS 1.3 and sets X-Forwarded-Proto (docs/deploy.md)."
    return [_error("E006", "No trusted proxy is named.", hint)]


@register("payments")
def check_database_tls(**_: Any) -> list[CheckMessage]:
    """E007 (W007 where not deployed): a database across a network proves who it is."""
    make = _error if _deployed() else _warning
    return [
        make(
            "E007" if _deployed() else "W007",
            f"The connection `{alias}` goes to a remote host without sslmode=verify-full.",
            "Add ?sslmode=verify-full to its URL, and &sslrootcert=/path/to/ca.pem (or sslrootcert=system).",
        )
        for alias, entry in settings.DATABASES.items()
        if _is_remote(entry) and entry.get("OPTIONS", {}).get("sslmode") != "verify-full"
    ]


@register("payments")
def check_transport_settings(**_: Any) -> list[CheckMessage]:
    """E008: deployed, nothing of ours travels in clear."""
    wanted = {
        "SECURE_SSL_REDIRECT": True,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
    }
    lax = [name for name, least in wanted.items() if getattr(settings, name) < least] if _deployed() else []
    if not lax:
        return []
    return [
        _error(
            "E008",
            f"Too lax for {settings.ENVIRONMENT}: {', '.join(lax)}.",
            "Leave them as config/settings.py has them.",
        )
    ]


@register("payments")
def check_mail_and_redis(**_: Any) -> list[CheckMessage]:
    """E009, E010: deployed, mail leaves the machine, and neither mail nor Redis crosses a network in clear."""
    if not _deployed():
        return []
    found: list[CheckMessage] = []
    if settings.EMAIL_BACKEND != "django.core.mail.backends.smtp.EmailBackend":
        found.append(_error("E009", "Mail leaves for nowhere.", "Set EMAIL_URL to an smtp:// or smtps:// address."))
    elif settings.EMAIL_HOST not in LOOPBACK and not (settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL):
        found.append(
            _error("E009", "Mail would cross a network in clear.", "Remove ?tls=none from EMAIL_URL, or use smtps://.")
        )
    redis = settings.Q_CLUSTER.get("redis") or ""
    parts = urlsplit(redis) if isinstance(redis, str) else urlsplit("")
    if parts.scheme == "redis" and parts.hostname not in LOOPBACK:
        found.append(_error("E010", "Redis would be reached over a network in clear.", "Use rediss:// in REDIS_URL."))
    return found


# --- data --------------------------------------------------------------------------------------------------


@register("payments")
def check_database_roles(**_: Any) -> list[CheckMessage]:
    """E011: in production the application cannot rewrite what is append-only, since it does not own it."""
    if not _production():
        return []
    owner, app = settings.DATABASES.get("owner", {}), settings.DATABASES["default"]
    if owner and owner.get("USER") != app.get("USER"):
        return []
    hint = "Make a second role and set DATABASE_OWNER_URL to the one that owns the tables (docs/deploy.md)."
    return [_error("E011", "Application and owner are one database role.", hint)]


@register("payments")
def check_encryption_keys(**_: Any) -> list[CheckMessage]:
    """E012: raw webhooks and secrets are sealed before they are stored."""
    keys = settings.ENCRYPTION_KEYS
    if keys and all(len(key) == 32 for key in keys.values()):
        return []
    hint = "Set ENCRYPTION_KEYS to `k1:` and 32 random bytes in base64 (docs/settings.md)."
    return [_error("E012", "There is no usable encryption key.", hint)]


@register("payments")
def check_append_only_tables(**_: Any) -> list[CheckMessage]:
    """E013: a renamed table would silently lose its protection."""
    missing = missing_tables()
    if not missing:
        return []
    hint = "Correct the names in payments/grants.py, or install the application they belong to."
    return [_error("E013", f"Append-only tables that belong to no model: {', '.join(missing)}.", hint)]


# --- processes ---------------------------------------------------------------------------------------------


@register("payments")
def check_time_limits(**_: Any) -> list[CheckMessage]:
    """E014: a task must never be handed out again, nor its rows taken, while it may still work."""
    cluster = settings.Q_CLUSTER
    limits = (settings.LOOK_SECONDS, cluster.get("timeout") or 0, settings.LEASE_SECONDS, cluster.get("retry") or 0)
    if all(earlier < later for earlier, later in itertools.pairwise(limits)):
        return []
    hint = "Keep look < task timeout < lease < queue retry (config/queue.py): 15, 30, 45, 120 seconds."
    return [_error("E014", f"The time limits are out of order: {limits}.", hint)]


@register("payments")
def check_provider_timeouts(**_: Any) -> list[CheckMessage]:
    """E015: connecting and reading together must fit into one look."""
    found: list[CheckMessage] = []
    for wiring in _wired():
        names = [f"{wiring.name.upper()}_{what}_TIMEOUT_SECONDS" for what in ("CONNECT", "READ")]
        seconds = sum(getattr(settings, name, 0) for name in names)
        if seconds > settings.LOOK_SECONDS:
            hint = f"Lower {' or '.join(names)}: {settings.LOOK_SECONDS} s together."
            found.append(_error("E015", f"{wiring.label}'s timeouts add up to {seconds} s.", hint))
    return found


@register("payments")
def check_way_out(**_: Any) -> list[CheckMessage]:
    """E030: the figures of the way out fit each other, and a claimed delivery ends within its worker's task."""
    found: list[CheckMessage] = [
        _error("E030", f"{broken} does not hold.", f"{hint} (docs/settings.md, The way out).")
        for holds, broken, hint in _relations_of_the_way_out()
        if not holds
    ]
    short = settings.DELIVERY_HORIZON_SECONDS < LEAST_HORIZON_SECONDS
    if short and _deployed():
        hint = f"Set DELIVERY_HORIZON_SECONDS to {LEAST_HORIZON_SECONDS} or more: a long weekend, and some hours."
        found.append(_warning("W031", "Deliveries are given up before 76 hours are over.", hint))
    return found


def _relations_of_the_way_out() -> list[tuple[bool, str, str]]:
    waits, horizon = settings.DELIVERY_BACKOFF_SECONDS, settings.DELIVERY_HORIZON_SECONDS
    sending = settings.DRAIN_SECONDS + settings.DELIVERY_SEND_SECONDS
    return [
        (sending < settings.TASK_SECONDS, "drain + DELIVERY_SEND_SECONDS < task", "Lower DELIVERY_SEND_SECONDS"),
        (
            settings.DELIVERY_LOOKUP_SECONDS < settings.DELIVERY_SEND_SECONDS,
            "DELIVERY_LOOKUP_SECONDS < DELIVERY_SEND_SECONDS",
            "Leave some of a try's time for sending",
        ),
        (
            bool(waits) and list(waits) == sorted(waits) and waits[-1] < horizon,
            "DELIVERY_BACKOFF_SECONDS never falls and ends below DELIVERY_HORIZON_SECONDS",
            "Write the waits from the shortest to the longest",
        ),
        (
            horizon > settings.DELIVERY_RETRY_AFTER_MAX_SECONDS,
            "DELIVERY_RETRY_AFTER_MAX_SECONDS < DELIVERY_HORIZON_SECONDS",
            "A receiver must not be able to put a delivery off until it is given up",
        ),
        (
            settings.DELIVERY_THREADS_A_RECEIVER < settings.DELIVERY_THREADS,
            "DELIVERY_THREADS_A_RECEIVER < DELIVERY_THREADS",
            "Leave threads to the other receivers",
        ),
        (
            settings.BREAKER_COOLDOWN_SECONDS <= settings.BREAKER_COOLDOWN_MAX_SECONDS < horizon,
            "BREAKER_COOLDOWN_SECONDS <= BREAKER_COOLDOWN_MAX_SECONDS < DELIVERY_HORIZON_SECONDS",
            "Let a receiver be tried again within the horizon",
        ),
    ]


@register("payments")
def check_shared_cache(**_: Any) -> list[CheckMessage]:
    """E016: throttles count in the cache; in a process's own memory each process would grant the whole rate."""
    backend = settings.CACHES["default"]["BACKEND"]
    if backend in SHARED_CACHES:
        return []
    return [
        _error("E016", f"The cache {backend} is not shared between processes.", "Use the database's or Redis' cache.")
    ]


@register("payments")
def check_debug(**_: Any) -> list[CheckMessage]:
    """E017: error pages with settings and source are for nobody."""
    return [_error("E017", "DEBUG is on.", "Leave it off; logs carry the traceback.")] if settings.DEBUG else []


@register("payments")
def check_state_machine_library(**_: Any) -> list[CheckMessage]:
    """E018: both are `import django_fsm`, and the one installed last wins."""
    installed = [name for name in ("django-fsm", "django-fsm-2") if _is_installed(name)]
    if len(installed) == 1:
        return []
    hint = "Recreate .venv from requirements.txt: it holds django-fsm alone."
    return [_error("E018", f"Installed: {' and '.join(installed) or 'neither django-fsm nor django-fsm-2'}.", hint)]


@register("payments")
def check_queue_admin(**_: Any) -> list[CheckMessage]:
    """E019: whoever may edit a Schedule in the admin may run any function there is."""
    registered = [model.__name__ for model in (Failure, OrmQ, Schedule, Success) if admin.site.is_registered(model)]
    if not registered:
        return []
    hint = "Register them nowhere: payments/backoffice/site.py leaves screens without an area of the roles table out."
    return [_error("E019", f"django-q2's {', '.join(registered)} stand in the admin.", hint)]


@register("payments")
def check_content_security_policy(**_: Any) -> list[CheckMessage]:
    """E020: no inline code, no foreign code (PCI DSS 6.4.3)."""
    directives = getattr(settings, "CONTENT_SECURITY_POLICY", {}).get("DIRECTIVES", {})
    sources = [
        str(source) for name in ("default-src", "script-src", "style-src") for source in directives.get(name, ())
    ]
    loose = [source for source in sources if source not in ("'none'", "'self'")]
    if "'none'" in directives.get("default-src", ()) and not loose:
        return []
    hint = "Keep default-src 'none' and only 'self' for scripts and styles; move inline code into static files."
    return [_error("E020", f"The content security policy is too loose ({', '.join(loose) or 'no default-src'}).", hint)]


def _is_installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _is_remote(entry: dict[str, Any]) -> bool:
    hosts = f"{entry.get('HOST') or ''},{entry.get('OPTIONS', {}).get('hostaddr') or ''}".split(",")
    return any(host and not host.startswith(("/", "@", "127.")) and host not in LOOPBACK for host in hosts)


def _error(number: str, what: str, hint: str) -> Error:
    return Error(what, hint=hint, id=f"payments.{number}")


def _warning(number: str, what: str, hint: str) -> checks.Warning:
    return checks.Warning(what, hint=hint, id=f"payments.{number}")
