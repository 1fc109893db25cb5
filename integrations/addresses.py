"""Where the service may connect to: every address a name resolves to is judged before the first byte leaves.

The caller connects to an address from the answer, never to the name again, so that DNS which changes its mind between
check and connection gains nothing (SSRF by DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading
from collections.abc import Collection
from dataclasses import dataclass

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

# The IANA special-purpose registry, written out: what `ipaddress` calls global differs between releases of Python
# (192.0.0.0/24), and 192.88.99.0/24, the 6to4 relays of RFC 7526, is global to all of them.
_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(net)
    for net in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip
# Only 2000::/3 is handed out as global unicast (RFC 4291, IANA registry). That alone excludes NAT64 (64:ff9b::/96 and
# 64:ff9b:1::/48), mapped and compatible IPv4, unique local, link local and multicast. Inside it, what carries an IPv4
# address (Teredo in 2001::/23, 6to4 2002::/16) or is for documentation is excluded too.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(ipaddress.IPv6Network(net) for net in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))


# The networks of one's own house (RFC 1918, RFC 4193): for hosts that PRIVATE_RECEIVERS names, and for those only.
_OWN = tuple(ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))


class OutboundRefused(Exception):
    """Our own guard refused to send: nothing left this machine. A person must correct the address or the setting."""

    permanent = True


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address of a host, as `socket.connect` takes it."""

    family: socket.AddressFamily
    sockaddr: tuple[str, int] | tuple[str, int, int, int]

    @property
    def ip(self) -> IPAddress:
        return ipaddress.ip_address(self.sockaddr[0])


def is_loopback(ip: IPAddress) -> bool:
    """Return whether `ip` is this machine, plainly written (an IPv4 address mapped into IPv6 is not)."""
    return ip.is_loopback and getattr(ip, "ipv4_mapped", None) is None


def is_public(ip: IPAddress) -> bool:
    """Return whether `ip` is a unicast address of the public internet."""
    if ip.is_multicast or ip.is_reserved or ip.is_unspecified or not ip.is_global:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in net for net in _REFUSED_V4)
    return ip.scope_id is None and ip in _GLOBAL_V6 and not any(ip in net for net in _REFUSED_V6)


def is_own_network(ip: IPAddress) -> bool:
    """Return whether `ip` is of the networks that a house uses inside; loopback, link local and the like are not."""
    return getattr(ip, "scope_id", None) is None and any(ip in net for net in _OWN)


def resolve(host: str, port: int, *, timeout_seconds: float) -> tuple[Endpoint, ...]:
    """Return every address of `host`, in the resolver's order.

    The system's resolver knows no deadline, so it runs in a thread that is left behind when time is up.
    Raises TimeoutError, OSError (socket.gaierror: no such name), UnicodeError (no valid host name).
    """
    answers: queue.SimpleQueue[list[Endpoint] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
            answers.put([Endpoint(family, sockaddr) for family, _, _, _, sockaddr in found])  # type: ignore[arg-type]
        except Exception as error:  # noqa: BLE001 - whatever it is, the caller raises it in its own thread
            answers.put(error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    try:
        answer = answers.get(timeout=max(timeout_seconds, 0))
    except queue.Empty:
        raise TimeoutError("the name was not resolved in time") from None
    if isinstance(answer, Exception):
        raise answer
    return tuple(answer)


def permitted(
    host: str,
    endpoints: tuple[Endpoint, ...],
    *,
    scheme: str,
    allow_loopback: bool,
    private_hosts: Collection[str] = (),
) -> tuple[Endpoint, ...]:
    """Return `endpoints` if all of them may be connected to.

    Public addresses over https only; loopback only where allowed, then over http as well; the networks of one's own
    house for the names in `private_hosts` (lower-case), over https. One bad address refuses the whole name.
    Raises OutboundRefused.
    """
    own = host.lower().rstrip(".") in private_hosts
    if not endpoints:
        raise OutboundRefused(f"{host} has no address")
    if allow_loopback and all(is_loopback(endpoint.ip) for endpoint in endpoints):
        return endpoints
    if not all(is_public(endpoint.ip) or (own and is_own_network(endpoint.ip)) for endpoint in endpoints):
        raise OutboundRefused(
            f"{host} resolves to an address that is not public; PRIVATE_RECEIVERS names the hosts of one's own house"
        )
    if scheme != "https":
        raise OutboundRefused(f"{host} would be called without TLS; use an https:// address")
    return endpoints
