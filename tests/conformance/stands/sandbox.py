"""What the stands of our own sandboxes share: the process, its faults, clock and journal, a receiver of webhooks."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from integrations.sandbox.control import SandboxControl
from tests.conformance.stand import Fault, Signed, Stand
from tests.sandbox.process import Receiver, SandboxProcess

FAULTS: Mapping[Fault, Mapping[str, Any]] = {
    Fault.LOST: {"kind": "drop", "after": True},
    Fault.HTML_502: {"kind": "html_502", "after": True},
    Fault.HALF_BODY: {"kind": "half_body"},
    Fault.TRUNCATED: {"kind": "truncated_json"},
    Fault.BROKEN: {"kind": "server_error"},
    Fault.BUSY: {"kind": "rate_limit"},
    Fault.SLOW: {"kind": "delay"},
}
WAIT_SECONDS = 20


class SandboxStand(Stand):
    """`paths`: the request (method, path prefix) by which each verb changes or asks something.

    `sandbox`: the name of the sandbox, where it is not the stand's.
    """

    sandbox: ClassVar[str] = ""
    paths: ClassVar[Mapping[str, tuple[str | None, str]]] = {}
    arguments: ClassVar[tuple[str, ...]] = ()

    def open(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._receiver = Receiver()
        self._taken = self._last_request = self._requests = 0
        self.process = SandboxProcess(
            state_dir=Path(self._folder.name),
            webhook_url=self._receiver.url,
            webhook_secret=self.secrets[0],
            provider=self.sandbox or self.name,
            arguments=self.arguments,
        ).start()

    def close(self) -> None:
        said = self.process.stop()
        self._receiver.close()
        self._folder.cleanup()
        assert said == "", f"the sandbox wrote to stderr: {said}"

    def calm(self) -> None:
        self.control.clear_faults()
        self.control.configure(list_lag_seconds=0, balance_delay_seconds=0)
        self.control.set_clock(offset_seconds=0)

    def empty(self) -> None:
        self.control.reset()
        self._last_request = 0

    @property
    def control(self) -> SandboxControl:
        return self.process.control

    def lag(self, *, seconds: int) -> None:
        self.control.configure(list_lag_seconds=seconds)

    def spoil(self, verb: str, fault: Fault, *, seconds: float = 0.0) -> None:
        method, path_prefix = self.paths[verb]
        self.control.fault(**FAULTS[fault], method=method, path_prefix=path_prefix, seconds=seconds)

    def requests(self) -> int:
        fresh = self.control.requests(after_id=self._last_request)
        self._last_request = fresh[-1].id if fresh else self._last_request
        self._requests += len(fresh)
        return self._requests

    def notifications(self) -> Sequence[Signed]:
        deadline = time.monotonic() + WAIT_SECONDS
        while self.control.health()["webhooks_queued"]:
            assert time.monotonic() < deadline, "the sandbox does not get rid of its webhooks"
            time.sleep(0.02)
        fresh = self._receiver.received[self._taken :]
        self._taken += len(fresh)
        return [Signed(headers=received.headers, body=received.body) for received in fresh]
