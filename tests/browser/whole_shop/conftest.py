"""The whole shop as its processes, which all tests of this folder share."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from config import postgres
from tests.browser.whole_shop.whole import WholeShop
from tests.demo.running import Running, copy_checkout, wait_until_none_runs


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything in this folder: whoever comes first waits for two dozen processes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def whole_shop(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeShop]:
    """The demo in a copy of the checkout: web server, three clusters, tick, sandbox, receiver, a database of its own.

    All tests share it; each makes an order of its own.
    """
    copy = tmp_path_factory.mktemp("shop")
    copy_checkout(copy)
    try:
        running = Running(copy)
        try:
            yield WholeShop(running)
        finally:
            code = running.end(signal.SIGINT)
        assert code == 0, running.said()
        wait_until_none_runs(copy)
    finally:
        postgres.remove(copy)


@pytest.fixture
def shop(whole_shop: WholeShop) -> Iterator[WholeShop]:
    """The whole shop, with the provider well and its webhooks on their way, before and after."""
    yield whole_shop
    whole_shop.provider.clear_faults()
    whole_shop.provider.clear_webhook_rules()
