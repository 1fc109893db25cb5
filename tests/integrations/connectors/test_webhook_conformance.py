"""The signed webhook against the connectors' kit: a receiver that takes a key twice as one, and one that is asked."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from integrations.sandbox.receiver import Receiver
from tests.conformance.connectors import ConnectorKit, Stand
from tests.integrations.deliveries import SECRET


class _WebhookKit(ConnectorKit):
    kind = "webhook"
    secret = SECRET
    effects = {"effects": 1}

    def count(self, server: Receiver) -> int:
        """Return how often the receiver acted."""
        return len(server.store.report()["messages"])

    @contextmanager
    def stand(self) -> Iterator[Stand]:
        with tempfile.TemporaryDirectory() as directory:
            with Receiver(port=0, state_dir=Path(directory), secrets=[SECRET]) as server:
                threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
                yield Stand(server.url, lambda: {"effects": self.count(server)})
                server.stopping.set()
                server.shutdown()
            server.store.close()


class TestIdempotent(_WebhookKit):
    fields = {"idempotent": True}


class TestAsked(_WebhookKit):
    fields = {"lookup_address": "/received"}
    asked_only = True

    def count(self, server: Receiver) -> int:
        """Return how often it came: this receiver is taken to act each time."""
        return sum(message["receipts"] for message in server.store.report()["messages"])
