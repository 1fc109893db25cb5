"""The example of docs/connectors.md: a kind of somebody's own, held by the kit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from integrations.connectors import CONNECTORS
from tests.conformance import opensearch
from tests.conformance.connectors import ConnectorKit, Stand
from tests.receivers.server import Answer, Asked, serving

KEY = "TlNTY3MjBhdGVzdA=="  # pragma: allowlist secret


class OpenSearch:
    """A stand-in: one index, documents by id."""

    def __init__(self) -> None:
        self.documents: dict[str, Any] = {}

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"ApiKey {KEY}":
            return Answer(401, {"error": "Unauthorized"})
        found = re.fullmatch(r"/facts/_doc/(\w+)", asked.path)
        if found is None:
            return Answer(400, {"error": "no handler found"})
        known = found[1] in self.documents
        if asked.method == "GET":
            return Answer(200 if known else 404, {"_index": "facts", "_id": found[1], "found": known})
        self.documents[found[1]] = asked.json()
        return Answer(200 if known else 201, {"_id": found[1], "result": "updated" if known else "created"})


class TestConformance(ConnectorKit):
    kind = "webhook"  # yours is the value that you added to DestinationKind
    secret = KEY
    options = {"index": "facts"}
    fields = {"idempotent": True}  # a webhook must say so; a kind of yours need not
    effects = {"documents": 1}

    @pytest.fixture(autouse=True)
    def connected(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(CONNECTORS, "webhook", opensearch.OpenSearchConnector())

    @contextmanager
    def stand(self) -> Iterator[Stand]:
        api = OpenSearch()
        with serving(api) as url:
            yield Stand(url, lambda: {"documents": len(api.documents)})


def test_the_page_shows_this_very_connector_and_it_is_short() -> None:
    page = (Path(__file__).parents[2] / "docs" / "connectors.md").read_text(encoding="utf-8")
    source = Path(opensearch.__file__).read_text(encoding="utf-8")
    assert f"```python\n{source}```" in page
    assert len(source.splitlines()) < 100
