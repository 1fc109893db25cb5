"""PayPal's access token, shared by all processes of the shop: one is good for nine hours, and each costs a request.

It stands sealed in the cache, under a name that tells nothing of the client, and leaves it before it expires.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.core.cache import cache

from integrations.encryption import CannotDecrypt, derived_key

BEFORE_EXPIRY_SECONDS = 120
"""So long before PayPal forgets a token, a new one is asked for."""
LONGEST_SECONDS = 24 * 3600
_NONCE_BYTES = 12
_PURPOSE = "paypal access token"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token and for how many seconds from now PayPal takes it."""

    value: str
    seconds: int

    def __repr__(self) -> str:
        return f"<Token for {self.seconds} s>"


class SharedToken:
    """The token of one client at one address. `fetch` asks PayPal for a new one."""

    def __init__(self, *, client_id: str, client_secret: str, api_base: str, fetch: Callable[[], Token]) -> None:
        mark = hashlib.sha256(f"{api_base}\n{client_id}\n{client_secret}".encode()).hexdigest()[:32]
        self._name = f"paypal-token:{mark}"
        self._fetch = fetch

    def get(self) -> str:
        """Return the token in use, asking for one where there is none. Raises whatever `fetch` raises."""
        known = self._kept()
        if known:
            return known
        fresh = self._fetch()
        self._keep(fresh)
        return fresh.value

    def forget(self, refused: str) -> None:
        """Drop a token that PayPal refused, unless another process has replaced it meanwhile."""
        if self._kept() == refused:
            self._quietly(lambda: cache.delete(self._name))

    def _kept(self) -> str:
        sealed = self._quietly(lambda: cache.get(self._name))
        return self._open(sealed) if isinstance(sealed, bytes) else ""

    def _keep(self, token: Token) -> None:
        seconds = min(token.seconds, LONGEST_SECONDS) - BEFORE_EXPIRY_SECONDS
        if seconds > 0:
            self._quietly(lambda: cache.set(self._name, self._seal(token.value), timeout=seconds))

    def _seal(self, value: str) -> bytes:
        key_id, key = derived_key(_PURPOSE)
        nonce = os.urandom(_NONCE_BYTES)
        return key_id.encode() + b":" + nonce + AESGCM(key).encrypt(nonce, value.encode(), self._name.encode())

    def _open(self, sealed: bytes) -> str:
        """Return the value; empty where the key is gone or the entry is not ours. A new token is asked for then."""
        key_id, _, rest = sealed.partition(b":")
        try:
            _, key = derived_key(_PURPOSE, key_id=key_id.decode("ascii", "replace") or "-")
            nonce, value = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
            return AESGCM(key).decrypt(nonce, value, self._name.encode()).decode()
        except (CannotDecrypt, InvalidTag, ValueError):
            return ""

    @staticmethod
    def _quietly(ask: Callable[[], object]) -> object:
        """Use the cache; without it each process asks PayPal for itself."""
        try:
            return ask()
        except Exception:  # whatever the cache's backend raises
            log.warning("paypal_token_not_shared", exc_info=True)
            return None
