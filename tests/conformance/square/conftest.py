"""The sandbox that the Square adapter is held against, and the adapter behind its guard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integrations.guard import GuardedProvider
from integrations.sandbox.square_control import SquareControl
from tests.conformance.square import adapter, running
from tests.sandbox.process import SandboxProcess


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """A running Square sandbox that delivers no webhooks."""
    yield from running(tmp_path_factory.mktemp("square"))


@pytest.fixture
def square(process: SandboxProcess) -> SquareControl:
    control = SquareControl(process.url)
    control.reset()
    control.hold_refunds(hold=False)
    control.enable_events(enabled=False)
    return control


@pytest.fixture
def provider(process: SandboxProcess, square: SquareControl) -> GuardedProvider:
    return GuardedProvider(adapter(process.url))
