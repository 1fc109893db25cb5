"""Where the one outbound client goes: no private address, whatever it is called, and no address that is not plain."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
from typing import Any

import pytest
from django.test import override_settings

from integrations import http
from integrations.addresses import Endpoint, is_public, permitted, resolve
from integrations.http import OutboundFailed, OutboundRefused
from tests.integrations.servers import get, plain, saying, serving

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
