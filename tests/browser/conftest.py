"""Visitors with a real Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Frame, Page, Route, expect


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder, so that nothing here runs in the quick part."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


expect.set_options(timeout=15_000)  # whoever watches would wait as long on a machine that does other things as well

Visitor = Callable[..., Page]
_CONTEXTS = pytest.StashKey[list[BrowserContext]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failure, tell what its visitors saw: the words in each frame of their pages."""
    report = yield
    if report.when == "call" and report.failed:
        for context in item.stash.get(_CONTEXTS, []):
            report.sections += [
                (f"Seen at {frame.url}", _words(frame)) for page in context.pages for frame in page.frames
            ]
    return report


def _words(frame: Frame) -> str:
    try:
        return frame.locator("body").inner_text(timeout=1_000)
    except Error as error:
        return str(error)


@pytest.fixture
def visitor(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[Visitor]:
    """Return a maker of visitors: a fresh profile each, at most our own servers within reach, errors gathered.

    Keyword arguments are Playwright's for a context: `color_scheme`, `viewport`, `java_script_enabled`, `locale` …
    A page that logged an error, a refusal of the content security policy among them, or that asked another host for
    anything, fails its test at the end.
    """
    contexts = request.node.stash.setdefault(_CONTEXTS, [])
    troubles: list[str] = []

    def own_servers_only(route: Route) -> None:
        if route.request.url.startswith(("http://localhost:", "http://127.0.0.1:")):
            route.continue_()
        else:
            troubles.append(f"asked for {route.request.url}")
            route.abort()

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error" and not _is_declined_at_the_provider(message):
            troubles.append(f"{message.text} ({message.location.get('url', '')})")

    def make(**options: object) -> Page:
        context = chromium.new_context(**{"locale": "en-US", **options})  # type: ignore[arg-type]
        context.set_default_timeout(10_000)
        context.route("**/*", own_servers_only)
        context.on("console", hear)
        context.on("weberror", lambda error: troubles.append(str(error.error)))
        contexts.append(context)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()
    assert not troubles


def _is_declined_at_the_provider(message: ConsoleMessage) -> bool:
    """Whether Chromium only repeats that a provider's page says 402, which is a page like others to a person.

    Stripe's is /c/pay/<id>, Square's /pay/<id>; our own addresses end with a slash.
    """
    return "status of 402" in message.text and re.search(r"/pay/[^/]+$", message.location.get("url", "")) is not None
