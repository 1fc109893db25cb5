"""Stripe's webhooks: proved by the SDK, read strictly, reduced to a hint. Whatever is wrong is NotificationRejected.

https://docs.stripe.com/webhooks#verify-manually. The SDK alone accepts an empty secret and future times, and raises
UnicodeDecodeError, TypeError or AttributeError on some malformed input; hence the walls around it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import stripe

from integrations.contract import Mode, Notification, NotificationRejected, ProviderIds
from integrations.providers import event_reading
from integrations.providers.stripe.snapshots import REFERENCE_KEY

TOLERANCE_SECONDS = 300
MAX_HEADER_LENGTH = 2048

# Types that can change what a look at a payment says. charge.updated brings the fee.
RELEVANT_TYPES = frozenset(
    """
    checkout.session.completed checkout.session.expired
    checkout.session.async_payment_succeeded checkout.session.async_payment_failed
    payment_intent.succeeded payment_intent.processing payment_intent.payment_failed payment_intent.canceled
    payment_intent.requires_action payment_intent.amount_capturable_updated payment_intent.partially_funded
    charge.succeeded charge.pending charge.failed charge.captured charge.expired charge.updated charge.refunded
    charge.refund.updated refund.created refund.updated refund.failed
    charge.dispute.created charge.dispute.updated charge.dispute.closed
    charge.dispute.funds_withdrawn charge.dispute.funds_reinstated
    """.split()
)

# Stripe failed to make events. They are in no list either, so the payments' own lists are read.
# https://docs.stripe.com/webhooks/handle-irrecoverable-events
GENERATION_FAILED = frozenset({"v2.core.health.event_generation_failure.resolved"})

# As Stripe writes it: one time, then signatures by scheme. Strict, so that a changed header is never the same proof.
_HEADER = re.compile(r"t=([1-9][0-9]{0,11})((?:,(?!t=)[a-z0-9]{1,8}=[0-9A-Za-z+/=_-]{1,200}){1,20})")
_V1 = re.compile(r",v1=[0-9a-f]{64}(?=,|$)")
_ID = re.compile(r"[A-Za-z0-9_]{1,255}")
_ACCOUNT = re.compile(r"[A-Za-z0-9_]{1,64}")
_TYPE = re.compile(r"[a-z0-9_.]{1,120}")
_VERSION = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_LAST_SECOND = 253_402_300_799


def verify(
    *,
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str],
    now: datetime,
    provider: str = "stripe",
    on_match: Callable[[str], None] = lambda _: None,
) -> Notification:
    """Prove `body` by its Stripe-Signature under one of `secrets`, tell `on_match` which, and return what it hints at.

    Signed more than 300 s ago or 300 s ahead of `now` counts as a replay. Raises NotificationRejected, nothing else.
    """
    event_reading.check_size(body)
    header = _signature_header(headers)
    _check_time(header, now)
    matching = _check_signature(header, body, secrets)
    notification = read(event_reading.parsed(body), provider=provider)
    on_match(matching)
    return notification


def _signature_header(headers: Mapping[str, str]) -> str:
    header = event_reading.only_header(headers, "Stripe-Signature")
    if len(header) > MAX_HEADER_LENGTH or not _HEADER.fullmatch(header):
        raise NotificationRejected("the Stripe-Signature header is malformed")
    if not _V1.search(header):
        raise NotificationRejected("the Stripe-Signature header has no v1 signature")
    return header


def _check_time(header: str, now: datetime) -> None:
    match = _HEADER.fullmatch(header)
    signed_at = int(match[1]) if match else 0
    if abs(now.timestamp() - signed_at) > TOLERANCE_SECONDS:
        raise NotificationRejected("the signature is too old or from the future")


def _check_signature(header: str, body: bytes, secrets: Sequence[str]) -> str:
    """Try each secret in turn and return the one that proves it: two are valid while one replaces the other."""
    for secret in secrets:
        if not secret.strip():
            continue
        try:
            # The time has been checked against our own clock; the SDK reads the machine's, and the past only.
            stripe.WebhookSignature.verify_header(body, header, secret, tolerance=None)
        except (stripe.SignatureVerificationError, ValueError, TypeError):
            continue
        return secret
    raise NotificationRejected("no signature matches")


def read(event: Mapping[str, Any], *, provider: str = "stripe") -> Notification:
    """Reduce an event, of a webhook or of the list of events, to what it hints at. Raises NotificationRejected."""
    if event.get("object") == "v2.core.event" and event.get("type") in GENERATION_FAILED:
        return _events_lost(event, provider)
    if event.get("object") != "event":
        raise NotificationRejected("no snapshot event; let the endpoint send snapshot payloads")
    subject = _subject(event)
    event_type = event_reading.matching(event, "type", _TYPE)
    return Notification(
        provider=provider,
        event_id=event_reading.matching(event, "id", _ID),
        type=event_type,
        mode=_mode(event),
        account=event_reading.matching_or_empty(event, "account", _ACCOUNT),
        created_at=_created(event),
        object_ids=_object_ids(subject),
        ids=_ids(subject),
        reference=_reference(subject),
        relevant=event_type in RELEVANT_TYPES,
        of_payouts=event_type.startswith("payout."),
        api_version=event_reading.matching_or_empty(event, "api_version", _VERSION),
    )


def _events_lost(event: Mapping[str, Any], provider: str) -> Notification:
    """Read the one thin event we take: it speaks of no payment, and of its fields only these are used."""
    return Notification(
        provider=provider,
        event_id=event_reading.matching(event, "id", _ID),
        type=event_reading.matching(event, "type", _TYPE),
        mode=_mode(event),
        account=event_reading.matching_or_empty(event, "context", _ACCOUNT),
        created_at=event_reading.moment(event, "created"),
        object_ids=(),
        ids=ProviderIds(),
        reference="",
        relevant=False,
        events_lost=True,
    )


def _mode(event: Mapping[str, Any]) -> Mode:
    livemode = event.get("livemode")
    if not isinstance(livemode, bool):
        raise NotificationRejected("the event has no livemode")
    return Mode.LIVE if livemode else Mode.TEST


def _subject(event: Mapping[str, Any]) -> dict[str, Any]:
    data = event.get("data")
    subject = data.get("object") if isinstance(data, dict) else None
    if not isinstance(subject, dict):
        raise NotificationRejected("the event has no data.object")
    return subject


def _created(event: Mapping[str, Any]) -> datetime:
    seconds = event.get("created")
    if type(seconds) is not int or not 0 < seconds <= _LAST_SECOND:
        raise NotificationRejected("the event has no readable created")
    return datetime.fromtimestamp(seconds, UTC)


def _object_ids(subject: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids the event speaks of, the object's own first, each once."""
    found = [_id_in(subject, "id"), *(_id_in(subject, key) for key in ("charge", "payment_intent", "latest_charge"))]
    return tuple(dict.fromkeys(object_id for object_id in found if object_id))


def _ids(subject: Mapping[str, Any]) -> ProviderIds:
    own = _id_in(subject, "id")
    match subject.get("object"):
        case "checkout.session":
            return ProviderIds(page_id=own, intent_id=_id_in(subject, "payment_intent"))
        case "payment_intent":
            return ProviderIds(intent_id=own)
    return ProviderIds(intent_id=_id_in(subject, "payment_intent"))


def _id_in(subject: Mapping[str, Any], key: str) -> str:
    """Return the id in a field that holds an id or a whole object; empty for anything that is no id of Stripe's."""
    value = subject.get(key)
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def _reference(subject: Mapping[str, Any]) -> str:
    """Return our reference if the object carries one. What is no reference of ours in shape is none."""
    metadata = subject.get("metadata")
    carried = metadata.get(REFERENCE_KEY) if isinstance(metadata, dict) else None
    carried = carried or subject.get("client_reference_id")
    return carried if isinstance(carried, str) and _ID.fullmatch(carried) else ""
