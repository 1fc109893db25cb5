"""httpx under our own guard: what it sends, what it answers, and what it never does."""

from __future__ import annotations

import gzip
import time

import httpx
import pytest
from django.db import transaction
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.http import OutboundRefused, TransactionOpen, total_deadline
from integrations.http_transport import GuardedTransport


@pytest.fixture
def client() -> httpx.Client:
    transport = GuardedTransport(allow_loopback=True, connect_timeout_seconds=1, read_timeout_seconds=0.3)
    return httpx.Client(transport=transport, trust_env=False)


def paths_asked_for(server: HTTPServer) -> list[str]:
    """Return what it answered since the test began, and maybe what an earlier one did not wait for."""
    return [request.path for request, _ in server.log]


def test_body_and_headers_go_out_and_come_back(client: httpx.Client, httpserver: HTTPServer) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        request.get_data()
        seen.append(request)
        return Response(b'{"a": 1}', status=201, headers={"X-Told": "yes"}, content_type="application/json")

    httpserver.expect_request("/v2/x").respond_with_handler(answer)
    got = client.post(httpserver.url_for("/v2/x?b=c"), json={"key": "ä"}, headers={"Authorization": "Bearer t"})
    assert (got.status_code, got.json(), got.headers["x-told"]) == (201, {"a": 1}, "yes")
    [request] = seen
    assert request.get_json() == {"key": "ä"}
    assert request.args.to_dict() == {"b": "c"}
    assert request.headers["Authorization"] == "Bearer t"
    assert request.headers["Accept-Encoding"] == "identity", "we ask for nothing that we may not be able to read"


def test_a_compressed_answer_is_read_once(client: httpx.Client, httpserver: HTTPServer) -> None:
    headers = {"Content-Encoding": "gzip"}
    httpserver.expect_request("/").respond_with_data(gzip.compress(b'{"a": 1}'), headers=headers)
    assert client.get(httpserver.url_for("/")).json() == {"a": 1}


def test_a_redirect_is_an_answer(client: httpx.Client, httpserver: HTTPServer) -> None:
    httpserver.expect_request("/").respond_with_data("", status=302, headers={"Location": "/elsewhere"})
    assert client.get(httpserver.url_for("/")).status_code == 302
    assert "/elsewhere" not in paths_asked_for(httpserver)


def test_an_answer_that_is_too_large_or_too_late_is_none(client: httpx.Client, httpserver: HTTPServer) -> None:
    def slow(_: Request) -> Response:
        time.sleep(0.6)
        return Response("late")

    httpserver.expect_request("/large").respond_with_data(b"x" * (9 * 1024 * 1024))
    httpserver.expect_request("/slow").respond_with_handler(slow)
    with pytest.raises(httpx.TransportError):
        client.get(httpserver.url_for("/large"))
    with pytest.raises(httpx.TimeoutException):
        client.get(httpserver.url_for("/slow"))
    with total_deadline(0.1), pytest.raises(httpx.TransportError):
        client.get(httpserver.url_for("/slow"))


def test_nobody_there(client: httpx.Client) -> None:
    with pytest.raises(httpx.TransportError):
        client.get("http://127.0.0.1:9/")


@pytest.mark.django_db(transaction=True)
def test_never_inside_a_transaction(client: httpx.Client, httpserver: HTTPServer) -> None:
    with pytest.raises(TransactionOpen), transaction.atomic():
        client.get(httpserver.url_for("/"))
    assert "/" not in paths_asked_for(httpserver)


def test_never_to_an_address_of_one_s_own_network() -> None:
    transport = GuardedTransport(allow_loopback=False, connect_timeout_seconds=1, read_timeout_seconds=1)
    with httpx.Client(transport=transport, trust_env=False) as client, pytest.raises(OutboundRefused):
        client.get("https://127.0.0.1:9/")
