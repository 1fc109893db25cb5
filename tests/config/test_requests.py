"""What every request goes through: whose word is taken, one id, one line, no body beyond 1 MiB."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.utils import timezone
from django.utils.functional import SimpleLazyObject
from structlog.testing import capture_logs

from config.middleware import FORWARDED_MARK, RequestLogMiddleware, TrustedProxyMiddleware
from config.readers import Reader, trusted_proxies
from integrations import correlation
from payments.people import mfa
from payments.roles import Role
from tests.staff import PASSWORD, enrol, make_staff


@pytest.fixture(autouse=True)
def proxies(settings: Any) -> None:
    settings.TRUSTED_PROXIES = trusted_proxies(Reader({"TRUSTED_PROXIES": "10.0.0.0/8,unix"}))


def through(**meta: str) -> HttpRequest:
    """Return the request as it stands behind TrustedProxyMiddleware."""
    request = RequestFactory().get("/")
    request.META.update({"REMOTE_ADDR": "203.0.113.9", **meta})
    TrustedProxyMiddleware(lambda _: HttpResponse())(request)
    return request


class TestWhoseWordIsTaken:
    CASES = [
        # peer, X-Forwarded-For, the client
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "garbage", "10.0.0.1"),
        ("10.0.0.1", "6.6.6.6, garbage, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("", "198.51.100.1", "198.51.100.1"),
    ]

    @pytest.mark.parametrize(("peer", "forwarded_for", "client"), CASES)
    def test_the_clients_address(self, peer: str, forwarded_for: str, client: str) -> None:
        request = through(REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded_for)
        assert request.META["REMOTE_ADDR"] == client
        assert "HTTP_X_FORWARDED_FOR" not in request.META

    def test_a_stranger_says_nothing_about_scheme_host_or_id(self, settings: Any) -> None:
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        said = {"HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "evil", "HTTP_X_REQUEST_ID": "a" * 20}
        request = through(**said)
        assert not set(said) & set(request.META)
        assert not request.is_secure()
        assert request.META[FORWARDED_MARK]

    def test_a_proxy_does(self, settings: Any) -> None:
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        request = through(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_PROTO="https", HTTP_X_FORWARDED_HOST="evil")
        assert request.is_secure()
        assert "HTTP_X_FORWARDED_HOST" not in request.META

    def test_a_thousand_hops_are_not_walked(self) -> None:
        request = through(REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=", ".join(["10.0.0.2"] * 100_000))
        assert request.META["REMOTE_ADDR"] == "10.0.0.2"


class TestOneId:
    def test_each_request_has_one_and_answers_it(self, client: Client) -> None:
        seen = client.get("/livez").headers["X-Request-ID"]
        assert len(seen) == 32
        assert seen != client.get("/livez").headers["X-Request-ID"]
        assert correlation.current() == ""

    def test_a_proxys_id_is_taken_over(self, client: Client) -> None:
        given = "7f8a9b-from-the-proxy"
        answer = client.get("/livez", headers={"X-Request-ID": given}, REMOTE_ADDR="10.0.0.1")
        assert answer.headers["X-Request-ID"] == given

    @pytest.mark.parametrize(
        "given", ["short", "x" * 65, "a" * 20 + "\nforged", "a b" * 8, "é" * 20, "<script>alert(1)"]
    )
    def test_one_of_another_form_is_not(self, client: Client, given: str) -> None:
        answer = client.get("/livez", HTTP_X_REQUEST_ID=given, REMOTE_ADDR="10.0.0.1")
        assert len(answer.headers["X-Request-ID"]) == 32

    def test_a_strangers_is_not(self, client: Client) -> None:
        answer = client.get("/livez", headers={"X-Request-ID": "a" * 20}, REMOTE_ADDR="203.0.113.9")
        assert answer.headers["X-Request-ID"] != "a" * 20


class TestOneLine:
    def test_names_route_status_and_time_and_neither_path_nor_query(self, client: Client) -> None:
        with capture_logs() as said:
            client.get("/livez?card=4111111111111111")
        (line,) = [line for line in said if line["event"] == "request"]
        assert line.items() >= {"method": "GET", "route": "livez", "status": 200, "log_level": "debug"}.items()
        assert isinstance(line["ms"], int)
        assert "4111" not in str(said)

    def test_an_unknown_address_has_no_route(self, client: Client) -> None:
        with capture_logs() as said:
            client.get("/no/such/page/")
        assert {"route": "-", "status": 404}.items() <= said[-1].items()

    @pytest.mark.parametrize("signed_in", [True, False])
    def test_a_refused_permission_is_a_line_of_its_own(self, signed_in: bool) -> None:
        request = RequestFactory().get("/")
        user: Any = get_user_model()(pk=7) if signed_in else AnonymousUser()
        request.user = user
        with capture_logs() as said:
            RequestLogMiddleware(lambda _: HttpResponse(status=403))(request)
        (line,) = [line for line in said if line["event"] == "permission refused"]
        assert line["user_id"] == (7 if signed_in else None)
        assert line["client"] == "127.0.0.1"

    def test_a_refusal_does_not_ask_the_database_who_it_was(self) -> None:
        request = RequestFactory().get("/")
        request.user = SimpleLazyObject(lambda: pytest.fail("asked"))  # type: ignore[assignment]
        RequestLogMiddleware(lambda _: HttpResponse(status=403))(request)


@pytest.mark.django_db
class TestSigningIn:
    @pytest.fixture
    def staff(self) -> Any:
        return make_staff(Role.SUPPORT, name="clerk")

    @pytest.fixture(autouse=True)
    def key(self, staff: Any) -> None:
        self._key = enrol(staff, at=timezone.now())

    def sign_in(self, client: Client, password: str, **extra: str) -> HttpResponse:
        said = {"username": "clerk", "password": password, "code": mfa.code_at(self._key, timezone.now())}
        return client.post("/admin/login/?next=/admin/", said, **extra)  # type: ignore[return-value, arg-type]

    def test_in_and_out_are_lines_without_names(self, client: Client, staff: Any) -> None:
        with capture_logs() as said:
            assert self.sign_in(client, PASSWORD).status_code == 302
            client.post("/admin/logout/")
        events = [(line["event"], line["user_id"]) for line in said if line["event"].startswith("signed")]
        assert events == [("signed in", staff.pk), ("signed out", staff.pk)]
        assert "clerk" not in str(said)

    def test_staff_sessions_are_short(self, client: Client, staff: Any) -> None:
        self.sign_in(client, PASSWORD)
        assert client.session.get_expiry_age() == 8 * 3600

    def test_a_failure_is_a_line_without_what_was_typed(self, client: Client, staff: Any) -> None:
        with capture_logs() as said:
            self.sign_in(client, "wrong-password")
        assert "sign-in failed" in [line["event"] for line in said]
        assert "wrong-password" not in str(said)
        assert "clerk" not in str(said)

    def test_five_failures_lock_this_name_from_this_address_alone(self, client: Client, staff: Any) -> None:
        answers = [self.sign_in(client, "wrong").status_code for _ in range(5)]
        assert answers == [200, 200, 200, 200, 429]
        locked = self.sign_in(client, PASSWORD)
        assert locked.status_code == 429
        assert locked.headers["Retry-After"] == "900"
        assert b"15 minutes" in locked.content
        assert self.sign_in(client, PASSWORD, REMOTE_ADDR="203.0.113.77").status_code == 302

    def test_a_forged_forwarded_for_does_not_reset_the_count(self, client: Client, staff: Any) -> None:
        for last in range(5):
            self.sign_in(client, "wrong", HTTP_X_FORWARDED_FOR=f"203.0.113.{last}")
        assert self.sign_in(client, PASSWORD, HTTP_X_FORWARDED_FOR="203.0.113.99").status_code == 429


class TestBodies:
    @pytest.mark.parametrize("path", ["/", "/admin/login/", "/webhooks/stripe/", "/api/v1/orders/"])
    def test_beyond_one_mebibyte_are_refused_unread(self, client: Client, path: str) -> None:
        answer = client.post(path, b"x", content_type="application/json", CONTENT_LENGTH=str(1024 * 1024 + 1))
        assert answer.status_code == 413

    @pytest.mark.parametrize("length", ["-1", "1e9", "9" * 30, "٣"])
    def test_a_length_that_is_none_is_refused(self, client: Client, length: str) -> None:
        assert client.generic("POST", "/", b"", CONTENT_LENGTH=length).status_code == 413
