"""Each system check, red and green. Those that depend on the environment are run in production's settings too
(tests/config/test_production.py).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib import admin
from django.core import checks as django_checks
from django_q.models import Schedule

from config.readers import TrustedProxies
from integrations import providers
from integrations.contract import ProviderMisconfigured, SettingProblem
from payments import checks, grants

LIVE, TEST = "sk_" + "live_" + "1" * 24, "sk_" + "test_" + "1" * 24
POSTGRES = {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"}


def numbers(found: list[Any]) -> list[str]:
    assert all(finding.hint for finding in found), "each finding names its remedy"
    return [finding.id for finding in found]


def test_all_are_green_as_the_project_stands() -> None:
    assert django_checks.run_checks(tags=["payments"]) == []


def test_keys_that_must_be_rows(settings: Any) -> None:
    settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRETS = "", ()
    (finding,) = checks.check_keys_in_environment()
    assert numbers([finding]) == ["payments.W023"]
    assert finding.msg == "Not in the environment: STRIPE_API_KEY, STRIPE_WEBHOOK_SECRETS."
    settings.PAYMENTS_PROVIDERS = ()
    assert checks.check_keys_in_environment() == []


def test_every_check_is_registered_and_numbered() -> None:
    every: dict[str, Any] = {name: check for name, check in vars(checks).items() if name.startswith("check_")}
    del every["check_credentials"]
    assert set(every.values()) <= set(django_checks.registry.registry.get_checks())
    assert all(check.__doc__[0] in "EW" for check in every.values()), "the docstring begins with the number"


STRIPE = [
    ("production", {"STRIPE_API_KEY": LIVE, "STRIPE_API_BASE": "https://api.stripe.com"}, []),
    ("production", {"STRIPE_API_KEY": TEST, "STRIPE_API_BASE": "https://api.stripe.com"}, ["payments.E001"]),
    ("production", {"STRIPE_API_KEY": "pk_live_1", "STRIPE_API_BASE": "https://api.stripe.com"}, ["payments.E001"]),
    ("staging", {"STRIPE_API_KEY": LIVE, "STRIPE_API_BASE": "https://api.stripe.com"}, ["payments.E001"]),
    ("staging", {"STRIPE_API_KEY": TEST, "STRIPE_API_BASE": "https://api.stripe.com"}, []),
    ("demo", {"STRIPE_API_KEY": TEST, "STRIPE_API_BASE": "http://127.0.0.1:8001"}, []),
    ("demo", {"STRIPE_API_KEY": TEST, "STRIPE_API_BASE": "http://10.0.0.1:8001"}, ["payments.E002"]),
    ("demo", {"STRIPE_API_KEY": LIVE, "STRIPE_API_BASE": "http://127.0.0.1:1"}, ["payments.E001", "payments.E002"]),
    ("production", {"STRIPE_API_KEY": LIVE, "STRIPE_API_BASE": "http://127.0.0.1:1"}, ["payments.E002"] * 2),
    ("demo", {"STRIPE_WEBHOOK_SECRETS": (), "STRIPE_API_KEY": ""}, []),
    ("demo", {"STRIPE_WEBHOOK_SECRETS": ("whsec_" + "a" * 20, "")}, ["payments.E003"]),
    ("demo", {"STRIPE_THREE_D_SECURE": "never"}, ["payments.E004"]),
    ("demo", {"STRIPE_API_KEY": LIVE, "PAYMENTS_PROVIDERS": ()}, []),
]


@pytest.mark.parametrize(("environment", "changes", "wanted"), STRIPE)
def test_stripe(settings: Any, environment: str, changes: dict[str, Any], wanted: list[str]) -> None:
    secrets = {"STRIPE_WEBHOOK_SECRETS": ("whsec_" + "a" * 32,)}
    for name, value in {"ENVIRONMENT": environment, **secrets, **changes}.items():
        setattr(settings, name, value)
    assert numbers(checks.check_credentials()) == wanted


def test_adapters(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PAYMENTS_PROVIDERS = ("stripe", "sofort")
    assert numbers(checks.check_adapters()) == ["payments.E021"]

    def refuses() -> Any:
        problem = SettingProblem(code="sofort.key_missing", remedy="Set SOFORT_KEY.")
        raise ProviderMisconfigured("sofort", problems=(problem,))

    monkeypatch.setitem(providers.FACTORIES, "sofort", refuses)
    (finding,) = checks.check_adapters()
    assert "SOFORT_KEY" in str(finding.hint)


def test_allowlists(settings: Any) -> None:
    settings.WEBHOOK_IP_ALLOWLISTS = {"stripe": ()}
    assert numbers(checks.check_allowlists()) == []
    settings.WEBHOOK_IP_ALLOWLISTS = {"strpie": ()}
    assert numbers(checks.check_allowlists()) == ["payments.W022"]


@pytest.mark.parametrize("environment", ["staging", "production"])
class TestDeployed:
    @pytest.fixture(autouse=True)
    def deployed(self, settings: Any, environment: str) -> None:
        settings.ENVIRONMENT = environment
        settings.PUBLIC_BASE_URL = "https://shop.example"
        settings.TRUSTED_PROXIES = TrustedProxies(unix_socket=True)
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
        settings.SECURE_HSTS_SECONDS = 31_536_000
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_USE_TLS, settings.EMAIL_USE_SSL = "mail.example", True, False

    def test_public_address(self, settings: Any) -> None:
        assert numbers(checks.check_public_address()) == []
        settings.PUBLIC_BASE_URL = "http://shop.example"
        assert numbers(checks.check_public_address()) == ["payments.E005"]

    def test_proxies(self, settings: Any) -> None:
        assert numbers(checks.check_proxies()) == []
        settings.TRUSTED_PROXIES = TrustedProxies()
        assert numbers(checks.check_proxies()) == ["payments.E006"]

    @pytest.mark.parametrize(
        "name", ["SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS"]
    )
    def test_transport(self, settings: Any, name: str) -> None:
        assert numbers(checks.check_transport_settings()) == []
        setattr(settings, name, 0)
        assert numbers(checks.check_transport_settings()) == ["payments.E008"]

    def test_mail(self, settings: Any) -> None:
        assert numbers(checks.check_mail_and_redis()) == []
        settings.EMAIL_USE_TLS = False
        assert numbers(checks.check_mail_and_redis()) == ["payments.E009"]
        settings.EMAIL_HOST = "localhost"
        assert numbers(checks.check_mail_and_redis()) == []
        settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
        assert numbers(checks.check_mail_and_redis()) == ["payments.E009"]

    def test_redis(self, settings: Any) -> None:
        cluster = settings.Q_CLUSTER
        for url, wanted in (
            ("redis://redis.example:6379", ["payments.E010"]),
            ("rediss://redis.example:6379", []),
            ("redis://127.0.0.1:6379", []),
        ):
            settings.Q_CLUSTER = {**cluster, "redis": url}
            assert numbers(checks.check_mail_and_redis()) == wanted


HOSTS = [
    ({"HOST": "db.example"}, True),
    ({"HOST": "db.example", "OPTIONS": {"sslmode": "require"}}, True),
    ({"HOST": "db.example", "OPTIONS": {"sslmode": "verify-full"}}, False),
    ({"HOST": "/run/postgresql"}, False),
    ({"HOST": ""}, False),
    ({"HOST": "127.0.0.1"}, False),
    ({"HOST": "localhost"}, False),
    ({"HOST": "127.0.0.1,db.example"}, True),
    ({"HOST": "localhost", "OPTIONS": {"hostaddr": "10.0.0.7"}}, True),
]


@pytest.mark.parametrize(("entry", "red"), HOSTS)
@pytest.mark.parametrize(("environment", "number"), [("production", "payments.E007"), ("demo", "payments.W007")])
def test_a_remote_database_proves_who_it_is(
    monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any], red: bool, environment: str, number: str
) -> None:
    databases = {"default": {**POSTGRES, **entry}}
    monkeypatch.setattr(checks, "settings", SimpleNamespace(ENVIRONMENT=environment, DATABASES=databases))
    assert numbers(checks.check_database_tls()) == ([number] if red else [])


def test_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    app, owner = {**POSTGRES, "USER": "app"}, {**POSTGRES, "USER": "owner"}
    for databases, wanted in (
        ({"default": app, "owner": owner}, []),
        ({"default": app, "owner": app}, ["payments.E011"]),
        ({"default": app}, ["payments.E011"]),
    ):
        monkeypatch.setattr(checks, "settings", SimpleNamespace(ENVIRONMENT="production", DATABASES=databases))
        assert numbers(checks.check_database_roles()) == wanted


def test_encryption_keys(settings: Any) -> None:
    for keys in ({}, {"k1": b"short"}):
        settings.ENCRYPTION_KEYS = keys
        assert numbers(checks.check_encryption_keys()) == ["payments.E012"]


def test_append_only_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "missing_tables", lambda: grants.missing_tables(["orders_transition", "no_such_table"]))
    (finding,) = checks.check_append_only_tables()
    assert finding.id == "payments.E013"
    assert "no_such_table" in finding.msg
    assert "orders_transition" not in finding.msg


@pytest.mark.parametrize(
    "changes",
    [{"LOOK_SECONDS": 30}, {"LEASE_SECONDS": 30}, {"LEASE_SECONDS": 120}, {"Q_CLUSTER": {"timeout": 60, "retry": 120}},
     {"Q_CLUSTER": {"timeout": 30, "retry": 40}}, {"Q_CLUSTER": {}}],
    ids=str,
)  # fmt: skip
def test_time_limits(settings: Any, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    assert numbers(checks.check_time_limits()) == ["payments.E014"]


def test_provider_timeouts(settings: Any) -> None:
    settings.STRIPE_CONNECT_TIMEOUT_SECONDS, settings.STRIPE_READ_TIMEOUT_SECONDS = 5, 10
    assert numbers(checks.check_provider_timeouts()) == []
    settings.STRIPE_READ_TIMEOUT_SECONDS = 11
    assert numbers(checks.check_provider_timeouts()) == ["payments.E015"]


@pytest.mark.parametrize("name", ["locmem.LocMemCache", "dummy.DummyCache", "filebased.FileBasedCache"])
def test_shared_cache(settings: Any, name: str) -> None:
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{name}"}}
    assert numbers(checks.check_shared_cache()) == ["payments.E016"]


def test_debug(settings: Any) -> None:
    settings.DEBUG = True
    assert numbers(checks.check_debug()) == ["payments.E017"]


@pytest.mark.parametrize("installed", [{"django-fsm", "django-fsm-2"}, set()])
def test_state_machine_library(monkeypatch: pytest.MonkeyPatch, installed: set[str]) -> None:
    monkeypatch.setattr(checks, "_is_installed", installed.__contains__)
    assert numbers(checks.check_state_machine_library()) == ["payments.E018"]
    monkeypatch.setattr(checks, "_is_installed", {"django-fsm-2"}.__contains__)
    assert numbers(checks.check_state_machine_library()) == [], "the drop-in swap alone is fine"


def test_queue_admin() -> None:
    admin.site.register(Schedule)  # left out, as it has no area of the roles table
    assert not checks.check_queue_admin()
    with patch.dict(admin.site._registry, {Schedule: admin.ModelAdmin(Schedule, admin.site)}):
        assert numbers(checks.check_queue_admin()) == ["payments.E019"]


@pytest.mark.parametrize(
    "directives",
    [
        {},
        {"default-src": ["'self'"]},
        {"default-src": ["'none'"], "script-src": ["'self'", "'unsafe-inline'"]},
        {"default-src": ["'none'"], "style-src": ["https://cdn.example"]},
    ],
)
def test_content_security_policy(settings: Any, directives: dict[str, list[str]]) -> None:
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": directives}
    assert numbers(checks.check_content_security_policy()) == ["payments.E020"]


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"DELIVERY_SEND_SECONDS": 10}, ["payments.E030"]),
        ({"DELIVERY_LOOKUP_SECONDS": 8}, ["payments.E030"]),
        ({"DELIVERY_BACKOFF_SECONDS": (5, 30, 20)}, ["payments.E030"]),
        ({"DELIVERY_BACKOFF_SECONDS": ()}, ["payments.E030"]),
        ({"DELIVERY_BACKOFF_SECONDS": (5, 300 * 3600)}, ["payments.E030"]),
        ({"DELIVERY_RETRY_AFTER_MAX_SECONDS": 80 * 3600}, ["payments.E030"]),
        ({"DELIVERY_THREADS": 4}, ["payments.E030"]),
        ({"BREAKER_COOLDOWN_SECONDS": 301}, ["payments.E030"]),
        ({"BREAKER_COOLDOWN_MAX_SECONDS": 80 * 3600}, ["payments.E030"]),
        ({"DELIVERY_HORIZON_SECONDS": 75 * 3600, "ENVIRONMENT": "production"}, ["payments.W031"]),
        ({"DELIVERY_HORIZON_SECONDS": 75 * 3600}, []),
        ({"ENVIRONMENT": "production"}, []),
    ],
)
def test_way_out(settings: Any, changes: dict[str, Any], wanted: list[str]) -> None:
    for name, value in changes.items():
        setattr(settings, name, value)
    assert numbers(checks.check_way_out()) == wanted
