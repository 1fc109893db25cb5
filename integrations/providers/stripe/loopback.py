"""A harmless event as Stripe would sign it, so that the way in can be proved without Stripe. Pure.

https://docs.stripe.com/webhooks#verify-manually describes the scheme. Its type changes no payment, so the event is
stored as `ignored`; whoever can make one knows a signing secret and could send anything.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime

from integrations.contract import Mode

EVENT_TYPE = "shop.doctor.ping"


def signed_event(*, secret: str, event_id: str, mode: Mode, now: datetime) -> tuple[dict[str, str], bytes]:
    """Return headers and body of one event with this id, signed with `secret` at `now`."""
    event = {
        "id": event_id,
        "object": "event",
        "type": EVENT_TYPE,
        "created": int(now.timestamp()),
        "livemode": mode is Mode.LIVE,
        "data": {"object": {"id": "ping", "object": "ping"}},
    }
    body = json.dumps(event).encode()
    signed = b"%d." % int(now.timestamp()) + body
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={int(now.timestamp())},v1={signature}", "Content-Type": "application/json"}
    return headers, body
