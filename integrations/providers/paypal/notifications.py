"""PayPal's webhooks: proved over their exact bytes, read strictly, reduced to a hint.

https://developer.paypal.com/api/rest/webhooks/rest/. What is signed is `transmission id|time|webhook id|CRC32`, so the
configured webhook id is all that binds an event to this shop, and CRC32 all that binds the bytes: a collision is easily
made, but what it could say is a hint only, and a look asks PayPal itself. Whatever is wrong is NotificationRejected.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from integrations.contract import (
    Mode,
    Notification,
    NotificationRejected,
    NotificationUnverified,
    ProviderIds,
    Unavailable,
)
from integrations.providers import event_reading
from integrations.providers.paypal import certificates, snapshots
from integrations.providers.paypal.answers import mode_of
from integrations.providers.paypal.certificates import NotProved, Rule

PAST_SECONDS = 4 * 86_400
"""PayPal repeats for three days, and nowhere says that a repeat is signed anew: a tighter window would lose events
after a long outage of ours. A replay changes nothing: the inbox knows its id, and it only makes us look."""
FUTURE_SECONDS = 300
ALGORITHM = "SHA256withRSA"
HEADERS = (
    "paypal-transmission-id",
    "paypal-transmission-time",
    "paypal-transmission-sig",
    "paypal-cert-url",
    "paypal-auth-algo",
)
# Types that can change what a look at a payment says.
RELEVANT_TYPES = frozenset(
    """
    CHECKOUT.ORDER.APPROVED CHECKOUT.ORDER.COMPLETED CHECKOUT.ORDER.VOIDED CHECKOUT.PAYMENT-APPROVAL.REVERSED
    PAYMENT.CAPTURE.COMPLETED PAYMENT.CAPTURE.PENDING PAYMENT.CAPTURE.DECLINED PAYMENT.CAPTURE.DENIED
    PAYMENT.CAPTURE.REFUNDED PAYMENT.CAPTURE.REVERSED PAYMENT.REFUND.PENDING PAYMENT.REFUND.FAILED
    PAYMENT.AUTHORIZATION.CREATED PAYMENT.AUTHORIZATION.VOIDED
    CUSTOMER.DISPUTE.CREATED CUSTOMER.DISPUTE.UPDATED CUSTOMER.DISPUTE.RESOLVED
    """.split()
)

_TRANSMISSION = re.compile(r"[A-Za-z0-9-]{8,100}")
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{100,2000}={0,2}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?Z")
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_TYPE = re.compile(r"[A-Z0-9._-]{1,120}")
_REFERENCE = re.compile(r"[A-Za-z0-9_-]{1,127}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a webhook of ours must be proved against: where its certificate may come from, and our webhook's id."""

    rule: Rule
    webhook_id: str
    mode: Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    """The headers of one transmission, read."""

    certificate_url: str
    signed_at: datetime
    signature: bytes
    signed: bytes


def verify(*, headers: Mapping[str, str], body: bytes, now: datetime, door: Door) -> Notification:
    """Prove a webhook by the kept certificate; no network. Raises NotificationRejected.

    Raises NotificationUnverified where the certificate is not kept yet, with the event that is to be proved.
    """
    proof = _proof(headers, body, now=now, door=door)
    chain = certificates.known(proof.certificate_url)
    notification = read(event_reading.parsed(body), ours=door.mode)
    if not chain:
        raise NotificationUnverified("PayPal's certificate is not known here yet", notification)
    try:
        key = certificates.public_key(chain, rule=door.rule, at=now)
    except NotProved as error:
        raise NotificationUnverified(f"the kept certificate does not hold: {error}", notification) from None
    certificates.check_signature(key, signature=proof.signature, signed=proof.signed)
    return notification


def prove(
    *, headers: Mapping[str, str], body: bytes, now: datetime, door: Door, ask: Callable[[bytes], str]
) -> Notification:
    """As `verify`, by a worker: the certificate is fetched where it is not kept. `now`: when the webhook came.

    `ask` posts to PayPal's own verification and returns its word; it is asked where the certificate cannot be vouched
    for (its chain lacks what our roots know). Raises NotificationRejected, Unavailable.
    """
    proof = _proof(headers, body, now=now, door=door)
    notification = read(event_reading.parsed(body), ours=door.mode)
    url = proof.certificate_url
    chain = certificates.known(url)
    try:
        if not chain:
            chain = certificates.fetch(url)
        key = certificates.public_key(chain, rule=door.rule, at=now)
    except NotProved:
        _ask_paypal(_post_back(headers, body, door=door), ask)
        return notification
    certificates.check_signature(key, signature=proof.signature, signed=proof.signed)
    certificates.keep(url, chain)
    return notification


def _proof(headers: Mapping[str, str], body: bytes, *, now: datetime, door: Door) -> _Proof:
    event_reading.check_size(body)
    transmission = _header(headers, "paypal-transmission-id", _TRANSMISSION)
    time = _header(headers, "paypal-transmission-time", _TIME)
    signature = _header(headers, "paypal-transmission-sig", _SIGNATURE)
    if _header(headers, "paypal-auth-algo", re.compile(r"[\x21-\x7e]{1,100}")) != ALGORITHM:
        raise NotificationRejected(f"the signature is not made by {ALGORITHM}")
    url = _header(headers, "paypal-cert-url", re.compile(r"[\x21-\x7e]{1,500}"))
    door.rule.check(url)
    signed_at = _moment(time)
    age_seconds = (now - signed_at).total_seconds()
    if not -FUTURE_SECONDS <= age_seconds <= PAST_SECONDS:
        raise NotificationRejected("the transmission is too old or from the future")
    return _Proof(
        certificate_url=url,
        signed_at=signed_at,
        signature=_decoded(signature),
        signed=f"{transmission}|{time}|{door.webhook_id}|{zlib.crc32(body)}".encode(),
    )


