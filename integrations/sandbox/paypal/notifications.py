"""Webhooks as the API shows them: past events, sending one again, and PayPal's own proof of a webhook.

https://developer.paypal.com/docs/api/webhooks/v1/
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from datetime import datetime

from integrations.sandbox import objects, webhooks
from integrations.sandbox.objects import Stored, Window
from integrations.sandbox.paypal import errors, events
from integrations.sandbox.paypal.certificates import Signer
from integrations.sandbox.paypal.schema import Anything, Member, Text, read
from integrations.sandbox.paypal.scope import Scope, shown
from integrations.sandbox.wire import Json

MAX_PAGE = 300
KEPT_SECONDS = 30 * 86_400
RESEND: dict[str, Member] = {"webhook_ids": Anything()}
_VERIFY: dict[str, Member] = {
    "auth_algo": Text(required=True, high=100), "cert_url": Text(required=True, high=500),
    "transmission_id": Text(required=True, high=50), "transmission_sig": Text(required=True, high=500),
    "transmission_time": Text(required=True, high=100), "webhook_id": Text(required=True, high=50),
    "webhook_event": Anything(required=True),
}  # fmt: skip
_EVENT_MARK = b'"webhook_event":'


def verify(scope: Scope, signer: Signer, body: bytes) -> Json:
    """POST /v1/notifications/verify-webhook-signature, over the very bytes that stand as `webhook_event`.

    A caller that decodes and encodes the event anew changes them and is told FAILURE, as at PayPal. An event that the
    portal's simulator signed is never SUCCESS.
    """
    parsed = _parse(body)
    values = read(_VERIFY, parsed)
    raw = _raw_event(body)
    configured = scope.tx.setting("webhook_secrets", [])
    known = values["webhook_id"] in configured and values["webhook_id"] != events.SIMULATOR_ID
    signed = events.signed_text(
        values["transmission_id"], values["transmission_time"], values["webhook_id"], zlib.crc32(raw)
    )
    good = (
        known
        and values["auth_algo"] == events.ALGORITHM
        and values["cert_url"] == f"{scope.base_url}{events.CERTIFICATE_PATH}{signer.certificate_id}"
        and signer.verifies(_decoded(values["transmission_sig"]), signed)
    )
    return {"verification_status": "SUCCESS" if good else "FAILURE"}


def _parse(body: bytes) -> Json:
    try:
        parsed = json.loads(body)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise errors.invalid("MALFORMED_REQUEST_JSON", "/", "The request JSON is not well formed.")
    return parsed


def _raw_event(body: bytes) -> bytes:
    """The bytes of the member `webhook_event`, which must come last."""
    _, found, rest = body.partition(_EVENT_MARK)
    if not found:
        _, found, rest = body.partition(b'"webhook_event" :')
    return rest.strip().removesuffix(b"}").rstrip() if found else b""


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""


def listing(scope: Scope, query: dict[str, str]) -> Json:
    """GET /v1/notifications/webhooks-events: 30 days, newest first; further pages by the link `next`."""
    limit = int(query.get("page_size", "10"))
    if not 1 <= limit <= MAX_PAGE:
        raise errors.invalid("INVALID_PARAMETER_VALUE", "page_size", "Between 1 and 300.", location="query")
    since = max(_seconds(query.get("start_time"), 0), scope.now - KEPT_SECONDS)
    until = _seconds(query.get("end_time"), scope.now)
    window = Window(limit=limit, after_id=query.get("next_page_token") or None, since=since, until=until)
    wanted = query.get("event_type")
    filters = {"type": [wanted]} if wanted else None
    found, more = objects.page(scope.tx, kind="event", window=window, filters=filters)
    links = [{"href": f"{scope.base_url}/v1/notifications/webhooks-events", "rel": "self", "method": "GET"}]
    if more:
        kept = "".join(f"&{name}={query[name]}" for name in ("start_time", "end_time", "event_type") if name in query)
        token = f"page_size={limit}&next_page_token={found[-1].id}{kept}"
        href = f"{scope.base_url}/v1/notifications/webhooks-events?{token}"
        links.append({"href": href, "rel": "next", "method": "GET"})
    return {"events": [shown(event) for event in found], "count": len(found), "links": links}


def resend(scope: Scope, event: Stored, _body: Json) -> Json:
    """POST …/{id}/resend: queues it once more."""
    webhooks.enqueue(scope.tx, event_id=event.id, event_type=event.data["event_type"])
    scope.wake_sender_after_commit()
    return shown(event)


def _seconds(text: str | None, default: int) -> int:
    if text is None:
        return default
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError as error:
        raise errors.invalid("INVALID_PARAMETER_SYNTAX", "start_time", "Not a date.", location="query") from error
