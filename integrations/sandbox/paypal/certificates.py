"""The chain that signs webhooks: a root, an intermediate and a leaf, made once and kept in the sandbox's state."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from integrations.sandbox.store import Transaction

SUBJECT = "messageverificationcerts.sandbox.paypal.com"
_SETTING = "certificate_chain"
_KEY_BITS = 2048
_VALID_DAYS = 800


@dataclass(frozen=True)
class Signer:
    """The leaf's key, and the certificates that vouch for it: `chain_pem` leaf first, without the root."""

    certificate_id: str
    key_pem: str
    chain_pem: str
    root_pem: str

    def sign(self, text: bytes) -> bytes:
        """RSA, PKCS#1 v1.5, SHA-256."""
        key = serialization.load_pem_private_key(self.key_pem.encode(), password=None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise TypeError("the sandbox's signing key is no RSA key")
        return key.sign(text, padding.PKCS1v15(), hashes.SHA256())

    def verifies(self, signature: bytes, text: bytes) -> bool:
        """Whether the leaf's key made this signature."""
        public = x509.load_pem_x509_certificate(self.chain_pem.encode()).public_key()
        if not isinstance(public, rsa.RSAPublicKey):
            return False
        try:
            public.verify(signature, text, padding.PKCS1v15(), hashes.SHA256())
        except Exception:  # noqa: BLE001 - InvalidSignature, or bytes that are none
            return False
        return True


def kept(tx: Transaction) -> Signer:
    """The sandbox's signer, made the first time."""
    known = tx.setting(_SETTING)
    if known is None:
        known = make().__dict__
        tx.set_setting(_SETTING, known)
    return Signer(**known)


def make(*, now: datetime | None = None, subject: str = SUBJECT, days: int = _VALID_DAYS) -> Signer:
    """A new chain. `days`: how long the leaf is valid from `now` on."""
    now = now or datetime.now(UTC) - timedelta(hours=1)
    root_key, root = _authority("Sandbox Root CA", None, None, now)
    middle_key, middle = _authority("Sandbox Issuing CA", root, root_key, now)
    key = _new_key()
    builder = _builder(subject, middle.subject, key, now, days).add_extension(
        x509.SubjectAlternativeName([x509.DNSName(subject)]), critical=False
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    builder = builder.add_extension(_issued_by(middle_key), critical=False)
    leaf = builder.sign(middle_key, hashes.SHA256())
    return Signer(
        certificate_id=f"CERT-{uuid.uuid4().hex[:8]}-{uuid.uuid4().hex[:8]}",
        key_pem=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode(),
        chain_pem=_pem(leaf) + _pem(middle),
        root_pem=_pem(root),
    )


def _authority(
    name: str, issuer: x509.Certificate | None, issuer_key: rsa.RSAPrivateKey | None, now: datetime
) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = _new_key()
    issued_by = issuer.subject if issuer is not None else _name(name)
    builder = _builder(name, issued_by, key, now, _VALID_DAYS * 2)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs=False), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(_issued_by(issuer_key or key), critical=False)
    return key, builder.sign(issuer_key or key, hashes.SHA256())


def _builder(
    subject: str, issuer: x509.Name, key: rsa.RSAPrivateKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs, content_commitment=False, key_encipherment=signs, data_encipherment=False,
        key_agreement=False, key_cert_sign=not signs, crl_sign=not signs, encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _issued_by(key: rsa.RSAPrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Sandbox"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
