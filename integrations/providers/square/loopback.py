"""A harmless event as Square would sign it, so that the way in can be proved without Square. Pure.

Its type changes no payment, so the event is stored as `ignored`; whoever can make one knows a signature key and could
send anything.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime

from integrations.contract import Mode

EVENT_TYPE = "shop.doctor.ping"


def signed_event(*, secret: str, url: str, event_id: str, mode: Mode, now: datetime) -> tuple[dict[str, str], bytes]:
    """Return headers and body of one event with this id, signed with `secret` for the notification URL `url`."""
    event = {
        "type": EVENT_TYPE,
        "event_id": event_id,
        "created_at": now.isoformat(),
        "data": {"type": "ping", "id": "ping", "object": {"ping": {"id": "ping"}}},
    }
    body = json.dumps(event).encode()
    signature = base64.b64encode(hmac.new(secret.encode(), url.encode() + body, hashlib.sha256).digest()).decode()
    environment = "Production" if mode is Mode.LIVE else "Sandbox"
    headers = {
        "x-square-hmacsha256-signature": signature,
        "square-environment": environment,
        "Content-Type": "application/json",
    }
    return headers, body
