"""Webhooks go past what stands before pages; nothing else does, and nothing of theirs is lost by it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from config.straight_door import PATH
from payments.webhooks import WebhookView

FOR_PEOPLE = [
    "whitenoise.middleware.WhiteNoiseMiddleware.__call__",
    "django.contrib.sessions.middleware.SessionMiddleware.process_request",
    "django.middleware.csrf.CsrfViewMiddleware.process_view",
    "django.contrib.auth.middleware.AuthenticationMiddleware.process_request",
    "django.contrib.messages.middleware.MessageMiddleware.process_request",
    "payments.backoffice.sessions.StaffSessionMiddleware.__call__",
]


def views_under(resolver: URLResolver, before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for each in resolver.url_patterns:
        route = before + str(each.pattern).removeprefix("^")
        if isinstance(each, URLPattern):
            found.append((f"/{route}", each.callback))
        else:
            found += views_under(each, route)
    return found


def test_no_view_but_the_webhooks_stands_there() -> None:
    under = [getattr(view, "cls", None) for route, view in views_under(get_resolver()) if route.startswith(PATH)]
    assert under == [WebhookView]


@pytest.mark.parametrize("path", ["/webhooks/sofort/", "/webhooks/", "/webhooks/stripe"])
def test_nothing_for_people_is_asked_on_the_way(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    def wrong(*_: Any) -> None:
        raise AssertionError("a webhook came by here")

    for each in FOR_PEOPLE:
        monkeypatch.setattr(each, wrong)
    answer = Client().post(path, b"{}", content_type="application/json")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("application/json")


def test_what_holds_for_every_answer_holds_there(settings: Any) -> None:
    answer = Client().get("/webhooks/stripe/")
    assert answer.status_code == 405
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Request-ID"]
    assert not answer.cookies
    settings.SECURE_SSL_REDIRECT = True
    assert Client().post("/webhooks/stripe/").status_code == 301
