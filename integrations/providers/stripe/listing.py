"""Stripe's lists over a stretch of time: charges, refunds, events (PROVIDERS.md, section 5). It moves no state of ours.

https://docs.stripe.com/api/charges/list, https://docs.stripe.com/api/refunds/list, https://docs.stripe.com/api/events/list
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Any

from integrations.contract import (
    InvalidRequest,
    ListedCapture,
    ListedEvent,
    ListedRefund,
    ListedStatus,
    NotificationRejected,
    Page,
    ProviderIds,
    Unavailable,
)
from integrations.providers.answer_reading import Answer
from integrations.providers.stripe import notifications, snapshots
from integrations.providers.stripe.answers import answers
from integrations.providers.stripe.client import Client
from integrations.providers.stripe.money import from_stripe
from integrations.providers.stripe.snapshots import REFERENCE_KEY, REFUND_REFERENCE_KEY

MAX_TYPES = 20
"""So many types of events may be named in one question."""


def list_captures(client: Client, *, since: datetime, until: datetime, cursor: str) -> Page[ListedCapture]:
    """Return one page of charges, refused and unfinished ones too, each with its entry in the balance."""
    params = {"created": _between(since, until), "expand": ["data.balance_transaction"]}
    account = client.account()
    found, after = client.page_of(client.v1.charges.list, params, after=cursor)
    return Page(items=tuple(_capture(charge, account=account) for charge in found), cursor=after)


def find_capture(client: Client, capture_id: str) -> ListedCapture:
    """Return one charge as the list would tell it. Raises UnknownObject."""
    account = client.account()
    charge = client.ask_about(capture_id, client.v1.charges.retrieve, {"expand": ["balance_transaction"]})
    return _capture(charge, account=account)


def list_refunds(client: Client, *, since: datetime, until: datetime, cursor: str) -> Page[ListedRefund]:
    """Return one page of refunds, made by us or in the dashboard."""
    account = client.account()
    found, after = client.page_of(client.v1.refunds.list, {"created": _between(since, until)}, after=cursor)
    return Page(items=tuple(_refund(refund, account=account) for refund in found), cursor=after)


def list_events(client: Client, *, since: datetime, cursor: str, types: tuple[str, ...]) -> Page[ListedEvent]:
    """Return one page of events; those that are no snapshot events of ours in shape are left out, as at our door."""
    if len(types) > MAX_TYPES:
        raise InvalidRequest(f"at most {MAX_TYPES} types can be asked for at once", code="types")
    params: dict[str, Any] = {"created": {"gte": math.floor(since.timestamp())}}
    if types:
        params["types"] = list(types)
    found, after = client.page_of(client.v1.events.list, params, after=cursor)
    return Page(items=tuple(told for event in found if (told := _event(event)) is not None), cursor=after)


def _between(since: datetime, until: datetime) -> dict[str, int]:
    return {"gte": math.floor(since.timestamp()), "lte": math.ceil(until.timestamp())}


def _capture(charge: Answer, *, account: str) -> ListedCapture:
    status = _status(charge)
    currency = answers.text(charge, "currency")
    told = "amount_captured" if status is ListedStatus.CAPTURED else "amount"
    amount_minor, code = from_stripe(answers.whole(charge, told), currency)
    refunded_minor, _ = from_stripe(answers.whole(charge, "amount_refunded"), currency)
    listed_at = answers.moment(charge, "created")
    captured_at, fee_minor = listed_at, None
    if status is ListedStatus.CAPTURED:
        capture = snapshots.capture(charge)
        captured_at, fee_minor = capture.captured_at, capture.fee_minor
    return ListedCapture(
        capture_id=answers.text(charge, "id"),
        reference=answers.metadata(charge, REFERENCE_KEY),
        ids=ProviderIds(intent_id=answers.id_of(charge, "payment_intent")),
        account=account,
        mode=answers.mode(charge),
        status=status,
        amount_minor=amount_minor,
        currency=code,
        listed_at=listed_at,
        captured_at=captured_at,
        refunded_minor=refunded_minor,
        disputed=bool(charge.get("disputed")),
        fee_minor=fee_minor,
        status_words=answers.text(charge, "status"),
    )


def _status(charge: Answer) -> ListedStatus:
    if snapshots.is_captured(charge):
        return ListedStatus.CAPTURED
    match answers.text(charge, "status"):
        case "failed":
            return ListedStatus.FAILED
        case "succeeded":
            return ListedStatus.AUTHORIZED
        case "pending":
            return ListedStatus.PENDING
    raise Unavailable("Stripe's charge has a status we do not know", code="shape")


def _refund(refund: Answer, *, account: str) -> ListedRefund:
    told = snapshots.refund(refund)
    return ListedRefund(
        refund_id=told.refund_id,
        capture_id=told.capture_id,
        reference=answers.metadata(refund, REFUND_REFERENCE_KEY),
        ids=ProviderIds(intent_id=answers.id_of(refund, "payment_intent")),
        account=account,
        status=told.status,
        amount_minor=told.amount_minor,
        currency=told.currency,
        listed_at=answers.moment(refund, "created"),
    )


def _event(event: Answer) -> ListedEvent | None:
    try:
        notification = notifications.read(event)
    except NotificationRejected:
        return None
    return ListedEvent(notification=notification, body=json.dumps(event, separators=(",", ":")).encode())
