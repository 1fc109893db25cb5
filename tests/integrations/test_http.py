"""The one outbound client: it goes only where it may, stops when it must, and tells no secrets."""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import ipaddress
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
from django.test import override_settings

from integrations import http, http_connections
from integrations.addresses import Endpoint, is_public, permitted, resolve
from integrations.http import OutboundFailed, OutboundRefused, OutboundTimeout, TransactionOpen
from integrations.http_session import GuardedSession
from tests.integrations.servers import plain, saying, serving

# Deadlines below are under a second, the misbehaving servers go on for twenty; between them, room for a busy machine.
SOON_SECONDS = 6


def get(url: str, *, seconds: float = 5.0, **options: Any) -> http.HttpAnswer:
    return http.send("GET", url, headers={}, deadline_seconds=seconds, allow_loopback=True, **options)


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


PRIVATE = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 127.0.0.1 127.255.255.254 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8
192.0.2.1 192.88.99.1 192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.9 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255 :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808
64:ff9b:1::1 100::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 2002:7f00:1:: 2002:808:808::1 3fff::1
4000::1 5f00::1 fc00::1 fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1
""".split()
PUBLIC = "8.8.8.8 1.1.1.1 54.187.174.169 2606:4700:4700::1111 2a00:1450:4001:80b::200e 2001:4860:4860::8888".split()


def endpoint(address: str, port: int = 443) -> Endpoint:
    if ":" in address:
        return Endpoint(socket.AF_INET6, (address, port, 0, 0))
    return Endpoint(socket.AF_INET, (address, port))


class TestAddresses:
    @pytest.mark.parametrize("address", PRIVATE)
    def test_addresses_that_are_nobodys_server_are_refused(self, address: str) -> None:
        assert not is_public(ipaddress.ip_address(address))
        with pytest.raises(OutboundRefused):
            permitted("h", (endpoint(address),), scheme="https", allow_loopback=False)

    @pytest.mark.parametrize("address", PUBLIC)
    def test_public_addresses_are_permitted_over_https_only(self, address: str) -> None:
        found = (endpoint(address),)
        assert permitted("h", found, scheme="https", allow_loopback=False) == found
        with pytest.raises(OutboundRefused, match="without TLS"):
            permitted("h", found, scheme="http", allow_loopback=True)

    def test_one_private_address_refuses_the_whole_name(self) -> None:
        with pytest.raises(OutboundRefused):
            permitted("h", (endpoint("8.8.8.8"), endpoint("10.0.0.1")), scheme="https", allow_loopback=False)

    def test_loopback_and_public_do_not_mix(self) -> None:
        with pytest.raises(OutboundRefused):
            permitted("h", (endpoint("127.0.0.1"), endpoint("8.8.8.8")), scheme="https", allow_loopback=True)

    @pytest.mark.parametrize("address", ["10.0.0.1", "169.254.169.254", "0.0.0.0", "::ffff:127.0.0.1", "fe80::1"])
    def test_allowing_loopback_allows_nothing_else(self, address: str) -> None:
        with pytest.raises(OutboundRefused):
            permitted("h", (endpoint(address),), scheme="http", allow_loopback=True)

    @pytest.mark.parametrize("address", ["10.0.0.1", "172.16.3.4", "192.168.1.7", "fd12:3456::1", "8.8.8.8"])
    def test_a_named_host_may_stand_in_our_own_house(self, address: str) -> None:
        found = (endpoint(address),)
        ours: dict[str, Any] = {"private_hosts": {"erp.example"}, "allow_loopback": False}
        for name in ("erp.example", "ERP.example", "erp.example."):
            assert permitted(name, found, scheme="https", **ours) == found
        with pytest.raises(OutboundRefused, match="without TLS"):
            permitted("erp.example", found, scheme="http", **ours)
        if address != "8.8.8.8":
            with pytest.raises(OutboundRefused, match="PRIVATE_RECEIVERS"):
                permitted("other.example", found, scheme="https", **ours)

    @pytest.mark.parametrize(
        "address", ["127.0.0.1", "169.254.169.254", "0.0.0.0", "::1", "fe80::1", "::ffff:10.0.0.1", "100.64.0.1"]
    )
    def test_even_a_named_host_is_never_this_machine_or_its_metadata(self, address: str) -> None:
        with pytest.raises(OutboundRefused):
            permitted(
                "erp.example",
                (endpoint(address),),
                scheme="https",
                allow_loopback=False,
                private_hosts={"erp.example"},
            )

    @override_settings(PRIVATE_RECEIVERS=frozenset({"localhost"}))
    def test_naming_this_machine_opens_nothing(self) -> None:
        with serving(saying(plain(b""))) as server, pytest.raises(OutboundRefused):
            http.send("GET", server.url(host="localhost"), headers={}, deadline_seconds=5)

    @pytest.mark.parametrize("spelling", ["127.0.0.1", "127.1", "0x7f.1", "2130706433", "017700000001", "localhost"])
    def test_every_spelling_of_loopback_is_refused(self, spelling: str) -> None:
        with serving(saying(plain(b""))) as server, pytest.raises(OutboundRefused):
            http.send("GET", server.url(host=spelling), headers={}, deadline_seconds=5)
        assert server.requests == []

    def test_production_refuses_loopback_even_when_asked(self, settings: Any) -> None:
        settings.ENVIRONMENT = "production"
        with serving(saying(plain(b""))) as server, pytest.raises(OutboundRefused, match="production"):
            get(server.url())
        assert server.requests == []

    def test_dns_that_changes_its_mind_gains_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The name is resolved once; what was checked is what is connected to."""
        real = socket.getaddrinfo
        asked: list[str] = []

        def rebinding(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            asked.append(host)
            return real("127.0.0.1" if len(asked) == 1 else "10.255.255.1", port, *args, **kwargs)

        monkeypatch.setattr(socket, "getaddrinfo", rebinding)
        with serving(saying(plain(b"pinned"))) as server:
            assert get(server.url(host="receiver.example")).body == b"pinned"
        assert asked == ["receiver.example"]
        assert b"\r\nHost: receiver.example:" in server.requests[0]

    def test_the_next_address_is_tried_when_one_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with serving(saying(plain(b"second"))) as server:
            found = [
                (socket.AF_INET6, 0, 0, "", ("::1", server.port, 0, 0)),  # nobody listens there
                (socket.AF_INET, 0, 0, "", ("127.0.0.1", server.port)),
            ]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: found)
            assert get(server.url(host="two.example")).body == b"second"

    def test_resolving_raises_in_the_callers_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing(*args: Any, **kwargs: Any) -> None:
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", missing)
        with pytest.raises(socket.gaierror):
            resolve("nowhere.example", 443, timeout_seconds=1)
        with pytest.raises(OutboundFailed):
            http.send("GET", "https://nowhere.example/", headers={}, deadline_seconds=1)


