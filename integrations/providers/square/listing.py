"""Square's lists over a stretch of time: payments, refunds, events (PROVIDERS.md, section 1). They move no state here.

Lists lag by seconds. Events can be searched once the search is enabled, and from then on only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from integrations.contract import (
    ConfigurationError,
    InvalidRequest,
    ListedCapture,
    ListedEvent,
    ListedRefund,
    ListedStatus,
    NotificationRejected,
    Page,
    ProviderIds,
)
from integrations.providers.answer_reading import Answer
from integrations.providers.square import looking, notifications, refunds, snapshots
from integrations.providers.square.answers import answers
from integrations.providers.square.client import PAGE_SIZE, Client
from integrations.providers.square.money import from_square

_STATUS = {
    "COMPLETED": ListedStatus.CAPTURED,
    "APPROVED": ListedStatus.AUTHORIZED,
    "PENDING": ListedStatus.PENDING,
    "FAILED": ListedStatus.FAILED,
    "CANCELED": ListedStatus.FAILED,
}


def list_captures(client: Client, *, since: datetime, until: datetime, cursor: str) -> Page[ListedCapture]:
    """Return one page of our location's payments, refused and unfinished ones too."""
    account = client.account()
    found, after = client.page_of(client.sdk.payments.list, "payments", cursor=cursor, **_between(client, since, until))
    return Page(items=tuple(_capture(client, told, account=account) for told in found), cursor=after)


def find_capture(client: Client, capture_id: str) -> ListedCapture:
    """Return one payment as the list would tell it. Raises UnknownObject."""
    account = client.account()
    return _capture(client, looking.payment(client, capture_id), account=account)


def list_refunds(client: Client, *, since: datetime, until: datetime, cursor: str) -> Page[ListedRefund]:
    """Return one page of refunds, made by us or in the dashboard."""
    account = client.account()
    found, after = client.page_of(client.sdk.refunds.list, "refunds", cursor=cursor, **_between(client, since, until))
    return Page(items=tuple(_refund(told, account=account) for told in found), cursor=after)


def list_events(client: Client, *, since: datetime, cursor: str, types: tuple[str, ...]) -> Page[ListedEvent]:
    """Return one page of events; those that are no events of ours in shape are left out, as at our door.

    Where the search is still off, it is enabled: events are kept for it from then on.
    """
    wanted: dict[str, Any] = {"created_at": {"start_at": written(since, math.floor)}}
    if types:
        wanted["event_types"] = list(types)
    query = {"filter": wanted, "sort": {"field": "DEFAULT", "order": "DESC"}}
    search = client.sdk.events.search_events
    try:
        found, after = client.page_of(search, "events", cursor=cursor, query=query, limit=PAGE_SIZE)
    except (InvalidRequest, ConfigurationError) as error:
        if cursor or error.code not in ("FORBIDDEN", "BAD_REQUEST"):
            raise
        client.ask(client.sdk.events.enable_events)
        found, after = client.page_of(search, "events", cursor=cursor, query=query, limit=PAGE_SIZE)
    return Page(items=tuple(told for event in found if (told := _event(client, event)) is not None), cursor=after)


def written(moment: datetime, whole: Callable[[float], int]) -> str:
    """Return a time as Square takes it, in whole seconds rounded by `whole`."""
    return datetime.fromtimestamp(whole(moment.timestamp()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _between(client: Client, since: datetime, until: datetime) -> dict[str, Any]:
    return {
        "begin_time": written(since, math.floor),
        "end_time": written(until, math.ceil),
        "sort_order": "DESC",
        "location_id": client.location_id,
        "limit": PAGE_SIZE,
    }


def _capture(client: Client, payment: Answer, *, account: str) -> ListedCapture:
    told = answers.text(payment, "status")
    status = _STATUS.get(told)
    if status is None:
        raise answers.unreadable(payment, "status")
    amount_minor, currency = from_square(payment, "total_money")
    listed_at = answers.moment(payment, "created_at")
    captured = status is ListedStatus.CAPTURED
    return ListedCapture(
        capture_id=answers.text(payment, "id"),
        reference=notifications.reference(payment),
        ids=notifications.ids_of(payment),
        account=account,
        mode=client.mode,
        status=status,
        amount_minor=amount_minor,
        currency=currency,
        listed_at=listed_at,
        captured_at=snapshots.captured_at(payment) if captured else listed_at,
        refunded_minor=from_square(payment, "refunded_money")[0] if payment.get("refunded_money") else 0,
        fee_minor=snapshots.fee_minor(payment, currency) if captured else None,
        status_words=told.lower(),
    )


def _refund(refund: Answer, *, account: str) -> ListedRefund:
    told = refunds.snapshot(refund)
    return ListedRefund(
        refund_id=told.refund_id,
        capture_id=told.capture_id,
        reference=told.reference,
        # A refund's order is that of the return, not the one that was paid.
        ids=ProviderIds(),
        account=account,
        status=told.status,
        amount_minor=told.amount_minor,
        currency=told.currency,
        listed_at=answers.moment(refund, "created_at"),
    )


def _event(client: Client, event: Answer) -> ListedEvent | None:
    try:
        notification = notifications.read(event, mode=client.mode, location_id=client.location_id)
    except NotificationRejected:
        return None
    return ListedEvent(notification=notification, body=json.dumps(event, separators=(",", ":")).encode())
