"""What every answer carries, and what holds in every environment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.cache import cache
from django.test import Client
from django.urls import get_resolver

from config.boot import needs_database
from config.policy import pay_page_origins


def directives(policy: str) -> dict[str, list[str]]:
    return {part.split()[0]: part.split()[1:] for part in policy.split(";") if part.strip()}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/", "/admin/login/", "/basket/", "/livez", "/no/such/page/"])
def test_every_answer_is_guarded(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = directives(headers["Content-Security-Policy"])
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == ["'self'"]
    assert policy["form-action"] == ["'self'", settings.STRIPE_API_BASE]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    assert "Server" not in headers


def test_the_pay_pages_are_the_only_foreign_hosts_a_form_may_end_on() -> None:
    official = pay_page_origins(["stripe"], api_bases={"stripe": "https://api.stripe.com"})
    assert official == ["https://checkout.stripe.com"]
    assert pay_page_origins(["stripe"], api_bases={"stripe": "http://127.0.0.1:8001/x"}) == ["http://127.0.0.1:8001"]
    assert pay_page_origins([], api_bases={"stripe": "https://api.stripe.com"}) == []


@pytest.mark.django_db  # closing an answer looks at the connections
def test_static_files_are_served_without_collecting_them(client: Client) -> None:
    for name in ("errors/errors.css", "admin/css/base.css"):
        assert finders.find(name)
        answer = client.get(f"/static/{name}")
        assert answer.status_code == 200
        answer.close()


@pytest.mark.django_db
def test_the_cache_is_shared_and_expires(django_assert_num_queries: Any) -> None:
    assert settings.CACHES["default"]["BACKEND"].endswith("DatabaseCache")
    cache.set("a", {"count": 1}, timeout=60)
    assert cache.get("a") == {"count": 1}
    assert cache.incr("plain") if cache.add("plain", 1) else False
    cache.set("gone", 1, timeout=timedelta(seconds=-1).total_seconds())
    assert cache.get("gone") is None


def test_the_tests_run_as_tests() -> None:
    assert settings.ENVIRONMENT == "test"
    assert not settings.DEBUG


def test_the_queue_cannot_be_edited_in_the_admin() -> None:
    get_resolver().url_patterns  # noqa: B018  loads the admin's
    from django.contrib import admin

    assert not [model for model in admin.site._registry if model._meta.app_label == "django_q"]


COMMANDS = [
    ("migrate", True),
    ("qcluster", True),
    ("shell", True),
    ("check", False),
    ("check --deploy", False),
    ("check --database default", True),
    ("migrate --help", False),
    ("collectstatic --noinput", False),
    ("", False),
]


@pytest.mark.parametrize(("line", "needed"), COMMANDS)
def test_only_commands_that_ask_the_database_start_it(line: str, needed: bool) -> None:
    assert needs_database(line.split()) is needed
