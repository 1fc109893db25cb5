"""NMI's webhooks: proved by an HMAC over a nonce and the exact bytes, read strictly, reduced to a hint.

https://docs.nmi.com/docs/webhooks. The nonce is no time: what keeps a replay harmless is the inbox, which knows the
event's id, and `integrations/nonces.py`, which knows the nonce. Whatever is wrong is NotificationRejected.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from integrations.contract import Mode, Notification, NotificationRejected, ProviderIds, Unavailable
from integrations.providers import event_reading
from integrations.providers.nmi import reports

_HEADER = re.compile(r"t=([\x21-\x2b\x2d-\x7e]{1,255}),s=([0-9a-f]{64})")
_RELEVANT = re.compile(r"transaction\.(sale|auth|capture|void|refund|credit|check\.status)\.[a-z]{1,40}")
_EVENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_TYPE = re.compile(r"[a-z0-9_.]{1,120}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")

SeenOverOtherBytes = Callable[[str, bytes], bool]


def verify(
    *,
    headers: Mapping[str, str],
    body: bytes,
    signing_keys: Sequence[str],
    now: datetime,
    mode: Mode,
    seen_over_other_bytes: SeenOverOtherBytes = lambda *_: False,
    on_match: Callable[[str], None] = lambda _: None,
) -> Notification:
    """Prove `body` by its Webhook-Signature under one of `signing_keys`, and return what it hints at.

    `mode`: that of our host; an event of an account in test mode is of test mode everywhere. `seen_over_other_bytes`:
    told of each proved nonce; `on_match` which key it was. Raises NotificationRejected, nothing else.
    """
    event_reading.check_size(body)
    nonce, signature = _signature(headers)
    matching = _prove(nonce, signature, body, signing_keys)
    if seen_over_other_bytes(nonce, body):
        raise NotificationRejected("this nonce has come with another body before")
    notification = _read(body, now=now, mode=mode)
    on_match(matching)
    return notification


def _signature(headers: Mapping[str, str]) -> tuple[str, str]:
    match = _HEADER.fullmatch(event_reading.only_header(headers, "Webhook-Signature"))
    if match is None:
        raise NotificationRejected("the Webhook-Signature header is malformed")
    return match[1], match[2]


def _prove(nonce: str, signature: str, body: bytes, keys: Sequence[str]) -> str:
    """Try each key in turn and return the one that proves it: two are valid while one replaces the other."""
    signed = nonce.encode() + b"." + body
    for key in keys:
        if key.strip() and hmac.compare_digest(hmac.new(key.encode(), signed, hashlib.sha256).hexdigest(), signature):
            return key
    raise NotificationRejected("no signature matches")


def _read(body: bytes, *, now: datetime, mode: Mode) -> Notification:
    event = event_reading.parsed(body)
    told = _object(event, "event_body")
    event_type = event_reading.matching(event, "event_type", _TYPE)
    order_id, transaction_id = _id_in(told, "order_id"), _id_in(told, "transaction_id")
    return Notification(
        provider="nmi",
        event_id=event_reading.matching(event, "event_id", _EVENT_ID),
        type=event_type,
        mode=Mode.TEST if _is_of_test_mode(told) else mode,
        account=_merchant(told),
        created_at=_happened_at(told) or now.astimezone(UTC),
        object_ids=(transaction_id,) if transaction_id else (),
        # All transactions of one order id are looked at together: no single one is the payment.
        ids=ProviderIds(page_id=order_id),
        reference=order_id,
        relevant=bool(_RELEVANT.fullmatch(event_type)),
    )


def _is_of_test_mode(told: Mapping[str, Any]) -> bool:
    features = told.get("features")
    flag = features.get("is_test_mode") if isinstance(features, dict) else None
    if not isinstance(flag, bool):
        raise NotificationRejected("the event does not say whether it is of test mode")
    return flag


def _merchant(told: Mapping[str, Any]) -> str:
    merchant = _object(told, "merchant").get("id")
    text = str(merchant) if type(merchant) in (int, str) else ""
    if not _ID.fullmatch(text):
        raise NotificationRejected("the event names no merchant")
    return text


def _happened_at(told: Mapping[str, Any]) -> datetime | None:
    action = told.get("action")
    text = action.get("date") if isinstance(action, dict) else None
    if not isinstance(text, str):
        return None
    try:
        return reports.moment(text)
    except Unavailable:
        raise NotificationRejected("the event has no readable date") from None


def _object(event: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = event.get(key)
    if not isinstance(value, dict):
        raise NotificationRejected(f"the event has no {key}")
    return value


def _id_in(told: Mapping[str, Any], key: str) -> str:
    """Return the id in a field; empty for anything that is none."""
    value = told.get(key)
    text = str(value) if type(value) in (int, str) else ""
    return text if _ID.fullmatch(text) else ""
