"""What SDKs get instead of their own HTTP client: the same limits, and nothing of the environment."""

from __future__ import annotations

import gzip
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from integrations import http
from integrations.http import OutboundFailed, OutboundRefused
from integrations.http_session import GuardedSession
from tests.integrations.servers import SOON_SECONDS, plain, saying, serving


class TestSession:
    """What SDKs get instead of their own HTTP client."""

    def test_connections_are_kept_and_answers_read_whole(self) -> None:
        def twice(connection: socket.socket) -> None:
            answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b\r\n\r\nok"
            connection.sendall(answer)
            assert connection.recv(65536).startswith(b"GET /2")
            connection.sendall(answer)

        with serving(twice) as server:
            session = GuardedSession(allow_loopback=True)
            assert session.get(server.url("/1"), timeout=5).content == b"ok"
            assert session.get(server.url("/2"), timeout=5).content == b"ok"
            session.close()
        assert len(server.requests) == 1
        assert not session.cookies

    def test_redirects_are_answers(self) -> None:
        with serving(saying(plain(b"", status="307 Go", extra="Location: http://127.0.0.1:9/\r\n"))) as server:
            assert GuardedSession(allow_loopback=True).post(server.url(), data="x", timeout=5).status_code == 307
        assert len(server.requests) == 1

    def test_the_deadline_holds_against_a_drip(self) -> None:
        def drip(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
            for _ in range(400):
                connection.sendall(b"x")
                time.sleep(0.05)

        started = time.monotonic()
        with (
            serving(drip) as server,
            http.total_deadline(0.4),
            pytest.raises(Exception, match=r"timed out|deadline|in time"),
        ):
            GuardedSession(allow_loopback=True).get(server.url(), timeout=(3, 20))
        assert time.monotonic() - started < SOON_SECONDS

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_the_deadline_holds_while_connecting_and_sending_too(self, scheme: str) -> None:
        """Against a server that accepts and then does nothing: no handshake, no reading."""
        started = time.monotonic()
        with socket.create_server(("127.0.0.1", 0)) as listener, http.total_deadline(0.4):
            url = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/"
            with pytest.raises(OSError, match=r"timed out|deadline|in time"):
                GuardedSession(allow_loopback=True).post(url, data=b"x" * 50_000_000, timeout=(3, 3))
        assert time.monotonic() - started < SOON_SECONDS

    def test_nothing_of_the_environment_is_used(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
        monkeypatch.setenv("NETRC", str(netrc))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        with serving(saying(plain(b"direct"))) as server:
            assert GuardedSession(allow_loopback=True).get(server.url(), timeout=5).content == b"direct"
        assert b"authorization" not in server.requests[0].lower()

    def test_a_gzip_bomb_stops_at_the_cap(self) -> None:
        bomb = gzip.compress(b"0" * 100_000_000)
        with (
            serving(saying(plain(bomb, extra="Content-Encoding: gzip\r\n"))) as server,
            pytest.raises(OutboundFailed, match="larger"),
        ):
            GuardedSession(allow_loopback=True).get(server.url(), timeout=20)

    def test_private_addresses_are_refused(self) -> None:
        with serving(saying(plain(b""))) as server, pytest.raises(OutboundRefused):
            GuardedSession(allow_loopback=False).get(server.url(), timeout=5)
        assert server.requests == []

    def test_production_gets_no_loopback_session(self, settings: Any) -> None:
        settings.ENVIRONMENT = "production"
        with pytest.raises(OutboundRefused):
            GuardedSession(allow_loopback=True)
