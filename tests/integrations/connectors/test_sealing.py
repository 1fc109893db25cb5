"""What is sealed to a receiver's key: only its owner reads it, and keys that would not protect it are refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from joserfc import jwe
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from standardwebhooks.webhooks import Webhook

from integrations.connectors.contract import Misconfigured
from integrations.connectors.sealing import CONTENT_TYPE, read_public_key, seal_to
from integrations.connectors.webhook import WebhookConnector
from tests.integrations.connectors.test_webhook import message, to
from tests.integrations.deliveries import ORDER, SECRET, make_destination

ALGORITHMS = ["RSA-OAEP-256", "ECDH-ES+A256KW", "A256GCM"]

Key = RSAKey | ECKey | OKPKey
RSA = RSAKey.generate_key(2048)
KEYS: list[tuple[Key, str]] = [
    (RSA, "RSA-OAEP-256"),
    (ECKey.generate_key("P-256"), "ECDH-ES+A256KW"),
    (ECKey.generate_key("P-521"), "ECDH-ES+A256KW"),
    (OKPKey.generate_key("X25519"), "ECDH-ES+A256KW"),
]


def as_jwk(key: Key | OctKey) -> str:
    return json.dumps(key.as_dict(private=False))


def as_pem(key: Key) -> str:
    return key.as_pem(private=False).decode()


@pytest.mark.parametrize("form", [as_jwk, as_pem])
@pytest.mark.parametrize(("key", "algorithm"), KEYS)
def test_the_owner_of_the_key_reads_it_and_is_told_which_key(key: Key, algorithm: str, form: Any) -> None:
    sealed = seal_to(form(key), b'{"number":1042}').decode()

    opened = jwe.decrypt_compact(sealed, key, algorithms=ALGORITHMS)

    assert opened.plaintext == b'{"number":1042}'
    assert opened.protected["alg"] == algorithm
    assert (opened.protected["enc"], opened.protected["cty"]) == ("A256GCM", "json")
    assert opened.protected["kid"] == key.thumbprint()
    assert sealed.count(".") == 4
    assert "1042" not in sealed


def test_a_jwk_may_bring_its_own_kid() -> None:
    named = {**RSA.as_dict(private=False), "kid": "crm-2026", "use": "enc"}
    sealed = seal_to(json.dumps(named), b"{}").decode()
    assert jwe.decrypt_compact(sealed, RSA, algorithms=ALGORITHMS).protected["kid"] == "crm-2026"


def test_another_key_reads_nothing() -> None:
    sealed = seal_to(as_jwk(RSA), b"{}").decode()
    with pytest.raises(Exception, match=r".*"):
        jwe.decrypt_compact(sealed, RSAKey.generate_key(2048), algorithms=ALGORITHMS)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "neither a JWK nor PEM"),
        ("{", "neither a JWK nor PEM"),
        ("[]", "neither a JWK nor PEM"),
        ('{"kty": "RSA"}', "neither a JWK nor PEM"),
        ('{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}', "neither a JWK nor PEM"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "neither a JWK nor PEM"),
        pytest.param(as_jwk(OctKey.generate_key(256)), "a shared one", id="shared"),
        pytest.param(as_jwk(OKPKey.generate_key("Ed25519")), "cannot encrypt", id="signs-only"),
        (json.dumps({**RSA.as_dict(private=False), "use": "sig"}), "for signatures"),
        (json.dumps(RSA.as_dict(private=True)), "private key"),
        (RSA.as_pem(private=True).decode(), "private key"),
    ],
)
def test_a_key_that_would_not_protect_is_refused_with_the_remedy(text: str, why: str) -> None:
    with pytest.raises(Misconfigured, match=why):
        read_public_key(text)


@pytest.mark.filterwarnings("ignore:Key size should be:joserfc.errors.SecurityWarning")
def test_a_short_key_is_refused() -> None:
    with pytest.raises(Misconfigured, match="fewer than 2048 bits"):
        read_public_key(as_jwk(RSAKey.generate_key(1024)))


def test_what_is_signed_is_the_sealed_body() -> None:
    connector = WebhookConnector()
    request = connector.build(message(), to(public_key=as_jwk(RSA)), now=datetime.now(tz=UTC))

    assert request.headers["content-type"] == CONTENT_TYPE == "application/jose"
    Webhook(SECRET).verify(request.body, dict(request.headers), json_parse=False)
    assert b"shopper@example.com" not in request.body
    opened = json.loads(jwe.decrypt_compact(request.body, RSA, algorithms=ALGORITHMS).plaintext or b"")
    assert (opened["type"], opened["data"]) == ("order.paid", ORDER)


@pytest.mark.django_db
def test_the_form_refuses_a_key_that_cannot_be_sealed_to(now: datetime) -> None:
    destination = make_destination(now=now, public_key=RSA.as_pem(private=True).decode())
    with pytest.raises(ValidationError, match="private key"):
        destination.clean()
    destination.public_key = as_pem(RSA)
    destination.clean()
    destination.options = {"colour": "red"}
    with pytest.raises(ValidationError, match="no options"):
        destination.clean()
