"""One sandbox process for all tests that only talk to it, emptied before each; a fresh receiver for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stripe

from integrations.sandbox.control import SandboxControl
from tests.sandbox.process import WEBHOOK_SECRET, Receiver, SandboxProcess


@pytest.fixture(scope="session")
def shared_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """The process that most tests share. Its stderr must stay empty."""
    process = SandboxProcess(tmp_path_factory.mktemp("sandbox"), webhook_url="http://127.0.0.1:9/none").start()
    yield process
    assert process.stop() == ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook endpoint of this test's own."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def sandbox(shared_process: SandboxProcess, receiver: Receiver) -> SandboxProcess:
    """The shared process, empty, sending to this test's receiver."""
    shared_process.control.reset()
    shared_process.control.set_webhook(url=receiver.url, secrets=[WEBHOOK_SECRET], retry_seconds=[0.05, 0.1])
    return shared_process


@pytest.fixture
def control(sandbox: SandboxProcess) -> SandboxControl:
    """The sandbox's control API."""
    return sandbox.control


@pytest.fixture
def client(sandbox: SandboxProcess) -> stripe.StripeClient:
    """The official SDK, aimed at the sandbox, without retries of its own."""
    return sandbox.client()


@pytest.fixture
def own_process(tmp_path: Path, receiver: Receiver) -> Iterator[SandboxProcess]:
    """A process of this test's own, to be killed and started again."""
    process = SandboxProcess(tmp_path / "state", webhook_url=receiver.url).start()
    yield process
    process.stop()
