"""PayPal's webhook events: written in the transaction that makes them true, listed, and signed for the shop's endpoint.

https://developer.paypal.com/api/rest/webhooks/rest/: RSA with SHA-256 over `id|time|webhook id|CRC32 of the body`.
"""

from __future__ import annotations

import base64
import time
import uuid
import zlib

from integrations.sandbox import objects, webhooks
from integrations.sandbox.objects import Stored
from integrations.sandbox.paypal.certificates import Signer
from integrations.sandbox.paypal.scope import Scope, new_id, written
from integrations.sandbox.store import Transaction
from integrations.sandbox.wire import Json, dumps

ALGORITHM = "SHA256withRSA"
CERTIFICATE_PATH = "/v1/notifications/certs/"
#: What the portal's simulator signs with, whatever endpoint it sends to.
SIMULATOR_ID = "WEBHOOK_ID"


def emit(scope: Scope, event_type: str, resource: Json, *, kind: str) -> Stored:
    """Records an event and queues it for the shop."""
    return record(scope, event_type=event_type, resource=resource, kind=kind)


def record(scope: Scope, *, event_type: str, resource: Json, kind: str, overrides: Json | None = None) -> Stored:
    """Records any event; `overrides` replace members of the event itself (hostile tests)."""
    event_id = f"WH-{new_id(17)}-{new_id(17)}"
    own = f"{scope.base_url}/v1/notifications/webhooks-events/{event_id}"
    event: Json = {
        "id": event_id,
        "event_version": "1.0",
        "create_time": written(scope.now),
        "resource_type": kind,
        "resource_version": "2.0",
        "event_type": event_type,
        "summary": event_type.replace(".", " ").capitalize(),
        "resource": resource,
        "links": [
            {"href": own, "rel": "self", "method": "GET"},
            {"href": f"{own}/resend", "rel": "resend", "method": "POST"},
        ],
        **(overrides or {}),
    }
    stored = scope.insert("event", event, {"type": event_type})
    webhooks.enqueue(scope.tx, event_id=stored.id, event_type=event["event_type"])
    scope.wake_sender_after_commit()
    return stored


def signed_delivery(
    tx: Transaction, event_id: str, *, signer: Signer, base: str
) -> tuple[bytes, dict[str, str]] | None:
    """Body and headers of an attempt: the body is the same bytes each time, the transmission is fresh."""
    stored = objects.get(tx, event_id)
    if stored is None:
        return None
    body = body_of(stored)
    return body, headers(tx, zlib.crc32(body), signer=signer, base=base)


def body_of(stored: Stored) -> bytes:
    """The event's bytes, in PayPal's order and without blanks, numbers and escapes as they were written."""
    return dumps({name: value for name, value in stored.data.items() if name not in ("created", "kind")})


def headers(
    tx: Transaction, checksum: int, *, signer: Signer, base: str, webhook_id: str | None = None, at: int | None = None
) -> dict[str, str]:
    """Headers of one attempt for bytes of this CRC-32.

    Signed with real time plus `signature_offset_seconds`, not the object clock.
    """
    at = int(time.time()) + int(tx.setting("signature_offset_seconds", 0)) if at is None else at
    configured = tx.setting("webhook_secrets", [])
    chosen = webhook_id if webhook_id is not None else (configured[0] if configured else SIMULATOR_ID)
    transmission = str(uuid.uuid4())
    signature = signer.sign(signed_text(transmission, written(at), chosen, checksum))
    return {
        "Content-Type": "application/json",
        "User-Agent": "PayPal/AUHR-214.0-56001458",
        "PAYPAL-TRANSMISSION-ID": transmission,
        "PAYPAL-TRANSMISSION-TIME": written(at),
        "PAYPAL-TRANSMISSION-SIG": base64.b64encode(signature).decode(),
        "PAYPAL-CERT-URL": f"{base}{CERTIFICATE_PATH}{signer.certificate_id}",
        "PAYPAL-AUTH-ALGO": ALGORITHM,
    }


def signed_text(transmission: str, at: str, webhook_id: str, checksum: int) -> bytes:
    """The bytes that are signed."""
    return f"{transmission}|{at}|{webhook_id}|{checksum}".encode()
