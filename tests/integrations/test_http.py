"""The one outbound client: it stops when it must, and tells no secrets."""

from __future__ import annotations

import datetime as dt
import gzip
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.db import connection, transaction

from integrations import http, http_connections
from integrations.http import OutboundFailed, OutboundRefused, OutboundTimeout, TransactionOpen
from integrations.http_session import GuardedSession
from tests.integrations.servers import SOON_SECONDS, get, plain, saying, serving


class TestAnswers:
    def test_status_headers_and_body_come_back_as_they_are(self) -> None:
        body = b'{"ok":true}'
        with serving(saying(plain(body, status="202 Accepted", extra="X-Kind: a\r\nX-Kind: b\r\n"))) as server:
            answer = http.send(
                "POST",
                server.url("/in?x=1"),
                headers={"Content-Type": "application/json"},
                body=b"{}",
                deadline_seconds=5,
                allow_loopback=True,
            )
        assert (answer.status, answer.body, answer.headers["x-kind"]) == (202, body, "a, b")
        [request] = server.requests
        assert request.startswith(b"POST /in?x=1 HTTP/1.1\r\n")
        assert b"\r\nContent-Length: 2\r\n" in request
        assert request.endswith(b"\r\n\r\n{}")

    def test_a_redirect_is_an_answer(self) -> None:
        with serving(saying(plain(b"", status="302 Found", extra="Location: http://169.254.169.254/\r\n"))) as server:
            assert get(server.url()).status == 302
        assert len(server.requests) == 1

    def test_proxies_of_the_environment_are_not_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        with serving(saying(plain(b"direct"))) as server:
            assert get(server.url()).body == b"direct"

    def test_an_unasked_compression_is_not_expanded(self) -> None:
        bomb = gzip.compress(b"0" * 10_000_000)
        with serving(saying(plain(bomb, extra="Content-Encoding: gzip\r\n"))) as server:
            assert get(server.url()).body == bomb


class TestLimits:
    def test_a_body_beyond_the_cap_is_no_answer(self) -> None:
        with serving(saying(plain(b"x" * 2000))) as server, pytest.raises(OutboundFailed, match="larger than 1999"):
            get(server.url(), max_body_bytes=1999)

    def test_an_endless_body_ends_at_the_cap(self) -> None:
        def endless(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

        with serving(endless) as server, pytest.raises(OutboundFailed, match="larger"):
            get(server.url())

    def test_headers_beyond_the_cap_are_no_answer(self) -> None:
        extra = "".join(f"X-{n}: {'y' * 20000}\r\n" for n in range(4))
        with serving(saying(plain(b"", extra=extra))) as server, pytest.raises(OutboundFailed, match="headers"):
            get(server.url())

    @pytest.mark.parametrize("where", ["head", "body"])
    def test_a_dripping_server_is_cut_off_at_the_total_deadline(self, where: str) -> None:
        def drip(connection: socket.socket) -> None:
            if where == "body":
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" * 12:
                connection.sendall(bytes([byte]))
                time.sleep(0.05)

        started = time.monotonic()
        with serving(drip) as server, pytest.raises(OutboundTimeout):
            get(server.url(), seconds=0.4)
        assert time.monotonic() - started < SOON_SECONDS

    def test_a_receiver_that_does_not_read_is_cut_off_too(self) -> None:
        started = time.monotonic()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url, body = f"http://127.0.0.1:{listener.getsockname()[1]}/", b"x" * 50_000_000
            with pytest.raises(OutboundTimeout):
                http.send("POST", url, headers={}, body=body, deadline_seconds=0.4, allow_loopback=True)
        assert time.monotonic() - started < SOON_SECONDS

    def test_a_slow_resolver_is_cut_off_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: time.sleep(20))
        started = time.monotonic()
        with pytest.raises(OutboundTimeout):
            http.send("GET", "https://slow.example/", headers={}, deadline_seconds=0.3)
        assert time.monotonic() - started < SOON_SECONDS

    def test_an_inner_deadline_never_extends_the_outer_one(self) -> None:
        with http.total_deadline(0.5), http.total_deadline(60):
            left = http.remaining_seconds()
        assert left is not None
        assert left <= 0.5

    @pytest.mark.parametrize(
        "answer",
        [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", b"SSH-2.0-OpenSSH\r\n\r\n", b"\x00" * 100],
        ids=["hang-up", "half a body", "other protocol", "garbage"],
    )
    def test_what_is_no_http_answer_fails(self, answer: bytes) -> None:
        with serving(saying(answer)) as server, pytest.raises(OutboundFailed):
            get(server.url())

    def test_nobody_listening_fails(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(OutboundFailed):
            get(f"http://127.0.0.1:{port}/")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Callable[..., ssl.SSLContext]]:
    """A certificate authority of the tests' own, and a maker of server contexts for a host name."""
    folder = tmp_path_factory.mktemp("ca")
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tests")])

    def certificate(subject: x509.Name, key: Any, *, name: str | None) -> x509.Certificate:
        today = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - dt.timedelta(days=1))
            .not_valid_after(today + dt.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=name is None, path_length=None), critical=True)
        )
        if name is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return builder.sign(ca_key, hashes.SHA256())

    ca_file = folder / "ca.pem"
    ca_file.write_bytes(certificate(ca_name, ca_key, name=None).public_bytes(serialization.Encoding.PEM))

    def server_context(host: str, *, maximum: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = certificate(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)]), key, name=host)
        pem = folder / f"{host}.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + leaf.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        if maximum is not None:
            context.minimum_version = context.maximum_version = maximum
        return context

    return ca_file, server_context


