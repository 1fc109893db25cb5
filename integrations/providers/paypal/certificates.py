"""The certificate that proves PayPal's webhooks: from where it may come, whether it is PayPal's, where it is kept.

Threat: the address stands in a header that anybody can write. So it must be one exact host and path over https; it is
fetched by a worker only, through http.py (no redirects, checked address, capped, deadline); what comes must chain up to
a public root (or the stand-in's), be valid at the time, and be PayPal's by name. Nothing is believed from the cache: a
kept chain is proved again.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from django.core.cache import cache

from integrations import http
from integrations.contract import NotificationRejected, Unavailable
from integrations.http import OutboundFailed, OutboundRefused, OutboundTimeout
from integrations.providers.api_bases import is_loopback
from integrations.providers.paypal.credentials import LIVE_API_BASE, TEST_API_BASE

MAX_CERTIFICATE_BYTES = 64 * 1024
MAX_CERTIFICATES = 6
FETCH_DEADLINE_SECONDS = 8
KEPT_SECONDS = 24 * 3600
_ORIGINS = {LIVE_API_BASE: "https://api.paypal.com", TEST_API_BASE: "https://api.sandbox.paypal.com"}
_PATH = re.compile(r"/v1/notifications/certs/[A-Za-z0-9-]{1,100}")
_OWNER = ".paypal.com"
_MIN_KEY_BITS = 2048

log = structlog.get_logger(__name__)


class NotProved(Exception):
    """The certificate is not PayPal's, or not valid at this time; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """From where certificates come, and who vouches for them. `origin`: scheme and host, to the letter.

    `roots`: PEM file of the roots to trust.
    """

    origin: str
    roots: str

    def check(self, url: str) -> None:
        """Raise NotificationRejected unless this is an address PayPal's certificates have."""
        parts = urlsplit(url) if url.isascii() and len(url) <= 500 else urlsplit("")
        plain = f"{parts.scheme}://{parts.netloc}{parts.path}" == url
        if not plain or f"{parts.scheme}://{parts.netloc}" != self.origin or not _PATH.fullmatch(parts.path):
            raise NotificationRejected("the certificate's address is none of PayPal's")


def rule_for(api_base: str, *, webhook_roots: str = "") -> Rule:
    """Return the rule of PayPal's own two addresses, or that of a stand-in: its certificates come from itself."""
    base = api_base.removesuffix("/")
    return Rule(origin=_ORIGINS.get(base, base), roots=webhook_roots or certifi.where())


def known(url: str) -> bytes:
    """Return the chain kept for an address, empty where none is. No network of others."""
    try:
        kept = cache.get(_name(url))
    except Exception:  # whatever the cache's backend raises; the worker fetches it then
        log.warning("paypal_certificate_cache_away", exc_info=True)
        return b""
    return kept if isinstance(kept, bytes) else b""


def fetch(url: str) -> bytes:
    """Ask for the chain at an address that a Rule has let pass.

    Raises NotificationRejected where PayPal has no such certificate, Unavailable where it cannot be had now.
    """
    try:
        answer = http.send(
            "GET", url, headers={"Accept": "*/*"}, deadline_seconds=FETCH_DEADLINE_SECONDS,
            allow_loopback=is_loopback(url), max_body_bytes=MAX_CERTIFICATE_BYTES,
        )  # fmt: skip
    except (OutboundFailed, OutboundRefused, OutboundTimeout) as error:
        raise Unavailable(f"PayPal's certificate cannot be had ({type(error).__name__})", code="certificate") from None
    if answer.status in (400, 404, 410):
        raise NotificationRejected("PayPal has no certificate at this address")
    if answer.status != 200:
        raise Unavailable("PayPal's certificate cannot be had", code="certificate", http_status=answer.status)
    return answer.body


def keep(url: str, chain: bytes) -> None:
    """Keep a chain that was proved, for all processes."""
    try:
        cache.set(_name(url), chain, timeout=KEPT_SECONDS)
    except Exception:  # as in known()
        log.warning("paypal_certificate_cache_away", exc_info=True)


def public_key(chain: bytes, *, rule: Rule, at: datetime) -> rsa.RSAPublicKey:
    """Return the key of a chain's leaf. Raises NotProved unless it is PayPal's, valid at that time, and vouched for."""
    certificates = _read(chain)
    leaf, between = certificates[0], certificates[1:]
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        owner = next(name for name in names.get_values_for_type(x509.DNSName) if name.lower().endswith(_OWNER))
        verifier = PolicyBuilder().store(Store(_roots(rule))).time(at).build_server_verifier(x509.DNSName(owner))
        verifier.verify(leaf, between)
    except (x509.ExtensionNotFound, StopIteration):
        raise NotProved("its subject is not PayPal") from None
    except VerificationError as error:
        raise NotProved(f"it is not vouched for at this time ({type(error).__name__})") from None
    key = leaf.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _MIN_KEY_BITS:
        raise NotProved("its key is no RSA key of 2048 bits")
    return key


def check_signature(key: rsa.RSAPublicKey, *, signature: bytes, signed: bytes) -> None:
    """Raise NotificationRejected unless the key's owner signed these bytes (RSA PKCS#1 v1.5, SHA-256)."""
    try:
        key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise NotificationRejected("the signature does not match") from None


def _read(chain: bytes) -> list[x509.Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError:
        raise NotProved("it is no certificate") from None
    if len(certificates) > MAX_CERTIFICATES:
        raise NotProved("its chain is too long")
    return certificates


def _roots(rule: Rule) -> list[x509.Certificate]:
    return _load(rule.roots, Path(rule.roots).stat().st_mtime_ns)


_loaded: dict[tuple[str, int], list[x509.Certificate]] = {}


def _load(path: str, changed: int) -> list[x509.Certificate]:
    """Read the roots once a process: a public store has some 140 of them."""
    if (path, changed) not in _loaded:
        _loaded.clear()
        _loaded[path, changed] = x509.load_pem_x509_certificates(Path(path).read_bytes())
    return _loaded[path, changed]


def _name(url: str) -> str:
    return f"paypal-certificate:{hashlib.sha256(url.encode()).hexdigest()[:32]}"
