"""The settings as production has them, read by processes of their own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.config.production import PRODUCTION, manage, run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """Some of production's settings."""
    names = (
        "DEBUG ALLOWED_HOSTS CSRF_TRUSTED_ORIGINS SECURE_SSL_REDIRECT SECURE_HSTS_SECONDS SECURE_PROXY_SSL_HEADER "
        "SESSION_COOKIE_NAME SESSION_COOKIE_SECURE SESSION_COOKIE_HTTPONLY SESSION_COOKIE_SAMESITE CSRF_COOKIE_NAME "
        "CSRF_COOKIE_SECURE CSRF_COOKIE_SAMESITE EMAIL_USE_TLS EMAIL_HOST_PASSWORD SILENCED_SYSTEM_CHECKS"
    )
    program = (
        "import os, json; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'\n"
        "from django.conf import settings\n"
        f"print(json.dumps({{name: getattr(settings, name) for name in {names.split()!r}}}))"
    )
    done = run("-c", program)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_check_deploy_finds_nothing() -> None:
    done = manage("check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_staging_passes_too_with_a_test_key() -> None:
    changes = {"ENVIRONMENT": "staging", "STRIPE_API_KEY": "sk_" + "test_" + "0" * 24, "DATABASE_OWNER_URL": None}
    done = manage("check", "--deploy", "--fail-level", "WARNING", **changes)
    assert done.returncode == 0, done.stderr


def test_transport_and_cookies(settings: dict[str, Any]) -> None:
    assert settings["DEBUG"] is False
    assert settings["SECURE_SSL_REDIRECT"] is True
    assert settings["SECURE_HSTS_SECONDS"] >= 31_536_000
    assert settings["SECURE_PROXY_SSL_HEADER"] == ["HTTP_X_FORWARDED_PROTO", "https"]
    for cookie in ("SESSION_COOKIE", "CSRF_COOKIE"):
        assert settings[f"{cookie}_NAME"].startswith("__Host-")
        assert settings[f"{cookie}_SECURE"] is True
        assert settings[f"{cookie}_SAMESITE"] == "Lax"
    assert settings["SESSION_COOKIE_HTTPONLY"] is True
    assert settings["ALLOWED_HOSTS"][0] == "shop.example"
    assert "*" not in settings["ALLOWED_HOSTS"]
    assert settings["CSRF_TRUSTED_ORIGINS"] == ["https://shop.example"]
    assert settings["EMAIL_USE_TLS"] is True
    assert settings["EMAIL_HOST_PASSWORD"] == "p@ss:word"
    assert settings["SILENCED_SYSTEM_CHECKS"] == []


RED: list[tuple[str, dict[str, str | None]]] = [
    ("payments.E001", {"STRIPE_API_KEY": "sk_" + "test_" + "0" * 24}),
    ("payments.E002", {"STRIPE_API_BASE": "https://api.stripe.com.evil.example"}),
    ("payments.E002", {"STRIPE_API_BASE": "http://127.0.0.1:8001"}),
    ("payments.W023", {"STRIPE_WEBHOOK_SECRETS": None}),
    ("payments.E003", {"STRIPE_WEBHOOK_SECRETS": "whsec_" + "a" * 12}),
    ("payments.E005", {"PUBLIC_BASE_URL": "http://shop.example"}),
    ("payments.E007", {"DATABASE_URL": PRODUCTION["DATABASE_URL"].replace("verify-full", "require")}),
    ("payments.E009", {"EMAIL_URL": "console:"}),
    ("payments.E009", {"EMAIL_URL": "smtp://mail.example?tls=none"}),
    ("payments.E010", {"REDIS_URL": "redis://redis.example/0"}),
    ("payments.E021", {"PAYMENTS_PROVIDERS": "stripe,sofort"}),
    ("payments.W022", {"WEBHOOK_IP_ALLOWLISTS": "strpie=3.18.12.63"}),
]


@pytest.mark.parametrize(("number", "changes"), RED, ids=[f"{number}-{next(iter(changes))}" for number, changes in RED])
def test_a_mistake_is_found_by_number_with_a_remedy(number: str, changes: dict[str, str | None]) -> None:
    done = manage("check", "--fail-level", "WARNING", **changes)
    assert done.returncode == 1
    assert number in done.stderr
    assert "HINT" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_variable_is_one_readable_refusal() -> None:
    done = manage("migrate", ENCRYPTION_KEYS=None, TRUSTED_PROXIES=None)
    assert done.returncode == 2
    assert "ENCRYPTION_KEYS is missing, and production needs it. Set ENCRYPTION_KEYS" in done.stderr
    assert "TRUSTED_PROXIES is missing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("how", ["--settings=tools.lint_settings", "--settings tools.lint_settings"])
def test_other_settings_count_from_the_start(how: str) -> None:
    assert "Unknown command" in manage("lintmigrations", "--help").stderr
    assert "usage: manage.py lintmigrations" in manage("lintmigrations", "--help", *how.split()).stdout


OTHERS: dict[str, dict[str, str | None]] = {
    "paypal": {
        "PAYMENTS_PROVIDERS": "paypal",
        "PAYPAL_CLIENT_ID": "client-id-1",
        "PAYPAL_CLIENT_SECRET": "client-secret-1",
        "PAYPAL_WEBHOOK_ID": "4WH12345678901234",
    },
    "square": {
        "PAYMENTS_PROVIDERS": "square",
        "SQUARE_ACCESS_TOKEN": "EAAA" + "x" * 30,
        "SQUARE_LOCATION_ID": "L1",
        "SQUARE_APPLICATION_ID": "sq0idp-abc",
        "SQUARE_WEBHOOK_SIGNATURE_KEYS": "k" * 20,
        "SQUARE_WEBHOOK_URL": "https://shop.example/webhooks/square/",
        "SQUARE_CURRENCY": "EUR",
    },
    "nmi": {
        "PAYMENTS_PROVIDERS": "nmi",
        "NMI_SECURITY_KEY": "a" * 32,
        "NMI_TOKENIZATION_KEY": "b" * 32,
        "NMI_WEBHOOK_SIGNING_KEYS": "c" * 32,
        "NMI_MERCHANT_ID": "100001",
    },
}
"""The other providers as production offers them, each alone."""


@pytest.mark.parametrize("provider", OTHERS)
def test_each_other_provider_may_be_the_only_one(provider: str) -> None:
    alone = {"STRIPE_API_KEY": None, "STRIPE_WEBHOOK_SECRETS": None}
    done = manage("check", "--deploy", "--fail-level", "WARNING", **alone, **OTHERS[provider])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {"STRIPE_API_KEY": "sk_" + "test_" + "0" * 24},
        {"STRIPE_API_BASE": "http://127.0.0.1:8001"},
        {"ENVIRONMENT": "staging"},
        {**OTHERS["paypal"], "PAYPAL_API_BASE": "https://api-m.sandbox.paypal.com"},
        {**OTHERS["square"], "SQUARE_APPLICATION_ID": "sandbox-sq0idb-abc"},
        {**OTHERS["nmi"], "NMI_API_BASE": "https://sandbox.nmi.com"},
    ],
    ids=["test key in production", "other host in production", "live key in staging", "paypal", "square", "nmi"],
)
def test_the_live_guard_refuses_to_start(changes: dict[str, str | None]) -> None:
    done = manage("migrate", **changes)
    assert done.returncode == 5
    assert "test and live never mix" in done.stderr
    assert "Traceback" not in done.stderr
    served = run("-c", "import config.wsgi", **changes)
    assert served.returncode == 1
    assert "payments.E00" in served.stderr


def test_static_files_carry_their_digest_and_serve_after_collectstatic(tmp_path: Any) -> None:
    program = (
        "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'; django.setup()\n"
        "from django.conf import settings\n"
        "from django.core.management import call_command\n"
        "from django.templatetags.static import static\n"
        "from django.test import Client\n"
        f"settings.STATIC_ROOT = {str(tmp_path)!r}\n"
        "call_command('collectstatic', verbosity=0, interactive=False)\n"
        "url = static('errors/errors.css'); print(url)\n"
        "answer = Client().get(url, secure=True, headers={'host': 'shop.example'})\n"
        "print(answer.status_code, answer.headers['Cache-Control'])\n"
    )
    done = run("-c", program)
    assert done.returncode == 0, done.stderr
    url, served = done.stdout.splitlines()
    assert url.startswith("/static/errors/errors.")
    assert url != "/static/errors/errors.css"
    assert served == "200 max-age=315360000, public, immutable"
