"""A shop with a scripted provider whose lists are read."""

from __future__ import annotations

import pytest

from tests.fake_provider import FakeProvider
from tests.reconciliation.books import Books


@pytest.fixture
def books(fake: FakeProvider, db: None, monkeypatch: pytest.MonkeyPatch) -> Books:
    """Orders paid at the scripted provider, some known here and some not."""
    from integrations import providers

    monkeypatch.setattr(providers, "enabled", lambda: ("stripe",))
    return Books(fake)
