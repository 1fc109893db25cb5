"""PayPal's lists over a stretch of time: transactions and events (PROVIDERS.md, section 1). It moves no state of ours.

https://developer.paypal.com/docs/api/transaction-search/v1/: at most 31 days at once, up to three hours late, oldest
first, several lines under one id possible. https://developer.paypal.com/docs/api/webhooks/v1/#webhooks-events_list
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from integrations.contract import (
    InvalidRequest,
    ListedCapture,
    ListedEvent,
    ListedRefund,
    ListedStatus,
    Mode,
    NotificationRejected,
    Page,
    ProviderIds,
)
from integrations.providers.answer_reading import Answer
from integrations.providers.paypal import notifications, snapshots
from integrations.providers.paypal.answers import answers, mode_of
from integrations.providers.paypal.client import Client
from integrations.providers.paypal.errors import word

LATE_SECONDS = 3 * 3600
WINDOW = timedelta(days=31)
PAGE_SIZE = 100
EVENTS_DAYS = 30
EVENTS_PATH = "/v1/notifications/webhooks-events"
_EVENTS_PAGE = 100
_CURSOR = re.compile(r"([0-9]{1,9}):([0-9]{1,7})")

# T00nn: payments; T11nn: refunds, and reversals of what was paid (T1106, T1107, T1108, T1111).
_PAYMENT = re.compile(r"T00\d\d")
_GIVEN_BACK = frozenset({"T1107", "T1106", "T1108", "T1111", "T1115"})
# V: reversed; the money had moved.
_CAPTURE_STATUS = {
    "S": ListedStatus.CAPTURED, "V": ListedStatus.CAPTURED, "P": ListedStatus.PENDING, "D": ListedStatus.FAILED,
}  # fmt: skip
_GAVE_BACK = frozenset({"PARTIALLY_REFUNDED", "REFUNDED"})
_REFUND_STATUS = {"S": "succeeded", "P": "pending", "D": "failed"}


def list_captures(client: Client, *, since: datetime, until: datetime, cursor: str, ours: Mode) -> Page[ListedCapture]:
    """Return one page of payments that came in. A page may be empty and still have a next one."""
    account, found, after = _page(client, since=since, until=until, cursor=cursor)
    listed = [_capture(info, account=account, ours=ours) for info in found if _is_payment(info)]
    return Page(items=_newest_first(listed), cursor=after)


def list_refunds(client: Client, *, since: datetime, until: datetime, cursor: str) -> Page[ListedRefund]:
    """Return one page of what went back, by our doing or PayPal's."""
    account, found, after = _page(client, since=since, until=until, cursor=cursor)
    listed = [_refund(info, account=account) for info in found if _code(info) in _GIVEN_BACK]
    return Page(items=tuple(sorted(listed, key=lambda each: each.listed_at, reverse=True)), cursor=after)


def _newest_first(listed: list[ListedCapture]) -> tuple[ListedCapture, ...]:
    return tuple(sorted(listed, key=lambda each: each.listed_at, reverse=True))


def find_capture(client: Client, capture_id: str, *, account: str, ours: Mode) -> ListedCapture:
    """Return one capture as the list would tell it; its own resource is never late. Raises UnknownObject."""
    told = client.get_capture(capture_id)
    status = answers.text(told, "status")
    amount_minor, currency = answers.money(told, "amount")
    moved = snapshots.capture(told) if status in snapshots.MOVED else None
    made, order_id = answers.moment(told, "create_time"), _order_of(told)
    return ListedCapture(
        capture_id=answers.text(told, "id"),
        reference=answers.text_or_empty(told, "custom_id"),
        ids=ProviderIds(page_id=order_id),
        account=account,
        mode=mode_of(told, ours=ours),
        status=_found_status(status),
        amount_minor=amount_minor,
        currency=currency,
        listed_at=made,
        captured_at=made,
        refunded_minor=_refunded(client, capture_id, order_id=order_id) if status in _GAVE_BACK and order_id else 0,
        fee_minor=moved.fee_minor if moved else None,
        status_words=_found_status(status).value,
    )


def _refunded(client: Client, capture_id: str, *, order_id: str) -> int:
    """Return how much of a capture went back: the capture itself does not tell, its order's refunds do."""
    unit = snapshots.unit_of(client.get_order(order_id))
    refunds = answers.items(answers.inner(unit, "payments"), "refunds")
    told = [snapshots.refund(each, of=capture_id) for each in refunds]
    return sum(each.amount_minor for each in told if each.capture_id == capture_id and each.status != "failed")


def _found_status(status: str) -> ListedStatus:
    if status in snapshots.MOVED:
        return ListedStatus.CAPTURED
    return ListedStatus.PENDING if status == "PENDING" else ListedStatus.FAILED


def _order_of(capture: Answer) -> str:
    related = answers.inner(answers.inner(capture, "supplementary_data"), "related_ids")
    return answers.text_or_empty(related, "order_id")


