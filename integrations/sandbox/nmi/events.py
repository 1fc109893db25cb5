"""NMI's webhooks: recorded in the transaction that makes them true, signed `t=<nonce>,s=<HMAC>`, good at HTTP 200 only.

https://docs.nmi.com/docs/webhooks: the nonce is random and no time; the signed text is the nonce, a dot, the body.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence

from integrations.sandbox import objects, webhooks
from integrations.sandbox.nmi.scope import Scope, new_uuid
from integrations.sandbox.objects import Stored
from integrations.sandbox.store import Transaction
from integrations.sandbox.wire import Json, dumps

TEST_MODE_SETTING = "account_test_mode"


def is_test_mode(tx: Transaction) -> bool:
    """Whether the account is in test mode, as a sandbox account always is unless a test says otherwise."""
    return bool(tx.setting(TEST_MODE_SETTING, True))


def emit(scope: Scope, event_type: str, subject: Stored) -> Stored:
    """Records an event about a transaction and queues it for the shop."""
    shown = subject.data
    last = shown["actions"][-1] if shown["actions"] else {}
    body = {
        "transaction_id": subject.id,
        "transaction_type": shown["transaction_type"],
        "condition": shown["condition"],
        "processor_id": "sandbox",
        "order_id": shown["order_id"],
        "currency": shown["currency"],
        "requested_amount": last.get("amount", ""),
        "action": {**last, "ip_address": "", "api_method": "transact.php", "username": ""},
    }
    return record(scope, event_type=event_type, body=body)


def batch_settled(scope: Scope, batch: int, settled: Sequence[Stored]) -> None:
    """One event for a batch; it names its transactions by their ids."""
    ids = [each.id for each in settled]
    record(scope, event_type="settlement.batch.complete", body={"batch_id": str(batch), "transaction_ids": ids})


def record(scope: Scope, *, event_type: str, body: Json, overrides: Json | None = None) -> Stored:
    """Records any event; `overrides` replace members of its body (hostile tests)."""
    event: Json = {
        "event_id": new_uuid(),
        "event_type": event_type,
        "event_body": {
            "merchant": {"id": scope.account, "name": "Sandbox Shop"},
            "features": {"is_test_mode": is_test_mode(scope.tx)},
            **body,
            **(overrides or {}),
        },
    }
    stored = scope.insert("event", {"id": event["event_id"], "event_type": event_type, "event": event})
    webhooks.enqueue(scope.tx, event_id=stored.id, event_type=event_type)
    scope.wake_sender_after_commit()
    return stored


def signature(body: bytes, *, secret: str, nonce: str) -> str:
    """The Webhook-Signature header."""
    digest = hmac.new(secret.encode(), nonce.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"t={nonce},s={digest}"


def headers(tx: Transaction, body: bytes, *, secret: str | None = None, nonce: str | None = None) -> dict[str, str]:
    """Headers of one attempt: a fresh nonce, and the endpoint's signing key (the first, where several are set)."""
    keys: list[str] = tx.setting("webhook_secrets", [])
    chosen = secret if secret is not None else (keys[0] if keys else "")
    signed = signature(body, secret=chosen, nonce=nonce or secrets.token_hex(16))
    return {"Content-Type": "application/json", "User-Agent": "NMI-Webhooks", "Webhook-Signature": signed}


def signed_delivery(tx: Transaction, event_id: str) -> tuple[bytes, dict[str, str]] | None:
    """Body and headers of an attempt: the body is the same bytes each time, the nonce is fresh."""
    stored = objects.get(tx, event_id)
    if stored is None:
        return None
    body = dumps(stored.data["event"])
    return body, headers(tx, body)