class TestTls:
    @pytest.fixture(autouse=True)
    def names_on_loopback(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: real("127.0.0.1", *a, **k))
        http_connections.tls_context.cache_clear()
        yield
        http_connections.tls_context.cache_clear()

    def test_a_trusted_certificate_for_the_host_is_accepted(self, authority: Any) -> None:
        ca_file, server_context = authority
        http_connections.tls_context().load_verify_locations(ca_file)
        with serving(saying(plain(b"secret")), tls=server_context("shop.example")) as server:
            assert get(server.url(scheme="https", host="shop.example")).body == b"secret"

    def test_the_certificate_is_held_against_the_name_not_the_address(self, authority: Any) -> None:
        ca_file, server_context = authority
        http_connections.tls_context().load_verify_locations(ca_file)
        with serving(saying(plain(b"secret")), tls=server_context("evil.example")) as server:
            with pytest.raises(OutboundFailed):
                get(server.url(scheme="https", host="shop.example"))
            assert server.requests == []

    def test_an_unknown_authority_is_refused(self, authority: Any) -> None:
        _, server_context = authority
        with serving(saying(plain(b"secret")), tls=server_context("shop.example")) as server:
            with pytest.raises(OutboundFailed):
                get(server.url(scheme="https", host="shop.example"))
            with pytest.raises(OSError, match="certificate verify failed"):
                GuardedSession(allow_loopback=True).get(
                    server.url(scheme="https", host="shop.example"), verify=False, timeout=5
                )
            assert server.requests == []

    def test_nothing_older_than_tls_1_2(self) -> None:
        assert http_connections.tls_context().minimum_version == ssl.TLSVersion.TLSv1_2
        assert http_connections.tls_context().check_hostname

    def test_a_dripping_tls_server_is_cut_off(self, authority: Any) -> None:
        ca_file, server_context = authority
        http_connections.tls_context().load_verify_locations(ca_file)

        def drip(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n")
            for _ in range(400):
                connection.sendall(b"x")
                time.sleep(0.05)

        started = time.monotonic()
        with serving(drip, tls=server_context("shop.example")) as server, pytest.raises(OutboundTimeout):
            get(server.url(scheme="https", host="shop.example"), seconds=0.5)
        assert time.monotonic() - started < SOON_SECONDS

    def test_a_server_silent_in_the_handshake_is_cut_off(self) -> None:
        started = time.monotonic()
        with serving(lambda connection: time.sleep(20)) as server, pytest.raises(OutboundTimeout):
            get(server.url(scheme="https", host="shop.example"), seconds=0.3)
        assert time.monotonic() - started < SOON_SECONDS


class TestOpenTransactions:
    @pytest.mark.django_db(transaction=True)
    def test_nothing_is_sent_inside_a_transaction(self) -> None:
        with serving(saying(plain(b"ok"))) as server:
            with transaction.atomic(), pytest.raises(TransactionOpen):
                get(server.url())
            with transaction.atomic(), pytest.raises(TransactionOpen):
                GuardedSession(allow_loopback=True).get(server.url(), timeout=5)
            assert server.requests == []
            assert get(server.url()).body == b"ok"

    @pytest.mark.django_db(transaction=True)
    def test_autocommit_switched_off_by_hand_counts_as_a_transaction(self) -> None:
        connection.ensure_connection()
        connection.set_autocommit(False)
        try:
            with pytest.raises(TransactionOpen):
                http.refuse_open_transaction()
        finally:
            connection.rollback()
            connection.set_autocommit(True)
        http.refuse_open_transaction()

    @pytest.mark.django_db
    def test_the_transaction_around_a_test_does_not_count_but_one_inside_it_does(self) -> None:
        http.refuse_open_transaction()
        with transaction.atomic(), pytest.raises(TransactionOpen):
            http.refuse_open_transaction()

    @pytest.mark.django_db(transaction=True)
    def test_another_threads_transaction_is_its_own_affair(self) -> None:
        failures: list[BaseException] = []

        def elsewhere() -> None:
            try:
                http.refuse_open_transaction()
            except BaseException as error:  # noqa: BLE001
                failures.append(error)

        with transaction.atomic():
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
        assert failures == []


class TestLogs:
    def test_one_line_a_call_without_path_query_or_header(self) -> None:
        with serving(saying(plain(b"", status="503 Away"))) as server, structlog.testing.capture_logs() as lines:
            http.send(
                "POST",
                server.url("/services/T000/hook-secret?token=query-secret"),
                headers={"Authorization": "Bearer header-secret"},
                body=b"body-secret",
                deadline_seconds=5,
                allow_loopback=True,
            )
        [line] = lines
        assert (line["event"], line["outcome"], line["status"]) == ("outbound_call", "answered", 503)
        assert line["target"] == f"http://127.0.0.1:{server.port}"
        assert "secret" not in repr(line)

    def test_a_refusal_is_a_line_too(self) -> None:
        with structlog.testing.capture_logs() as lines, pytest.raises(OutboundRefused):
            http.send("GET", "https://user:hidden@example.org/", headers={}, deadline_seconds=1)
        assert [line["outcome"] for line in lines] == ["refused"]
        assert "hidden" not in repr(lines)

    def test_headers_are_hidden_unless_known_harmless(self) -> None:
        shown = http.redact_headers({"Authorization": "Bearer x", "Retry-After": "3", "X-Api-Key": "y"})
        assert shown == {"Authorization": "[hidden]", "Retry-After": "3", "X-Api-Key": "[hidden]"}
