"""The nonces of webhooks that were proved genuine, remembered in the shared cache.

A provider whose signature carries a nonce and no time (NMI) lets a signed delivery be sent again for ever. The same
bytes again are harmless (the inbox knows their event); the same nonce over other bytes never comes from the provider.
"""

from __future__ import annotations

import hashlib

import structlog
from django.core.cache import cache

REMEMBERED_SECONDS = 7 * 24 * 3600
"""Longer than a provider repeats a delivery (NMI: three days)."""

log = structlog.get_logger(__name__)


def is_of_other_bytes(provider: str, nonce: str, body: bytes) -> bool:
    """Remember a proved nonce with the digest of its body, and say whether it came with another body before.

    While the cache is away nothing is remembered: the signature has proved the bytes, and the inbox needs the database.
    """
    key = f"nonce:{provider}:{hashlib.sha256(nonce.encode()).hexdigest()[:32]}"
    digest = hashlib.sha256(body).hexdigest()
    try:
        if cache.add(key, digest, timeout=REMEMBERED_SECONDS):
            return False
        return bool(cache.get(key, digest) != digest)
    except Exception:
        log.exception("nonce_not_remembered", provider=provider)
        return False
