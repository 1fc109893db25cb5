"""The browser without a browser: it sends what a person's browser would send, and goes nowhere else."""

from __future__ import annotations

import socket

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from integrations.sandbox.browser import Browser, NotOnThisMachine, Page, Surprise
from integrations.sandbox.loopback import free_port, status_of

FORM = """<!doctype html><title> A  page </title><h1>Pay <b>now</b></h1><h1>not this</h1><p role="alert">No money</p>
<a href="/there">there</a>
<form action="/buy?x=1" method="post"><input type="hidden" name="token" value="a&amp;b"><input name="email">
<input type="radio" name="how" value="card"><input type="radio" name="how" value="bank" checked>
<input type="checkbox" name="news"><input name="gone" value="1" disabled><textarea name="note"></textarea>
<select name="currency"><option value="USD">d<option value="EUR" selected>e</select>
<select name="first"><option value="one">1<option value="two">2</select>
<button name="do" value="pay">Pay</button><button>plain</button></form>
<form><input name="q"></form>"""


def page(server: HTTPServer, html: str = FORM) -> Page:
    server.expect_request("/").respond_with_data(html, content_type="text/html")
    return Browser().get(server.url_for("/"))


def test_a_page_is_read_as_a_person_reads_it(httpserver: HTTPServer) -> None:
    read = page(httpserver)
    assert (read.title, read.heading, read.alert) == ("A page", "Pay now", "No money")
    assert read.links == (httpserver.url_for("/there"),)
    assert read.say() == f"{httpserver.url_for('/')} (200, “Pay now / No money”)"


def test_a_form_is_sent_as_it_stands_with_what_is_filled_in(httpserver: HTTPServer) -> None:
    seen: list[tuple[str, dict[str, str], str]] = []

    def buy(request: Request) -> Response:
        seen.append((request.full_path, request.form.to_dict(), request.headers["Origin"]))
        return Response("thanks")

    httpserver.expect_request("/buy", method="POST").respond_with_handler(buy)
    read = page(httpserver)
    Browser().submit(read.form("/buy"), {"email": "a@example.com"}, button=("do", "pay"))
    path, sent, origin = seen[0]
    assert path == "/buy?x=1"
    assert origin == httpserver.url_for("").rstrip("/")
    assert sent == {
        "token": "a&b",
        "email": "a@example.com",
        "how": "bank",
        "note": "",
        "currency": "EUR",
        "first": "one",
        "do": "pay",
    }


def test_a_search_form_goes_into_the_address(httpserver: HTTPServer) -> None:
    read = page(httpserver)
    httpserver.expect_request("/", query_string="q=mugs").respond_with_data("found")
    assert Browser().submit(read.forms[1], {"q": "mugs"}).status == 200


def test_what_a_page_does_not_have_cannot_be_filled_or_pressed(httpserver: HTTPServer) -> None:
    read = page(httpserver)
    with pytest.raises(Surprise, match="no field number"):
        Browser().submit(read.form("/buy"), {"number": "4242"})
    with pytest.raises(Surprise, match="no button do=steal"):
        Browser().submit(read.form("/buy"), button=("do", "steal"))
    with pytest.raises(Surprise, match="has no form /basket/, how=card"):
        read.form("/basket/", how="card")


def test_redirects_are_single_hops_and_cookies_are_kept(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/in").respond_with_data(
        "", status=303, headers={"Location": "/home", "Set-Cookie": "session=7; Path=/; HttpOnly"}
    )
    httpserver.expect_request("/home", headers={"Cookie": "session=7"}).respond_with_data("<h1>Home</h1>")
    browser = Browser()
    answer = browser.get(httpserver.url_for("/in"))
    assert (answer.status, answer.location) == (303, httpserver.url_for("/home"))
    assert browser.hop(answer).heading == "Home"
    assert [status for _, _, status in browser.trail] == [303, 200]


def test_a_page_that_is_no_redirect_cannot_be_followed(httpserver: HTTPServer) -> None:
    with pytest.raises(Surprise, match="Expected a redirect"):
        Browser().hop(page(httpserver))


def test_redirects_in_a_circle_end(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/round").respond_with_data("", status=302, headers={"Location": "/round"})
    browser = Browser()
    with pytest.raises(Surprise, match="without end"):
        browser.follow(browser.get(httpserver.url_for("/round")))


def test_a_refusal_is_a_page_like_others(httpserver: HTTPServer) -> None:
    httpserver.expect_request("/no").respond_with_data("<h1>Declined</h1>", status=402)
    answer = Browser().get(httpserver.url_for("/no"))
    assert (answer.status, answer.heading) == (402, "Declined")
    with pytest.raises(Surprise, match=r"Expected 200, but got .*Declined"):
        answer.expect(200)


@pytest.mark.parametrize(
    "url", ["http://example.com/", "https://127.0.0.1/", "file:///etc/passwd", "http://127.0.0.1.evil/"]
)
def test_it_never_leaves_this_machine(url: str) -> None:
    with pytest.raises(NotOnThisMachine):
        Browser().get(url)


def test_nobody_there_is_a_sentence() -> None:
    port = free_port(0)
    with pytest.raises(Surprise, match="does not answer"):
        Browser().get(f"http://127.0.0.1:{port}/")
    assert status_of(f"http://127.0.0.1:{port}/") is None


def test_a_port_that_is_taken_is_replaced_by_a_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port: int = taken.getsockname()[1]
        assert free_port(port) != port
    assert free_port(port) == port
