"""Square's events: written in the transaction that makes them true, searched, and signed for the shop's endpoint.

https://developer.squareup.com/docs/webhooks/step3validate: base64 of HMAC-SHA256 over the notification URL as it is
configured, then the body; one signature key a subscription. https://developer.squareup.com/docs/events-api/overview:
the search is off until it is enabled, and knows what happened afterwards only.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Sequence

from integrations.sandbox import objects, webhooks
from integrations.sandbox.objects import Stored
from integrations.sandbox.square import errors, paging
from integrations.sandbox.square.schema import Field, Integer, Items, Moment, Object, Text
from integrations.sandbox.square.scope import Scope
from integrations.sandbox.store import Transaction
from integrations.sandbox.wire import Json, dumps

API_VERSION = "2026-09-16"
SEARCH_SETTING = "square_events_enabled"
SIGNED_URL_SETTING = "square_signed_url"
KEPT_SECONDS = 28 * 24 * 3600

SEARCH: dict[str, Field] = {
    "cursor": Text(limit=256),
    "limit": Integer(low=1, high=100),
    "query": Object(
        {
            "filter": Object(
                {
                    "event_types": Items(Text()),
                    "merchant_ids": Items(Text()),
                    "location_ids": Items(Text()),
                    "created_at": Object({"start_at": Moment(), "end_at": Moment()}),
                }
            ),
            "sort": Object({"field": Text(choices=("DEFAULT",)), "order": Text(choices=("ASC", "DESC"))}),
        }
    ),
}


def emit(scope: Scope, event_type: str, kind: str, subject: Json, *, name: str = "") -> Stored:
    """Records an event with a snapshot of its subject and queues it for the shop.

    `kind` is `data.type`; `name` is the member of `data.object` where that is called otherwise.
    """
    return record(
        scope, {"type": event_type, "data": {"type": kind, "id": subject["id"], "object": {name or kind: subject}}}
    )


def record(scope: Scope, told: Json) -> Stored:
    """Records an event; `told` holds its type and data, and may replace anything else of it (hostile tests)."""
    event: Json = {
        "merchant_id": scope.account.merchant_id,
        "location_id": scope.account.location_id,
        "type": "",
        "event_id": str(uuid.uuid4()),
        "created_at": scope.stamp,
        "data": {},
        **told,
    }
    searchable = bool(scope.tx.setting(SEARCH_SETTING, False))
    stored = scope.insert("event", {"id": event["event_id"], "event": event}, private={"searchable": searchable})
    webhooks.enqueue(scope.tx, event_id=stored.id, event_type=event["type"])
    scope.wake_sender_after_commit()
    return stored


def signature(body: bytes, *, url: str, key: str) -> str:
    """The x-square-hmacsha256-signature header."""
    return base64.b64encode(hmac.new(key.encode(), url.encode() + body, hashlib.sha256).digest()).decode()


def headers(tx: Transaction, body: bytes, *, secrets: Sequence[str] | None = None) -> dict[str, str]:
    """Headers of one attempt: signed with the newest key, as Square signs with one only."""
    chosen = list(tx.setting("webhook_secrets", []) if secrets is None else secrets)
    url = tx.setting(SIGNED_URL_SETTING) or tx.setting("webhook_url") or ""
    sent = {
        "Content-Type": "application/json",
        "User-Agent": "Square Connect v2",
        "square-environment": "Sandbox",
        "square-version": API_VERSION,
    }
    return sent | ({"x-square-hmacsha256-signature": signature(body, url=url, key=chosen[-1])} if chosen else {})


def signed_delivery(tx: Transaction, event_id: str) -> tuple[bytes, dict[str, str]] | None:
    """Body and headers of an attempt: the body is the same bytes each time."""
    stored = objects.get(tx, event_id)
    if stored is None:
        return None
    body = dumps(stored.data["event"])
    return body, headers(tx, body)


def search(scope: Scope, values: Json, _ids: tuple[str, ...]) -> Json:
    """POST /v2/events."""
    if not scope.tx.setting(SEARCH_SETTING, False):
        raise errors.refused("Events Search has not been enabled for this application.", code="FORBIDDEN")
    query = values.get("query", {})
    wanted = query.get("filter", {})
    found = [stored for stored in scope.every("event") if _matches(scope, stored, wanted)]
    page, cursor = paging.page(scope, found, values, query=query)
    body: Json = {
        "events": [stored.data["event"] for stored in page],
        "metadata": [{"event_id": stored.id, "api_version": API_VERSION} for stored in page],
    }
    return body | ({"cursor": cursor} if cursor else {})


def _matches(scope: Scope, stored: Stored, wanted: Json) -> bool:
    between = wanted.get("created_at", {})
    created, event = stored.private["created"], stored.data["event"]
    return (
        stored.private["searchable"]
        and created > scope.now - KEPT_SECONDS
        and between.get("start_at", 0) <= created <= between.get("end_at", 2**60)
        and (not wanted.get("event_types") or event["type"] in wanted["event_types"])
        and (not wanted.get("merchant_ids") or event["merchant_id"] in wanted["merchant_ids"])
        and (not wanted.get("location_ids") or event["location_id"] in wanted["location_ids"])
    )


def enable(scope: Scope, _values: Json, _ids: tuple[str, ...]) -> Json:
    """PUT /v2/events/enable."""
    scope.tx.set_setting(SEARCH_SETTING, True)
    return {}


def disable(scope: Scope, _values: Json, _ids: tuple[str, ...]) -> Json:
    """PUT /v2/events/disable."""
    scope.tx.set_setting(SEARCH_SETTING, False)
    return {}
