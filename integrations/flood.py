"""How often one client may do what costs us most: a password's hash, a question to a provider.

Counted in the shared cache, by the client's network address as TrustedProxyMiddleware made it right. Threats: a script
that makes the processors hash passwords or drains the provider's rate limit, which every other shopper needs; one that
moves about in its own network (an IPv6 client has 2^64 addresses: its /64 counts as one).
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from django.core.cache import cache
from django.http import HttpRequest

WINDOW_SECONDS = 60


def too_many(request: HttpRequest, what: str, *, most_a_minute: int) -> bool:
    """Count one more, and say whether this client has done `what` more than `most_a_minute` times; 0: no limit."""
    client = client_of(request)
    if not most_a_minute or not client:
        return False
    key = f"flood:{what}:{client}"
    cache.add(key, 0, timeout=WINDOW_SECONDS)
    try:
        return int(cache.incr(key)) > most_a_minute
    except ValueError:  # it ran out between the two lines
        return False


def client_of(request: HttpRequest) -> str:
    """Return the client's address, of IPv6 its network; empty where it is not known: then none is told from another."""
    told = str(request.META.get("REMOTE_ADDR", ""))
    try:
        address = ip_address(told)
    except ValueError:
        return ""
    return str(ip_network(f"{address}/64", strict=False)) if isinstance(address, IPv6Address) else str(address)
