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
    effects = {"messages": 1}

    @contextmanager
    def stand(self) -> Iterator[Stand]:
        with tempfile.TemporaryDirectory() as directory:
            with Receiver(port=0, state_dir=Path(directory), secrets=[SECRET]) as server:
                threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
                yield Stand(server.url, lambda: {"messages": len(server.store.report()["messages"])})
                server.stopping.set()
                server.shutdown()
            server.store.close()


class TestIdempotent(_WebhookKit):
    fields = {"idempotent": True}


class TestAsked(_WebhookKit):
    fields = {"lookup_address": "/received"}
