"""The one Chromium of a test run. Playwright starts once in a process, so nobody else starts it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tools.chromium import HEADLESS, find

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ARGUMENTS = ["--disable-gpu", "--disable-quic"]
"""Beside Playwright's own, `--no-sandbox` among them: tests may run as root in a container, and open our pages only."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; without a Chromium they are skipped, and `make test` says how to get it."""
    from playwright.sync_api import sync_playwright  # the tests without a browser do not wait for its import

    program = find()
    if program is None:
        pytest.skip(f"there is no Chromium here: apt install {HEADLESS}")
    # Playwright's loop runs in this thread, where Django would take each query for one from a coroutine.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
