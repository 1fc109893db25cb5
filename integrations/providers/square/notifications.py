"""Square's webhooks: proved by the SDK, read strictly, reduced to a hint. Whatever is wrong is NotificationRejected.

https://developer.squareup.com/docs/webhooks/step3validate. What is signed is the notification URL as it stands in our
settings (never as the request has it: proxy, scheme and slash differ), then the body. No time is signed, so an old
delivery proves as well as a new one: the event's id makes it one event. A header of SHA-1 (x-square-signature) counts
for nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from square.utils.webhooks_helper import verify_signature

from integrations.contract import Mode, Notification, NotificationRejected, ProviderIds
from integrations.providers import event_reading

# Types that can change what a look at a payment says. payment.updated brings the fee.
RELEVANT_TYPES = frozenset(
    """
    payment.created payment.updated refund.created refund.updated
    dispute.created dispute.state.updated dispute.state.changed
    dispute.evidence.created dispute.evidence.added dispute.evidence.deleted dispute.evidence.removed
    """.split()
)

# Sales that a person took at the counter or typed into Square: none of them is a payment of this shop's.
_TAKEN_BY_HAND = frozenset({"SQUARE_POS", "VIRTUAL_TERMINAL", "INVOICES", "APPOINTMENTS", "RETAIL", "RESTAURANTS"})

_HEADER = "x-square-hmacsha256-signature"
# Base64 of 32 bytes, and nothing else: a changed header is never the same proof.
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_ACCOUNT = re.compile(r"[A-Za-z0-9_-]{1,64}")
_TYPE = re.compile(r"[a-z0-9_.]{1,120}")
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{16,64}")
_MODES = {"production": Mode.LIVE, "sandbox": Mode.TEST}


def verify(
    *,
    headers: Mapping[str, str],
    body: bytes,
    keys: Sequence[str],
    url: str,
    mode: Mode,
    location_id: str,
    on_match: Callable[[str], None] = lambda _: None,
) -> Notification:
    """Prove `body` by its signature under one of `keys`, tell `on_match` which, and return what it hints at.

    `mode` is that of our settings; a square-environment header that says otherwise is what counts, so that the event
    becomes a case. Raises NotificationRejected, nothing else.
    """
    event_reading.check_size(body)
    signature = event_reading.only_header(headers, _HEADER)
    if not _SIGNATURE.fullmatch(signature):
        raise NotificationRejected(f"the {_HEADER} header is malformed")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise NotificationRejected("the body is no UTF-8") from None
    matching = _check_signature(signature, text, keys, url)
    notification = read(event_reading.parsed(body), mode=_mode(headers, mode), location_id=location_id)
    on_match(matching)
    return notification


def _check_signature(signature: str, text: str, keys: Sequence[str], url: str) -> str:
    """Try each key in turn and return the one that proves it: two are valid while one replaces the other."""
    for key in keys:
        if key.strip() and verify_signature(
            request_body=text, signature_header=signature, signature_key=key, notification_url=url
        ):
            return key
    raise NotificationRejected("no signature matches; SQUARE_WEBHOOK_URL must be the subscription's, to the letter")


def _mode(headers: Mapping[str, str], ours: Mode) -> Mode:
    told = [value for key, value in headers.items() if key.lower() == "square-environment"]
    return _MODES.get(told[0].strip().lower(), ours) if told else ours


def read(event: Mapping[str, Any], *, mode: Mode, location_id: str) -> Notification:
    """Reduce an event, of a webhook or of the search, to what it hints at. Raises NotificationRejected."""
    subject = _subject(event)
    event_type = event_reading.matching(event, "type", _TYPE)
    return Notification(
        provider="square",
        event_id=event_reading.matching(event, "event_id", _ID),
        type=event_type,
        mode=mode,
        account=event_reading.matching_or_empty(event, "merchant_id", _ACCOUNT),
        created_at=event_reading.moment(event, "created_at"),
        object_ids=_object_ids(event, subject),
        ids=ids_of(subject) if event_type.startswith("payment.") else ProviderIds(),
        reference=reference(subject) if event_type.startswith("payment.") else "",
        relevant=event_type in RELEVANT_TYPES and bool(subject) and _is_ours(event, subject, location_id),
        of_payouts=event_type.startswith("payout."),
    )


def reference(payment: Mapping[str, Any]) -> str:
    """Return our reference as a payment carries it: its own, or the note that a link gave it. What is no reference in
    shape is none."""
    for key in ("reference_id", "note"):
        carried = payment.get(key)
        if isinstance(carried, str) and _REFERENCE.fullmatch(carried):
            return carried
    return ""


def ids_of(payment: Mapping[str, Any]) -> ProviderIds:
    """Return our ids of a payment (looking.py says what they mean): one by token has a reference_id, a link's none."""
    if _id_in(payment, "reference_id"):
        return ProviderIds(page_id=_id_in(payment, "order_id"), intent_id=_id_in(payment, "id"))
    return ProviderIds(intent_id=_id_in(payment, "order_id"))


def _is_ours(event: Mapping[str, Any], subject: Mapping[str, Any], location_id: str) -> bool:
    """Return whether this can be about a payment of this shop's: of our location, and not taken by hand."""
    location = subject.get("location_id") or event.get("location_id") or location_id
    details = subject.get("application_details")
    product = details.get("square_product") if isinstance(details, dict) else None
    return location == location_id and (bool(reference(subject)) or product not in _TAKEN_BY_HAND)


def _subject(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object the event speaks of: the one member of data.object; empty where it has none (a deletion,
    Square's own test event)."""
    data = event.get("data")
    if not isinstance(data, dict):
        raise NotificationRejected("the event has no data")
    told = data.get("object")
    if told is None:
        return {}
    inside = next(iter(told.values()), None) if isinstance(told, dict) else None
    if not isinstance(inside, dict):
        raise NotificationRejected("the event has no data.object")
    return inside


def _object_ids(event: Mapping[str, Any], subject: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids the event speaks of, the object's own first, each once."""
    disputed = subject.get("disputed_payment")
    found = [
        _id_in(subject, "id"),
        _id_in(event.get("data") or {}, "id"),
        _id_in(subject, "payment_id"),
        _id_in(disputed if isinstance(disputed, dict) else {}, "payment_id"),
        _id_in(subject, "order_id"),
    ]
    return tuple(dict.fromkeys(object_id for object_id in found if object_id))


def _id_in(subject: Mapping[str, Any], key: str) -> str:
    value = subject.get(key)
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""
