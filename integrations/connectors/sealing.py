"""Seals what is sent to the receiver's public key: JWE, compact serialisation (RFC 7516), content A256GCM.

RSA keys of 2048 bits or more: RSA-OAEP-256. EC keys (P-256, P-384, P-521) and X25519: ECDH-ES+A256KW. What lies between
us and the receiver (proxies, logs, a queue of theirs) then sees who is told and when, and nothing of the content.
"""

from __future__ import annotations

import json
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey, import_key

from integrations.connectors.contract import Misconfigured

CONTENT_TYPE = "application/jose"
"""Of a body in compact serialisation (RFC 7515, 9.2.1); the sealed content's own is `cty`."""
RSA_MIN_BITS = 2048

_PRIVATE = "This is the private key: give the public part only, and make a new pair, since this one is out."

PublicKey = RSAKey | ECKey | OKPKey


def seal_to(public_key: str, content: bytes) -> bytes:
    """Return `content` (JSON) readable by the owner of `public_key` (a JWK or PEM) alone. Raises Misconfigured."""
    key, algorithm = read_public_key(public_key)
    header = {
        "alg": algorithm,
        "enc": "A256GCM",
        "kid": key.kid or key.thumbprint(),
        "typ": "JOSE",
        "cty": "json",
    }
    return jwe.encrypt_compact(header, content, key, algorithms=[algorithm, "A256GCM"]).encode()


@lru_cache(maxsize=64)
def read_public_key(text: str) -> tuple[PublicKey, str]:
    """Return the key in `text` and its algorithm. Raises Misconfigured, with the remedy, for what is no such key."""
    if "PRIVATE KEY-----" in text:
        raise Misconfigured(_PRIVATE)
    try:
        key = import_key(json.loads(text)) if text.lstrip().startswith("{") else _from_pem(text)
    # The libraries raise their own errors and plain ones on malformed input.
    except (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, AttributeError) as error:
        raise Misconfigured("The public key is neither a JWK nor PEM of an RSA, EC or X25519 key.") from error
    if not isinstance(key, PublicKey):
        raise Misconfigured("The public key is a shared one; give an RSA, EC or X25519 key.")
    if key.is_private:
        raise Misconfigured(_PRIVATE)
    if "use" in (found := key.as_dict(private=False)) and found["use"] != "enc":
        raise Misconfigured("The public key is for signatures; give one for encryption.")
    return key, _algorithm(key)


def _from_pem(text: str) -> Key:
    public = load_pem_public_key(text.strip().encode())
    if isinstance(public, rsa.RSAPublicKey):
        return RSAKey.import_key(public)
    if isinstance(public, ec.EllipticCurvePublicKey):
        return ECKey.import_key(public)
    return OKPKey.import_key(public)  # type: ignore[arg-type]  # it refuses what is none


def _algorithm(key: PublicKey) -> str:
    if isinstance(key, RSAKey):
        if key.public_key.key_size < RSA_MIN_BITS:
            raise Misconfigured(f"The RSA key has fewer than {RSA_MIN_BITS} bits.")
        return "RSA-OAEP-256"
    if key.curve_name not in ("P-256", "P-384", "P-521", "X25519"):
        raise Misconfigured(f"A key on {key.curve_name} cannot encrypt; give P-256, P-384, P-521 or X25519.")
    return "ECDH-ES+A256KW"
