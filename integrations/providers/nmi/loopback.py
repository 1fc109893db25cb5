"""A harmless event as NMI would sign it, so that the way in can be proved without NMI. Pure.

Its type changes no payment, so the event is stored as `ignored`; whoever can make one knows a signing key and could
send anything.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime

from integrations.contract import Mode

EVENT_TYPE = "shop.doctor.ping"


def signed_event(
    *, secret: str, event_id: str, mode: Mode, now: datetime, merchant_id: str
) -> tuple[dict[str, str], bytes]:
    """Return headers and body of one event with this id, signed with `secret`; `merchant_id` is ours."""
    event = {
        "event_id": event_id,
        "event_type": EVENT_TYPE,
        "event_body": {
            "merchant": {"id": merchant_id, "name": "doctor"},
            "features": {"is_test_mode": mode is Mode.TEST},
            "action": {"date": now.astimezone(UTC).strftime("%Y%m%d%H%M%S")},
        },
    }
    body = json.dumps(event).encode()
    nonce = secrets.token_hex(16)
    signature = hmac.new(secret.encode(), nonce.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"Webhook-Signature": f"t={nonce},s={signature}", "Content-Type": "application/json"}, body
