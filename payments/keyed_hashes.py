"""Keyed hashes of what we must recognise and must not keep: a card's fingerprint, a shopper's network address.

The key comes from SECRET_KEY. With another key nothing is recognised any more, which ends the running windows of the
suspicious patterns and harms nothing else. Without the key nobody can try out addresses or fingerprints.
"""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings

LENGTH = 32
"""Hex characters: 128 bits."""
_IPV6_SUBSCRIBER_BITS = 64


def method_key(provider: str, fingerprint: str) -> str:
    """Return the hash of a means of payment by the provider's fingerprint of it; empty for an empty one."""
    return _keyed("method", f"{provider}:{fingerprint}") if fingerprint else ""


def client_key(address: str) -> str:
    """Return the hash of a network address, of IPv6 the subscriber's network (/64); empty where it is none."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return ""
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        else:
            return _keyed("client", str(ip_network((parsed, _IPV6_SUBSCRIBER_BITS), strict=False)))
    return _keyed("client", str(parsed))


def as_subject_id(text: str) -> int:
    """Return 63 bits of a hash of `text`: the subject of a case about what is no row, such as an e-mail address."""
    return int.from_bytes(bytes.fromhex(_keyed("subject", text))[:8], "big") >> 1


def _keyed(purpose: str, text: str) -> str:
    key = hashlib.sha256(f"keyed-hash:{purpose}:{settings.SECRET_KEY}".encode()).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:LENGTH]
