"""Stripe's events: written in the transaction that makes them true, listed, and signed for the shop's endpoint."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Sequence

from integrations.sandbox import objects, webhooks
from integrations.sandbox.objects import Stored
from integrations.sandbox.store import Transaction
from integrations.sandbox.stripe import present
from integrations.sandbox.stripe.scope import Scope, new_id
from integrations.sandbox.wire import Json, dumps

API_VERSION = "2026-10-28.endive"


def emit(scope: Scope, event_type: str, subject: Stored) -> Stored:
    """Records an event with a snapshot of its subject and queues it for the shop."""
    return record(scope, event_type=event_type, snapshot=present.show(scope, subject))


def record(scope: Scope, *, event_type: str, snapshot: Json, overrides: Json | None = None) -> Stored:
    """Records an event over any snapshot; `overrides` replace fields of the event itself (hostile tests)."""
    event: Json = {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": scope.now,
        "data": {"object": snapshot},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": scope.request_id, "idempotency_key": scope.idempotency_key},
        "type": event_type,
        **(overrides or {}),
    }
    stored = scope.insert(event)
    webhooks.enqueue(scope.tx, event_id=stored.id, event_type=event["type"])
    scope.wake_sender_after_commit()
    return stored


def signature(body: bytes, *, secrets: Sequence[str], at: int) -> str:
    """The Stripe-Signature header: one `v1` per secret, as during a rotation.
    https://docs.stripe.com/webhooks#verify-manually.
    """
    signed = str(at).encode() + b"." + body
    digests = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={digest}" for digest in digests)])


def headers(
    tx: Transaction, body: bytes, *, secrets: Sequence[str] | None = None, at: int | None = None
) -> dict[str, str]:
    """Headers of one attempt. Signed with real time plus `signature_offset_seconds`, not the object clock."""
    at = int(time.time()) + int(tx.setting("signature_offset_seconds", 0)) if at is None else at
    chosen = tx.setting("webhook_secrets", []) if secrets is None else secrets
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": signature(body, secrets=chosen, at=at),
    }


def signed_delivery(tx: Transaction, event_id: str) -> tuple[bytes, dict[str, str]] | None:
    """Body and headers of an attempt: the body is the same bytes each time, the signature is fresh."""
    stored = objects.get(tx, event_id)
    if stored is None:
        return None
    body = dumps(stored.data, pretty=True)
    return body, headers(tx, body)
