"""A browser without a browser: cookies, forms and redirects over the standard library, on this machine only.

It goes where a person could go: a form is filled as it stands in the page, with its hidden fields, and a redirect is
one hop at a time, so that each can be looked at.
"""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

LOOPBACK_HOSTS = ("127.0.0.1", "::1", "localhost")
MAX_PAGE_BYTES = 2 * 1024 * 1024
MAX_HOPS = 10


class Surprise(Exception):
    """A page is not what a shopper should see here; the message says which page, and what it said."""


class NotOnThisMachine(ValueError):
    """The address leads away from this machine. This browser is for the demo and for tests."""


@dataclass(frozen=True)
class Form:
    """A form as it stands in a page: where it goes, its fields with their present values, its named buttons.

    `data` is what its data attributes say, by name without `data-`.
    """

    url: str
    method: str
    fields: Mapping[str, str]
    buttons: tuple[tuple[str, str], ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """One answer. `location` is absolute; empty unless it is a redirect."""

    url: str
    status: int
    location: str
    html: str = field(repr=False)
    title: str = ""
    heading: str = ""
    alert: str = ""
    forms: tuple[Form, ...] = ()
    links: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The path of its address."""
        return urlsplit(self.url).path

    def form(self, ending: str = "", **fields: str) -> Form:
        """Return the first form whose address ends with `ending` and whose fields hold these. Raises Surprise."""
        for each in self.forms:
            if urlsplit(each.url).path.endswith(ending) and fields.items() <= each.fields.items():
                return each
        wanted = ", ".join(filter(None, [ending, *(f"{name}={value}" for name, value in fields.items())]))
        raise Surprise(f"{self.say()} has no form {wanted}")

    def say(self) -> str:
        """Return one line about this page, for an error message."""
        said = " / ".join(filter(None, (self.heading or self.title, self.alert)))
        return f"{self.url} ({self.status}{f', “{said}”' if said else ''})"

    def expect(self, status: int) -> Page:
        """Return this page if it has this status. Raises Surprise."""
        if self.status != status:
            raise Surprise(f"Expected {status}, but got {self.say()}")
        return self


class Browser:
    """One visitor. `trail` keeps each step as (method, address, status)."""

    def __init__(self, *, timeout_seconds: float = 30.0, language: str = "en-US,en") -> None:
        self.trail: list[tuple[str, str, int]] = []
        self._timeout_seconds = timeout_seconds
        self._language = language
        # Never by a proxy of the environment: everything is on this machine.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar()), _AsItComes()
        )

    def get(self, url: str) -> Page:
        """Open an address. Raises NotOnThisMachine; Surprise where nothing answers."""
        return self._send(urllib.request.Request(_local(url), method="GET"))

    def submit(
        self, form: Form, values: Mapping[str, str] | None = None, *, button: tuple[str, str] | None = None
    ) -> Page:
        """Fill a form and send it. Raises Surprise for a field or a button that it does not have."""
        values = values or {}
        if unknown := sorted(values.keys() - form.fields.keys()):
            raise Surprise(f"The form to {form.url} has no field {', '.join(unknown)}")
        if button is not None and button not in form.buttons:
            raise Surprise(f"The form to {form.url} has no button {'='.join(button)}")
        pairs = [*{**form.fields, **values}.items(), *([button] if button else [])]
        if form.method == "GET":
            return self.get(f"{form.url.partition('?')[0]}?{urlencode(pairs)}")
        parts = urlsplit(_local(form.url))
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"{parts.scheme}://{parts.netloc}",
        }
        body = urlencode(pairs).encode()
        return self._send(urllib.request.Request(form.url, data=body, headers=headers, method="POST"))

    def post_json(self, url: str, message: Mapping[str, str]) -> dict[str, Any]:
        """Send JSON as a script of that very server would, and return its JSON. Raises Surprise."""
        parts = urlsplit(_local(url))
        headers = {"Content-Type": "application/json", "Origin": f"{parts.scheme}://{parts.netloc}"}
        page = self._send(urllib.request.Request(url, data=json.dumps(message).encode(), headers=headers))
        try:
            answer: dict[str, Any] = json.loads(page.expect(200).html)
        except ValueError as error:
            raise Surprise(f"{url} answers no JSON") from error
        return answer

    def hop(self, page: Page) -> Page:
        """Follow one redirect. Raises Surprise where the page is none."""
        if not page.location:
            raise Surprise(f"Expected a redirect, but got {page.say()}")
        return self.get(page.location)

    def follow(self, page: Page) -> Page:
        """Follow redirects to where they end, at most MAX_HOPS."""
        for _ in range(MAX_HOPS):
            if not page.location:
                return page
            page = self.hop(page)
        raise Surprise(f"Redirects without end at {page.url}")

    def _send(self, request: urllib.request.Request) -> Page:
        request.add_header("Accept-Language", self._language)
        request.add_header("Accept", "text/html")
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as answer:
                body = answer.read(MAX_PAGE_BYTES).decode("utf-8", "replace")
                status, location = answer.status, answer.headers.get("Location") or ""
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise Surprise(f"{request.full_url} does not answer: {reason}") from error
        self.trail.append((request.get_method(), request.full_url, status))
        absolute = urljoin(request.full_url, location) if location else ""
        return _read(Page(url=request.full_url, status=status, location=absolute, html=body))


class _AsItComes(urllib.request.HTTPErrorProcessor):
    """Hands out every answer as it is: a redirect is followed by hand, a 4xx is a page like others."""

    def http_response(self, request: urllib.request.Request, response: Any) -> Any:
        return response

    https_response = http_response


def _local(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK_HOSTS:
        raise NotOnThisMachine(f"{parts.scheme}://{parts.netloc} is not on this machine")
    return url


def _read(page: Page) -> Page:
    reader = _Reader(page.url)
    reader.feed(page.html)
    reader.close()
    return replace(
        page,
        title=_words(reader.texts["title"]),
        heading=_words(reader.texts["h1"]),
        alert=_words(reader.texts["alert"]),
        forms=tuple(reader.forms),
        links=tuple(reader.links),
    )


def _words(pieces: list[str]) -> str:
    return " ".join("".join(pieces).split())


class _Reader(HTMLParser):
    """Finds the title, the first heading, an alert, the forms and the links of a page."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self._url = url
        self.texts: dict[str, list[str]] = {"title": [], "h1": [], "alert": []}
        self.forms: list[Form] = []
        self.links: list[str] = []
        self._listening: dict[str, str] = {}  # what we listen for → the tag that ends it
        self._fields: dict[str, str] = {}
        self._buttons: list[tuple[str, str]] = []
        self._in_form = False
        self._select = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attributes}
        if tag in ("title", "h1") and not self.texts[tag]:
            self._listening[tag] = tag
        elif has.get("role") == "alert":
            self._listening["alert"] = tag
        elif tag == "a" and has.get("href"):
            self.links.append(urljoin(self._url, has["href"]))
        elif tag == "form":
            self._open_form(has)
        elif self._in_form and "disabled" not in has:
            self._field(tag, has)

    def handle_endtag(self, tag: str) -> None:
        self._listening = {name: ends for name, ends in self._listening.items() if ends != tag}
        if tag == "select":
            self._select = ""
        elif tag == "form" and self._in_form:
            form = self.forms[-1]
            self.forms[-1] = replace(form, fields=dict(self._fields), buttons=tuple(self._buttons))
            self._in_form = False

    def handle_data(self, data: str) -> None:
        for name in self._listening:
            self.texts[name].append(data)

    def _open_form(self, has: dict[str, str]) -> None:
        self._in_form, self._fields, self._buttons = True, {}, []
        url = urljoin(self._url, has.get("action") or self._url)
        data = {name.removeprefix("data-"): value for name, value in has.items() if name.startswith("data-")}
        self.forms.append(Form(url=url, method=has.get("method", "get").upper(), fields={}, data=data))

    def _field(self, tag: str, has: dict[str, str]) -> None:
        name, value, kind = has.get("name", ""), has.get("value", ""), has.get("type", "")
        if tag == "option" and self._select:
            if "selected" in has or self._select not in self._fields:
                self._fields[self._select] = value
        elif not name:
            return
        elif tag == "select":
            self._select = name
        elif tag == "button" or kind == "submit":
            self._buttons.append((name, value))
        elif kind in ("radio", "checkbox"):
            if "checked" in has:
                self._fields[name] = value or "on"
        elif tag in ("input", "textarea"):
            self._fields[name] = value
