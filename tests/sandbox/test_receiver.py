"""The demo receiver, since fault tests take its word: it refuses forgeries, counts doubles, and fails when told to."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from integrations.sandbox.receiver import Receiver, main
from tests.integrations.deliveries import OLD_SECRET, SECRET
from tests.processes import ROOT

BODY = b'{"type": "order.paid", "data": {"number": "<b>7</b>"}}'


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with Receiver(port=0, state_dir=tmp_path, secrets=[SECRET, OLD_SECRET]) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.store.close()


def call(
    receiver: Receiver, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", int(receiver.url.rpartition(":")[2]), timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


def signed(key: str = "msg_1", *, secret: str = SECRET, age_seconds: int = 0) -> dict[str, str]:
    moment = datetime.now(tz=UTC) - timedelta(seconds=age_seconds)
    return {
        "webhook-id": key,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Webhook(secret).sign(key, moment, BODY.decode()),
    }


def test_doubles_are_one_message_with_two_receipts(receiver: Receiver) -> None:
    for secret in (SECRET, OLD_SECRET):
        assert call(receiver, "POST", "/", BODY, signed(secret=secret))[0] == 204
    assert call(receiver, "POST", "/", BODY, signed("msg_2"))[0] == 204

    report = json.loads(call(receiver, "GET", "/received")[2])
    assert [(kept["id"], kept["type"], kept["receipts"]) for kept in report["messages"]] == [
        ("msg_1", "order.paid", 2),
        ("msg_2", "order.paid", 1),
    ]
    assert call(receiver, "GET", "/received/msg_1")[0] == 200
    assert call(receiver, "GET", "/received/msg_9")[0] == 404


@pytest.mark.parametrize(
    "forge",  # signed when the test runs, which may be long after it was collected
    [
        dict,
        lambda: {**signed(), "webhook-id": "msg_other"},
        lambda: {**signed(), "webhook-signature": "v1,AAAA"},
        lambda: {**signed(), "webhook-signature": "nonsense"},
        lambda: {**signed(), "webhook-signature": "v1,é"},
        lambda: signed(secret="whsec_c29tZW9uZSBlbHNl"),
        lambda: signed(age_seconds=600),
        lambda: signed(age_seconds=-600),
    ],
)
def test_forgeries_are_refused_and_counted(receiver: Receiver, forge: Callable[[], dict[str, str]]) -> None:
    headers = forge()
    sent = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    assert call(receiver, "POST", "/", BODY, sent)[0] == 401
    report = receiver.store.report()
    assert (report["messages"], report["receipts"], len(report["refused"])) == ([], [], 1)


@pytest.mark.parametrize("keep", [False, True])
def test_it_fails_as_often_as_told(receiver: Receiver, keep: bool) -> None:
    fault = {"mode": "429", "retry_after": "7", "times": 2, "keep": keep}
    assert call(receiver, "POST", "/control", json.dumps(fault).encode())[0] == 204
    answers = [call(receiver, "POST", "/", BODY, signed()) for _ in range(3)]
    assert [(status, headers.get("Retry-After")) for status, headers, _ in answers] == [
        (429, "7"),
        (429, "7"),
        (204, None),
    ]
    assert receiver.store.report()["messages"][0]["receipts"] == (3 if keep else 1)


def test_it_fails_until_told_otherwise(receiver: Receiver) -> None:
    call(receiver, "POST", "/control", b'{"mode": "redirect"}')
    for _ in range(2):
        status, headers, _ = call(receiver, "POST", "/", BODY, signed())
        assert (status, headers["Location"]) == (302, "/elsewhere")
    call(receiver, "POST", "/control", b'{"mode": "ok"}')
    assert call(receiver, "POST", "/", BODY, signed())[0] == 204


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"mode": "explode"}', b'{"mode": "200"}', b'{"mode": "500", "times": 0}', b'{"x": 1}']
)
def test_a_control_message_it_does_not_understand_is_refused(receiver: Receiver, body: bytes) -> None:
    assert call(receiver, "POST", "/control", body)[0] == 400


def test_the_page_shows_it_to_people_escaped(receiver: Receiver) -> None:
    call(receiver, "POST", "/", BODY, signed())
    status, headers, page = call(receiver, "GET", "/")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b"1 messages, 1 arrivals, 0 refused" in page
    assert b"&lt;b&gt;7&lt;/b&gt;" in page


def test_it_refuses_to_start_in_production(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("ENVIRONMENT", "production")
    assert main(["--state-dir", str(tmp_path), "--secret", SECRET]) == 2
    assert "production" in capsys.readouterr().err


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_x"])
def test_it_refuses_a_secret_that_proves_nothing(tmp_path: Path, capsys: Any, secret: str) -> None:
    assert main(["--state-dir", str(tmp_path), "--secret", secret]) == 2
    assert "cannot start" in capsys.readouterr().err


@pytest.mark.slow
def test_it_stops_with_its_parent(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "integrations.sandbox.receiver", "--exit-with-stdin", "--secret", SECRET]
    with subprocess.Popen(
        [*command, "--state-dir", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "ENVIRONMENT": "demo"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["url"].startswith("http://127.0.0.1:")
        process.stdin.close()
        assert process.wait(timeout=20) == 0