def _page(client: Client, *, since: datetime, until: datetime, cursor: str) -> tuple[str, list[Answer], str]:
    """Return the account, one page of transactions and the next cursor, `window:page` from the newest window down.

    PayPal lists the oldest first, so each window is read from its last page: what comes meanwhile shifts no page. A
    cursor belongs to the stretch of time it was told for: its windows are counted from `until`.
    """
    window, page = _position(cursor)
    end = until - WINDOW * window
    begin = max(since, end - WINDOW)
    if begin > end:
        return "", [], ""
    answer = client.search(start_date=_written(begin), end_date=_written(end), page=page or 1, page_size=PAGE_SIZE)
    pages = answer.get("total_pages")
    if page == 0 and type(pages) is int and pages > 1:
        page = pages
        answer = client.search(start_date=_written(begin), end_date=_written(end), page=page, page_size=PAGE_SIZE)
    found = [answers.inner(each, "transaction_info") for each in answers.items(answer, "transaction_details")]
    further = f"{window + 1}:0" if begin > since else ""
    after = f"{window}:{page - 1}" if page > 1 else further
    return answers.text_or_empty(answer, "account_number"), found, after


def _position(cursor: str) -> tuple[int, int]:
    if not cursor:
        return 0, 0
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidRequest("this is no cursor of PayPal's lists", code="cursor")
    return int(match[1]), int(match[2])


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _code(info: Answer) -> str:
    return word(info.get("transaction_event_code"))


def _is_payment(info: Answer) -> bool:
    """Return whether money came in by this line: payments of ours to others have a negative amount."""
    return bool(_PAYMENT.fullmatch(_code(info))) and answers.money(info, "transaction_amount")[0] > 0


def _capture(info: Answer, *, account: str, ours: Mode) -> ListedCapture:
    amount_minor, currency = answers.money(info, "transaction_amount")
    status = answers.text(info, "transaction_status")
    if status not in _CAPTURE_STATUS:
        raise answers.unreadable(info, "transaction_status")
    fee_minor = None
    if info.get("fee_amount") is not None:
        fee, fee_currency = answers.money(info, "fee_amount")
        fee_minor = -fee if fee_currency == currency else None
    at = answers.moment(info, "transaction_initiation_date")
    order = answers.text_or_empty(info, "paypal_reference_id") if info.get("paypal_reference_id_type") == "ODR" else ""
    return ListedCapture(
        capture_id=answers.text(info, "transaction_id"),
        reference=answers.text_or_empty(info, "custom_field"),
        ids=ProviderIds(page_id=order),
        account=account,
        mode=ours,
        status=_CAPTURE_STATUS[status],
        amount_minor=amount_minor,
        currency=currency,
        listed_at=at,
        captured_at=at,
        fee_minor=fee_minor,
        status_words=_CAPTURE_STATUS[status].value,
    )


def _refund(info: Answer, *, account: str) -> ListedRefund:
    amount_minor, currency = answers.money(info, "transaction_amount")
    status = _REFUND_STATUS.get(answers.text(info, "transaction_status"), "succeeded")
    of_transaction = info.get("paypal_reference_id_type") == "TXN"
    return ListedRefund(
        refund_id=answers.text(info, "transaction_id"),
        capture_id=answers.text_or_empty(info, "paypal_reference_id") if of_transaction else "",
        reference=answers.text_or_empty(info, "custom_field"),
        ids=ProviderIds(),
        account=account,
        status=status,
        amount_minor=abs(amount_minor),
        currency=currency,
        listed_at=answers.moment(info, "transaction_initiation_date"),
    )


def list_events(
    client: Client, *, since: datetime, cursor: str, types: tuple[str, ...], ours: Mode
) -> Page[ListedEvent]:
    """Return one page of events, of one type at a time where some are named: PayPal takes one.

    Cursor: `number of the type:PayPal's token`.
    """
    number, _, token = cursor.partition(":") if cursor else ("0", "", "")
    if not number.isdigit() or (types and int(number) >= len(types)):
        raise InvalidRequest("this is no cursor of PayPal's events", code="cursor")
    wanted = {"event_type": types[int(number)]} if types else {}
    query = {"page_size": str(_EVENTS_PAGE), "start_time": _written(since), **wanted}
    if token:
        query["next_page_token"] = token
    answer = client.get(EVENTS_PATH, query)
    listed = [told for each in answers.items(answer, "events") if (told := _event(each, ours=ours)) is not None]
    after = _next_token(answer)
    if after:
        return Page(items=tuple(listed), cursor=f"{number}:{after}")
    another = bool(types) and int(number) + 1 < len(types)
    return Page(items=tuple(listed), cursor=f"{int(number) + 1}:" if another else "")


def _next_token(answer: Answer) -> str:
    query = dict(parse_qsl(urlsplit(answers.link(answer, "next")).query))
    return query.get("next_page_token", "")


def _event(event: Answer, *, ours: Mode) -> ListedEvent | None:
    """Read one event; one that is none of ours in shape is left out, as at our door."""
    try:
        notification = notifications.read(event, ours=ours)
    except NotificationRejected:
        return None
    return ListedEvent(notification=notification, body=json.dumps(event, separators=(",", ":")).encode())