def _header(headers: Mapping[str, str], name: str, shape: re.Pattern[str]) -> str:
    found = event_reading.only_header(headers, name)
    if not shape.fullmatch(found):
        raise NotificationRejected(f"the {name} header is malformed")
    return found


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        raise NotificationRejected("the transmission time is no time") from None


def _decoded(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise NotificationRejected("the signature is no base64") from None
    # Several texts decode to the same bytes; a changed header is never the same proof.
    if base64.b64encode(decoded).decode() != text:
        raise NotificationRejected("the signature is no base64 as PayPal writes it")
    return decoded


def _post_back(headers: Mapping[str, str], body: bytes, *, door: Door) -> bytes:
    """Return the question to PayPal's own verification, with the event's bytes as they came.

    Decoding and encoding them anew would change numbers, escapes and empty objects, and the answer would be FAILURE.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    asked = {
        "auth_algo": lower["paypal-auth-algo"],
        "cert_url": lower["paypal-cert-url"],
        "transmission_id": lower["paypal-transmission-id"],
        "transmission_sig": lower["paypal-transmission-sig"],
        "transmission_time": lower["paypal-transmission-time"],
        "webhook_id": door.webhook_id,
    }
    return json.dumps(asked).encode().removesuffix(b"}") + b', "webhook_event":' + body + b"}"


def _ask_paypal(question: bytes, ask: Callable[[bytes], str]) -> None:
    said = ask(question)
    if said == "FAILURE":
        raise NotificationRejected("PayPal says that this event is not its own")
    if said != "SUCCESS":
        raise Unavailable("PayPal's verification gave no answer that can be believed", code="verification")


def read(event: Mapping[str, Any], *, ours: Mode) -> Notification:
    """Reduce an event to a hint. Raises NotificationRejected where it is none."""
    kind = event_reading.matching(event, "event_type", _TYPE)
    resource = event.get("resource")
    if not isinstance(resource, dict):
        raise NotificationRejected("the event has no resource")
    object_ids = _object_ids(kind, resource)
    return Notification(
        provider="paypal",
        event_id=event_reading.matching(event, "id", _ID),
        type=kind,
        mode=_mode(event, resource, ours=ours),
        account="",
        created_at=_created(event),
        object_ids=object_ids,
        ids=ProviderIds(page_id=_order_id(kind, resource)),
        reference=_reference(kind, resource),
        relevant=kind in RELEVANT_TYPES,
        api_version=_version(event),
    )


def _mode(event: Mapping[str, Any], resource: Mapping[str, Any], *, ours: Mode) -> Mode:
    """Return the mode the links tell; where the event and its resource disagree, the one that is not ours."""
    told = {mode_of(each, ours=ours) for each in (event, resource)}
    return next(iter(told - {ours}), ours)


def _created(event: Mapping[str, Any]) -> datetime:
    return _moment(event_reading.matching(event, "create_time", _TIME))


def _version(event: Mapping[str, Any]) -> str:
    value = event.get("resource_version")
    return value if isinstance(value, str) and re.fullmatch(r"[0-9A-Za-z._-]{1,40}", value) else ""


def _is_refund(kind: str) -> bool:
    return kind.startswith("PAYMENT.REFUND.") or kind in ("PAYMENT.CAPTURE.REFUNDED", "PAYMENT.CAPTURE.REVERSED")


def _object_ids(kind: str, resource: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the ids the event speaks of, the object's own first, each once."""
    found = [resource.get("dispute_id"), resource.get("id"), _order_id(kind, resource)]
    if _is_refund(kind):
        found.append(_capture_of(resource))
    found += [each.get("seller_transaction_id") for each in _list(resource, "disputed_transactions")]
    ids = [each for each in found if isinstance(each, str) and _ID.fullmatch(each)]
    return tuple(dict.fromkeys(ids))


def _capture_of(refund: Mapping[str, Any]) -> str:
    try:
        return snapshots.capture_of(refund)
    except Unavailable:
        return ""


def _order_id(kind: str, resource: Mapping[str, Any]) -> str:
    """Return the order an event belongs to, where it tells."""
    if kind.startswith("CHECKOUT.ORDER."):
        found = resource.get("id")
    elif kind.startswith("CHECKOUT."):
        found = resource.get("order_id")
    else:
        supplementary = resource.get("supplementary_data")
        related = supplementary.get("related_ids") if isinstance(supplementary, dict) else None
        found = related.get("order_id") if isinstance(related, dict) else None
    return found if isinstance(found, str) and _ID.fullmatch(found) else ""


def _reference(kind: str, resource: Mapping[str, Any]) -> str:
    """Return our reference of the payment, if the event carries one. A refund's own is another."""
    if _is_refund(kind):
        return ""
    carried = resource.get("custom_id")
    for each in [*_list(resource, "purchase_units"), *_list(resource, "disputed_transactions")]:
        carried = carried or each.get("custom_id") or each.get("custom")
    return carried if isinstance(carried, str) and _REFERENCE.fullmatch(carried) else ""


def _list(resource: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = resource.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
