"""What every test stands on: a real PostgreSQL, migrated and emptied by its owner, used as the application's role."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.db import connections


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Start the embedded server, where DATABASE_URL names none, before the test database is made."""
    from django.conf import settings

    from config.postgres import ensure_running

    ensure_running(settings.BASE_DIR)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: object) -> Iterator[None]:
    """Let the owner empty append-only tables between tests; nobody else ever can (orders/migrations/0002)."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        owner = connections["owner"]
        with owner.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{owner.settings_dict["NAME"]}" SET shop.allow_truncate = \'on\'')
        owner.close()
    yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every database test both connections, so that flushing goes through the owner."""
    for item in items:
        for marker in item.iter_markers("django_db"):
            marker.kwargs.setdefault("databases", ["default", "owner"])


@pytest.fixture
def now() -> datetime:
    """A fixed moment, for code that takes its clock as an argument."""
    return datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