class TestRequestsThatAreRefused:
    @pytest.mark.parametrize(
        "url",
        [
            "",
            "example.org/x",
            "//example.org/",
            "ftp://example.org/",
            "file:///etc/passwd",
            "gopher://127.0.0.1:5432/_x",
            "http://",
            "https://user:secret@example.org/",
            "https://127.0.0.1@example.org/",
            "https://exa mple.org/",
            "https://example.org:99999999/",
            "https://" + "a" * 300 + ".example/",
            "https://xn--.example\x00.org/",
        ],
    )
    def test_addresses_that_are_not_plain(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: host.encode("idna") and pytest.fail("asked"))
        with pytest.raises(OutboundRefused):
            http.send("GET", url, headers={}, deadline_seconds=5)

    @pytest.mark.parametrize("header", [{"X": "a\r\nEvil: 1"}, {"X\r\nEvil": "1"}, {"X": "☃"}, {"X": "a\x00b"}])
    def test_headers_that_break_the_line(self, header: dict[str, str]) -> None:
        with serving(saying(plain(b""))) as server:
            with contextlib.suppress(OutboundRefused):
                http.send("GET", server.url(), headers=header, deadline_seconds=5, allow_loopback=True)
            assert all(b"\r\nEvil: 1" not in request for request in server.requests)

    def test_a_line_break_in_the_path_stays_in_the_path(self) -> None:
        with serving(saying(plain(b""))) as server:
            get(server.url("/a\r\nX-Evil: 1\r\n"))
        assert server.requests[0].startswith(b"GET /a%0D%0AX-Evil:%201%0D%0A HTTP/1.1\r\n")

    def test_methods_outside_the_list(self) -> None:
        with pytest.raises(OutboundRefused, match="method"):
            http.send("CONNECT", "https://example.org/", headers={}, deadline_seconds=1)


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
