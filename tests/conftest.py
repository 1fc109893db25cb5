"""What every test stands on: a real PostgreSQL, migrated and emptied by its owner, used as the application's role."""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import hypothesis
import pytest
import pytest_django
from django.db import connections

from integrations import credentials_in_use, decryptions
from orders.models import Order
from tests.chromium import chromium
from tests.conformance.option import pytest_addoption, pytest_sessionstart, pytest_terminal_summary
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.flushing import Flusher
from tests.side_by_side import Sharing, longest_first

__all__ = ["chromium", "pytest_addoption", "pytest_sessionstart", "pytest_terminal_summary"]

# How long one example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile("shop", deadline=None)
hypothesis.settings.load_profile("shop")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: pytest_django.DjangoDbBlocker
) -> None:
    """Start the embedded server, where DATABASE_URL names none, before the test database is made: one a worker, each a
    copy of one that is migrated once (tests/template_database.py)."""
    from django.conf import settings

    from config.postgres import ensure_running
    from tests import template_database

    ensure_running(settings.BASE_DIR)
    with django_db_blocker.unblock():
        connections["owner"].settings_dict["TEST"]["TEMPLATE"] = template_database.ready()


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: pytest_django.DjangoDbBlocker
) -> Iterator[None]:
    """Let the owner empty append-only tables between tests; nobody else ever can (orders/migrations/0002)."""
    owner = connections["owner"]
    owner.settings_dict["OPTIONS"] = {
        **owner.settings_dict.get("OPTIONS", {}),
        "options": "-c shop.allow_truncate=on",
    }
    with django_db_blocker.unblock():
        if "bench" not in request.config.getoption("markexpr").split():
            _let_commits_not_wait_for_the_disk()
        owner.close()
        flusher = Flusher()
    with flusher.in_place_of_djangos():
        yield
    # pytest-django leaves the mirror's connection open, and the owner could not drop the database under it.
    with django_db_blocker.unblock():
        connections.close_all()


def _let_commits_not_wait_for_the_disk() -> None:
    """A commit in this database counts at once and may be lost with the server, which no test of this database kills:
    those have a server of their own. Benchmarks wait, as production does."""
    with connections["owner"].cursor() as cursor:
        name = connections["owner"].settings_dict["NAME"]
        cursor.execute(f"ALTER DATABASE {connections['owner'].ops.quote_name(name)} SET synchronous_commit = off")
    connections.close_all()


def pytest_configure(config: pytest.Config) -> None:
    """Let a worker of pytest-xdist go by the same name as pytest itself: audit rows say which command acted."""
    if hasattr(config, "workerinput"):
        sys.argv[0] = "pytest"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing | None:
    """Share the tests of `make test` out."""
    return Sharing(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without the garbage collector, and let it never walk through what is collected: that stays to the end.

    It took a third of the time that collecting takes, and half a second of a test now and then.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every database test both connections, so that flushing goes through the owner."""
    longest_first(items)
    for item in items:
        if item.get_closest_marker("django_db") is None and "db" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.django_db)  # asked for by fixture; a run of such tests alone needs both too
        for marker in item.iter_markers("django_db"):
            marker.kwargs.update({"databases": ["default", "owner"]})  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def like_a_new_process(request: pytest.FixtureRequest) -> None:
    """Forget what rows of an earlier test have told this process; without a database there are no integration keys."""
    decryptions._covered.clear()
    credentials_in_use.forget()
    with_database = {"db", "transactional_db"} & set(request.fixturenames)
    if not with_database and request.node.get_closest_marker("django_db") is None:
        known = credentials_in_use._known
        known.in_use, known.asked_at = credentials_in_use.InUse(values={}, unreadable={}, revoked={}), math.inf


@pytest.fixture
def now() -> datetime:
    """A fixed moment, for code that takes its clock as an argument."""
    return datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """A scripted provider in the place of Stripe."""
    from integrations import providers

    provider = FakeProvider()
    monkeypatch.setattr(providers, "get", lambda name: provider)
    monkeypatch.setattr(providers, "enabled", lambda: ("stripe", "other"))
    return provider


@pytest.fixture
def order(db: None, now: datetime) -> Order:
    """A placed order of 20.00 EUR."""
    return make_order(now=now)
