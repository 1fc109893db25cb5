"""A real Chromium for the tests of this folder; without one they are skipped, and `make test` says how to get it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from tools.chromium import find

ARGUMENTS = [
    "--no-sandbox",  # the tests may run as root in a container; they open our own pages only
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder, so that nothing here runs in the quick part."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests."""
    program = find()
    if program is None:
        pytest.skip("there is no Chromium here: apt install chromium")
    # Playwright's loop runs in this thread, where Django would take each query for one from a coroutine.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


Visitor = Callable[..., Page]


@pytest.fixture
def visitor(chromium: Browser) -> Iterator[Visitor]:
    """Return a maker of visitors: a fresh profile each, at most our own server within reach, errors gathered.

    Keyword arguments are Playwright's for a context: `color_scheme`, `viewport`, `java_script_enabled`, `locale` …
    A page that logged an error, a refusal of the content security policy among them, fails its test at the end.
    """
    contexts: list[BrowserContext] = []
    troubles: list[str] = []

    def make(**options: object) -> Page:
        context = chromium.new_context(**{"locale": "en-US", **options})  # type: ignore[arg-type]
        context.set_default_timeout(10_000)
        context.route("**/*", _own_server_only)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        return page

    yield make
    for context in contexts:
        context.close()
    assert not troubles


def _own_server_only(route: Route) -> None:
    if route.request.url.startswith(("http://localhost:", "http://127.0.0.1:")):
        route.continue_()
    else:
        route.abort()
