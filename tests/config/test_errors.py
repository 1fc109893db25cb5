"""The answers when something goes wrong: never a page from the database, never another 5xx for a webhook."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError, IntegrityError, InterfaceError, InternalError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from psycopg.errors import IdleInTransactionSessionTimeout
from redis.exceptions import ConnectionError as RedisAway

from config import errors
from config.errors import is_store_away

FAILURES: dict[str, type[Exception]] = {
    "operational": OperationalError,
    "interface": InterfaceError,
    "redis": RedisAway,
    "integrity": IntegrityError,
    "bug": ZeroDivisionError,
    "denied": PermissionDenied,
    "suspicious": SuspiciousOperation,
    "toobig": RequestDataTooBig,
    "missing": Http404,
}
AWAY = ("operational", "interface", "redis")


def fail(request: HttpRequest, failure: str) -> HttpResponse:
    raise FAILURES[failure]("secret detail: database shop_app at 10.0.0.7")


failing = [path("<str:failure>/", fail)]
urlpatterns = [
    path("page/", include(failing)),
    path("webhooks/", include(failing)),
    path("api/v1/", include(failing)),
    path("", include("config.urls")),
]
handler400, handler403 = errors.bad_request, errors.permission_denied
handler404, handler500 = errors.page_not_found, errors.server_error


@pytest.fixture
def client(settings: Any) -> Client:
    settings.ROOT_URLCONF = __name__
    return Client(raise_request_exception=False)


def body_of(answer: Any) -> str:
    return str(answer.content.decode())


@pytest.mark.parametrize("where", ["page", "webhooks", "api/v1"])
@pytest.mark.parametrize("failure", list(FAILURES))
def test_what_is_answered(client: Client, where: str, failure: str) -> None:
    answer = client.get(f"/{where}/{failure}/")
    wanted = {"denied": 403, "suspicious": 400, "toobig": 413, "missing": 404} | dict.fromkeys(AWAY, 503)
    assert answer.status_code == wanted.get(failure, 503 if where == "webhooks" else 500)
    assert ("Retry-After" in answer.headers) is (answer.status_code == 503)
    assert answer.headers["Content-Type"].startswith("text/html" if where == "page" else "application/json")
    if where != "page":
        assert set(answer.json()["error"]) == {"code", "message"}
    assert "secret detail" not in body_of(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("failure", AWAY)
@pytest.mark.parametrize(
    "middleware",
    [
        "django.contrib.sessions.middleware.SessionMiddleware.process_request",
        "django.middleware.common.CommonMiddleware.process_response",
    ],
)
def test_a_database_away_in_any_middleware_is_503_too(
    client: Client, monkeypatch: pytest.MonkeyPatch, failure: str, middleware: str
) -> None:
    def away(*_: Any) -> None:
        raise FAILURES[failure]

    monkeypatch.setattr(middleware, away)
    for where in ("page", "api/v1"):
        assert client.get(f"/{where}/missing/").status_code == 503
    assert client.get("/webhooks/missing/").status_code == 404, "it has none of them before it"


def test_causes_are_followed() -> None:
    error = RuntimeError("while saving")
    error.__cause__ = OperationalError("away")
    assert is_store_away(error)
    error.__cause__ = InternalError("terminating connection due to idle-in-transaction timeout")
    assert not is_store_away(error)
    error.__cause__.__cause__ = IdleInTransactionSessionTimeout()
    assert is_store_away(error)
    assert not is_store_away(DatabaseError("a defect of ours"))
    assert not is_store_away(ConnectionError("some other host"))
    assert not is_store_away(None)


@pytest.mark.parametrize("template", ["400", "403", "404", "429", "500", "503", "403_csrf"])
def test_pages_say_what_to_do_and_ask_no_database(template: str) -> None:
    page = errors._answer(HttpRequest(), HTTPStatus.OK, "", f"{template}.html", minutes=15)
    text = body_of(page)
    for part in ("<h1>", 'lang="en"', "<main", "<title>", "viewport"):
        assert text.count(part) == 1, part
    assert "style=" not in text
    assert "<script" not in text


def test_a_broken_page_keeps_its_status_and_sentence(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "render_to_string", fail_to_render)
    answer = client.get("/page/bug/")
    assert answer.status_code == 500
    assert "Something went wrong on our side." in body_of(answer)


def fail_to_render(*_: Any) -> str:
    raise ValueError("Missing staticfiles manifest entry")


def test_an_old_form_is_explained(settings: Any) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.post("/admin/login/", {"username": "a", "password": "b"})
    assert answer.status_code == 403
    assert "This form was open for too long" in body_of(answer)


def test_an_unknown_host_is_a_bad_request() -> None:
    answer = Client().get("/livez", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "evil" not in body_of(answer)
